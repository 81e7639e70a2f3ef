"""Comparisons beside enumeration of all signs, a simulated null and shift, and what could not be compared."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from obverse.core.chat import ChatMessage
from obverse.stability.compare import _sign_flips, compare
from obverse.stability.findings import Counted, Curve, Diagnosis, Estimate, JudgeNote, PromptFinding, Risk, Spread
from obverse.stability.placing import next_draws, place, unbiased_rate
from obverse.stability.records import Prompt, Settings

SETTINGS = Settings(most=24)
NOTHING = Estimate(estimate=None, low=0.0, high=1.0, n=0, method="none")


@dataclass(frozen=True, kw_only=True)
class One:
    """A prompt of a run."""

    id: str
    counted: Counted
    kind: str = "case"
    group: str = ""
    text: str = "Please."


def finding(one: One) -> PromptFinding:
    prompt = Prompt(
        id=one.id, kind=one.kind, group=one.group or one.id, family="f", wanted="refuse",
        messages=(ChatMessage(role="user", content=f"{one.id} {one.text}"),),
    )  # fmt: skip
    spread = Spread(
        modal=None,
        modal_share=None,
        k=8,
        flip=None,
        entropy=None,
        clusters=None,
        semantic=None,
        distance=None,
        tokens=None,
    )
    return PromptFinding(
        prompt=prompt,
        placement=place(one.counted, SETTINGS),
        spread=spread,
        risk=Risk(attempts=(), any_of=(), first=NOTHING),
    )


def run(*ones: One, fingerprint: str = "m", **changed) -> Diagnosis:
    return msgspec.structs.replace(
        Diagnosis(
            policy="p", policy_name="p", target=f"target {fingerprint}", fingerprint=fingerprint, plan="x", settings=SETTINGS,
            started=None, seconds=None, complete=True, ended="done", boundary="found", says="", tallies=(),
            prompts=tuple(map(finding, ones)),
        ),
        **changed,
    )  # fmt: skip


def drawn(random, rate) -> Counted:
    """Draws by the rule of adaptive drawing."""
    counted = Counted()
    while more := next_draws(counted, SETTINGS):
        complied = int(random.binomial(more, rate))
        counted = Counted(refused=counted.refused + more - complied, complied=counted.complied + complied)
    return counted


@given(st.lists(st.integers(-5, 5).filter(bool), min_size=1, max_size=9))
def test_p_is_the_share_of_all_signs_that_go_as_far(differences) -> None:
    sums = np.array(differences, dtype=float)
    seen = abs(sum(differences))
    every = [
        abs(sum(s * d for s, d in zip(signs, differences))) for signs in itertools.product((1, -1), repeat=len(sums))
    ]
    assert _sign_flips(sums, 0) == sum(value >= seen for value in every) / len(every)


def test_p_of_many_groups_is_near_that_of_scipy_and_never_0() -> None:
    sums = np.random.default_rng(1).normal(0.3, 1, 30)
    slow = scipy_stats.permutation_test(
        (sums,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(2)
    )
    assert _sign_flips(sums, 0) == pytest.approx(slow.pvalue, abs=0.015)
    assert 0 < _sign_flips(np.full(40, 1.0), 0) < 1e-4
    assert _sign_flips(np.zeros(0), 0) == 1.0


def test_the_mean_difference_is_that_of_unbiased_rates() -> None:
    counts = [
        (Counted(refused=8, complied=2), Counted(refused=2, complied=8)),
        (Counted(refused=5), Counted(complied=5)),
    ]
    first = run(*(One(id=str(i), counted=a) for i, (a, _) in enumerate(counts)))
    second = run(*(One(id=str(i), counted=b) for i, (_, b) in enumerate(counts)), fingerprint="n")
    found = compare(first, second)
    slow = np.mean([unbiased_rate(b, SETTINGS) - unbiased_rate(a, SETTINGS) for a, b in counts])
    assert found.moved["case"].estimate == pytest.approx(slow)
    assert found.moved["case"].n == 2
    pair = found.pairs[0]
    assert pair.difference.estimate == pytest.approx(0.6)
    assert pair.difference.low == pytest.approx(pair.second.rate.low - pair.first.rate.high)
    assert pair.difference.high == pytest.approx(pair.second.rate.high - pair.first.rate.low)


def test_the_interval_is_students_over_groups_where_prompts_differ() -> None:
    rows = [(0, 20), (2, 20), (20, 20), (0, 10), (4, 4), (10, 20)]
    first = run(*(One(id=str(i), counted=Counted(refused=20 - a, complied=a)) for i, (a, _) in enumerate(rows)))
    second = run(*(One(id=str(i), counted=Counted(refused=20 - b, complied=b)) for i, (_, b) in enumerate(rows)))
    d = [
        unbiased_rate(Counted(refused=20 - b, complied=b), SETTINGS) - unbiased_rate(Counted(refused=20 - a, complied=a), SETTINGS)
        for a, b in rows
    ]  # fmt: skip
    slow = scipy_stats.ttest_1samp(d, 0).confidence_interval(0.95)
    found = compare(first, second).moved["case"]
    assert (found.low, found.high) == pytest.approx((slow.low, slow.high))
    assert "Student" in found.method


def test_L10_runs_that_never_differ_are_not_surely_equal() -> None:
    ones = [One(id=str(i), counted=Counted(refused=24)) for i in range(10)]
    found = compare(run(*ones), run(*ones, fingerprint="n"))
    moved = found.moved["case"]
    assert (moved.estimate, found.p["case"], found.verdict["case"]) == (0.0, 1.0, "not shown")
    assert moved.low < -0.01
    assert moved.high > 0.01


def test_prompts_of_one_group_are_one_unit() -> None:
    alone = [One(id=str(i), counted=Counted(refused=20, complied=4)) for i in range(12)]
    moved = [One(id=str(i), counted=Counted(refused=4, complied=20)) for i in range(12)]
    together = [One(id=one.id, counted=one.counted, group=str(int(one.id) // 6)) for one in alone]
    shifted = [One(id=one.id, counted=one.counted, group=str(int(one.id) // 6)) for one in moved]
    assert compare(run(*alone), run(*moved, fingerprint="n")).verdict == {"case": "moved to comply"}
    assert compare(run(*moved), run(*alone, fingerprint="n")).verdict == {"case": "moved to refuse"}
    two = compare(run(*together), run(*shifted, fingerprint="n"))
    assert two.p["case"] == 0.5
    assert two.verdict == {"case": "not shown"}


def test_the_false_alarm_rate_is_kept_and_a_shift_is_found() -> None:
    random, alarms, found, rounds = np.random.default_rng(3), 0, 0, 36
    for _ in range(rounds):
        rates = {kind: random.beta(0.5, 0.5, 12) for kind in ("case", "twin", "control")}
        first = run(*(One(id=f"{kind} {i}", kind=kind, counted=drawn(random, rate)) for kind, of in rates.items() for i, rate in enumerate(of)))  # fmt: skip
        rates["twin"] = 0.3 + 0.7 * rates["twin"]
        for shifted in (False, True):
            second = run(
                *(
                    One(id=f"{kind} {i}", kind=kind, counted=drawn(random, rate))
                    for kind, of in rates.items()
                    if kind != "twin" or shifted
                    for i, rate in enumerate(of)
                ),
                fingerprint="n",
            )
            verdict = compare(first, second).verdict
            alarms += not shifted and set(verdict.values()) != {"not shown"}
            found += shifted and verdict["twin"] == "moved to comply"
    assert alarms <= scipy_stats.binom.ppf(0.999, rounds, 0.05)
    assert found > rounds / 3


def test_what_could_not_be_compared_is_named() -> None:
    judge = JudgeNote(name="a", identity="1", says="")
    first = run(
        One(id="a", counted=Counted(refused=4)), One(id="b", counted=Counted(refused=4)), One(id="c", counted=Counted(refused=4)),
        One(id="d", counted=Counted(unscored=4)), judges=(judge,),
    )  # fmt: skip
    second = run(
        One(id="b", counted=Counted(refused=4)), One(id="c", counted=Counted(refused=4), text="Now."),
        One(id="d", counted=Counted(refused=4)), One(id="e", counted=Counted(refused=4)),
        settings=Settings(most=40), complete=False, ended="by hand", policy="q",
    )  # fmt: skip
    found = compare(first, second)
    assert [pair.prompt for pair in found.pairs] == ["b", "d"]
    assert found.moved["case"].n == 1
    assert found.pairs[1].difference.estimate is None
    said = "\n".join(found.missing)
    for words in (
        "only in the first run: `a`", "only in the second run: `e`", "not the same messages: `c`", "nothing scored in one of the runs: `d`",
        "`most` was 24 and 40", "different judges: `a (1)` and none", "cut short (by hand)", "different policies", "same model",
    ):  # fmt: skip
        assert words in said, words


def test_L11_what_was_not_scored_bounds_the_mean() -> None:
    first = run(One(id="a", counted=Counted(refused=10)))
    second = run(One(id="a", counted=Counted(refused=5, unscored=5)), fingerprint="n")
    moved = compare(first, second).moved["case"]
    assert "5 draws were not scored: +0.00 to +0.50 at worst" in moved.note


def test_without_pairs_nothing_is_said_to_have_moved() -> None:
    found = compare(run(), run(fingerprint="n"))
    assert (found.pairs, found.moved, found.p, found.verdict) == ((), {}, {}, {})
    lost = compare(
        run(One(id="a", counted=Counted(error=3))), run(One(id="a", counted=Counted(error=3)), fingerprint="n")
    )
    assert lost.moved["case"].estimate is None
    assert (lost.p, lost.verdict) == ({"case": None}, {"case": "not shown"})


def test_widths_of_pools_stand_side_by_side() -> None:
    width = Estimate(estimate=0.2, low=0.1, high=0.4, n=9, method="x")
    curve = Curve(
        ladder="typos", prompt=None, kind="case", verdict="fitted", why="", direction=1, threshold=width, width=width, slope=None,
        points=(),
    )  # fmt: skip
    single = msgspec.structs.replace(curve, prompt="a", ladder="casing")
    flat = msgspec.structs.replace(curve, width=None, threshold=None, verdict="flat")
    found = compare(run(curves=(curve, single)), run(curves=(flat,), fingerprint="n"))
    assert found.widths == (("typos", "case", width, None),)


def test_figures_are_finite_and_in_order() -> None:
    random = np.random.default_rng(9)
    first = run(*(One(id=str(i), counted=drawn(random, random.random())) for i in range(5)))
    second = run(*(One(id=str(i), counted=drawn(random, random.random())) for i in range(5)), fingerprint="n")
    found = compare(first, second)
    for figure in (*found.moved.values(), *(pair.difference for pair in found.pairs)):
        assert -1 <= figure.low <= figure.estimate <= figure.high <= 1
        assert all(map(math.isfinite, (figure.low, figure.estimate, figure.high)))
