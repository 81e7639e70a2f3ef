"""A suite of cases that somebody has: out of a file, put into other words, or made of what happened. Nothing is derived here.

The cases are of this very policy, since their verdicts are (L07). What they cover is counted anew (L08); what is not covered is open,
not proved impossible: nobody asked the solver.
"""

from __future__ import annotations

from collections.abc import Sequence

from obverse.cases.coverage import coverage
from obverse.cases.files import digest_of
from obverse.cases.records import Case, Size, Suite
from obverse.cases.settings import Settings
from obverse.core.errors import UntrustedInputError
from obverse.policy.checked import Checked


def suite_of(checked: Checked, cases: Sequence[Case], *, seed: int, source: str = "cases.jsonl") -> Suite:
    """The suite that these cases are.

    Raises:
        UntrustedInputError: if there is none, one is there twice, or one was made for another policy.
    """
    if not cases:
        raise UntrustedInputError(
            "no case", code="I150", source=source, hint="`obverse cases POLICY -o FILE` writes some"
        )
    other = next((case for case in cases if case.policy != checked.digest), None)
    if other is not None:
        raise UntrustedInputError(
            f"the case `{other.id}` is of another policy", code="I151", source=source,
            hint="derive the cases again; a policy that was edited is another one",
        )  # fmt: skip
    known: set[str] = set()
    for case in cases:
        if case.id in known:
            raise UntrustedInputError(f"the case `{case.id}` is there twice", code="I152", source=source)
        known.add(case.id)
    settings = Settings()
    return Suite(
        policy=checked.digest, settings=settings, seed=seed, cases=tuple(cases), infeasible=(), open=(),
        coverage=coverage(checked, tuple(cases), (), settings=settings),
        size=Size(cases=len(cases), lower_bound=0, exact=False), digest=digest_of(cases),
    )  # fmt: skip
