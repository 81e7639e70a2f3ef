"""Bounds on a rate from a number of trials that was fixed before the first: Clopper and Pearson, Biometrika 26 (1934).

Exact for independent trials of one rate (cases drawn afresh, one trial each). For the blocks of a `Schedule`, whose cases
differ in rate, the number broken is less dispersed than binomial (Hoeffding, Ann. Math. Statist. 27, 1956), and each bound
still holds, save at the very ends; `docs/design/stats.md` says where. Not for looking repeatedly: that is `betting`.

A bound is one-sided: it errs with probability `error`. Two of them make an interval that errs with twice that.
"""

from __future__ import annotations

from obverse.core.errors import MisuseError


def upper_bound(*, trials: int, broken: int, error: float) -> float:
    """The rate that is exceeded with probability `error` at most; 1.0 without trials."""
    from scipy.special import betaincinv

    check_counts(trials=trials, broken=broken)
    check_error(error)
    return 1.0 if broken == trials else float(betaincinv(broken + 1, trials - broken, 1 - error))


def lower_bound(*, trials: int, broken: int, error: float) -> float:
    """The rate that is undercut with probability `error` at most; 0.0 without trials."""
    from scipy.special import betaincinv

    check_counts(trials=trials, broken=broken)
    check_error(error)
    return 0.0 if broken == 0 else float(betaincinv(broken, trials - broken + 1, error))


def p_below(threshold: float, *, trials: int, broken: int) -> float:
    """How probable so few broken trials are if the rate is at least the threshold: small speaks for "below"."""
    from scipy.special import betaincc

    check_threshold(threshold)
    check_counts(trials=trials, broken=broken)
    return 1.0 if broken == trials else float(betaincc(broken + 1, trials - broken, threshold))


def p_above(threshold: float, *, trials: int, broken: int) -> float:
    """How probable so many broken trials are if the rate is at most the threshold: small speaks for "above"."""
    from scipy.special import betainc

    check_threshold(threshold)
    check_counts(trials=trials, broken=broken)
    return 1.0 if broken == 0 else float(betainc(broken, trials - broken + 1, threshold))


def check_counts(*, trials: int, broken: int) -> None:
    """Raises a `MisuseError` unless 0 <= broken <= trials."""
    if not 0 <= broken <= trials:
        raise MisuseError(f"`{broken}` broken of `{trials}` trials", code="N103")


def check_threshold(threshold: float) -> None:
    """Raises a `MisuseError` unless the threshold is a rate that can be met and missed."""
    if not 0 < threshold < 1:
        raise MisuseError(
            f"the threshold `{threshold}` is not between 0 and 1", code="N104",
            hint="no number of trials shows that a rate is 0; choose the smallest rate that matters",
        )  # fmt: skip


def allowed_error(confidence: float) -> float:
    """What this confidence leaves to chance: 0.05 of 0.95, to the digit.

    Raises:
        MisuseError: for a confidence that is not between 0.75 and 1.
    """
    error = round(1 - confidence, 12)
    check_error(error)
    return error


def check_error(error: float) -> None:
    """Raises a `MisuseError` unless 0 < error <= 1/4: beyond that Hoeffding's conditions, and sense, are lost."""
    if not 0 < error <= 0.25:
        raise MisuseError(
            f"the confidence `{1 - error:g}` is not between 0.75 and 1", code="N105", hint="0.95 is usual"
        )
