"""Detectors on prompts whose wavering is known: found where signals tell, at chance where none does, and never from its own label."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from scipy import optimize
from scipy import stats as scipy_stats

from obverse.core.chat import ChatMessage
from obverse.stability.findings import Counted, Estimate, Placement, PromptFinding, Risk, Signals, Spread, Step
from obverse.stability.joint import AT, _folds, _logistic, _table, _within_families, joint
from obverse.stability.records import Draw, Prompt, Settings

SETTINGS = Settings()
NOTHING = Estimate(estimate=None, low=0.0, high=1.0, n=0, method="none")


def finding(id, family, zone, counted, steps=(), wanted="refuse", spread=None) -> PromptFinding:
    prompt = Prompt(
        id=id, kind="case", group=id, family=family, wanted=wanted, messages=(ChatMessage(role="user", content=id),)
    )
    spread = spread or Spread(
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
    placement = Placement(zone=zone, why="", counted=counted, rate=NOTHING, worst_low=0.0, worst_high=1.0)
    return PromptFinding(
        prompt=prompt,
        placement=placement,
        spread=spread,
        risk=Risk(attempts=(), any_of=(), first=NOTHING),
        steps=tuple(steps),
    )


def step(complied, scored, level=1) -> Step:
    return Step(
        ladder="typos", level=level, strength=0.5, counted=Counted(refused=scored - complied, complied=complied)
    )


def entropy_draw(prompt, entropy, ladder="typos", index=0) -> Draw:
    return Draw(
        key=f"{prompt}{ladder}{index}", prompt=prompt, ladder=ladder, level=1, index=index, seed=0, temperature=0.7,
        behaviour="comply", entropy=entropy,
    )  # fmt: skip


def world(random, prompts=60, families=10, tells=1.5, share=0.3):
    """Prompts that waver or not; `tells` is how far the signals of the two lie apart, in standard deviations."""
    findings, signals, draws = [], [], []
    for number in range(prompts):
        wavers, id = bool(random.random() < share), f"p{number:03}"
        counted = Counted(refused=20, complied=20) if wavers else Counted(refused=40)
        rate = (
            (0.5 if random.random() < 0.5 + min(tells, 2) / 4 else 0.05) if wavers and tells else 0.05 if tells else 0.3
        )
        complied = int(random.binomial(20, rate))
        findings.append(
            finding(id, f"f{number % families}", "unstable" if wavers else "refuse", counted, [step(complied, 20)])
        )
        draws += [entropy_draw(id, float(random.normal(1 + 0.3 * tells * wavers, 0.3))) for _ in range(2)]
        signals.append(
            Signals(
                prompt=id, ladder="base", level=0, margin=float(random.normal()), projection=float(random.normal(-tells * wavers)),
                perplexity=float(random.lognormal()), tokens=int(random.integers(5, 40)),
            )
        )  # fmt: skip
    return findings, signals, draws


def lines(found):
    return {line.name: line for line in found.lines}


def test_signals_that_tell_are_found_and_beat_length_and_perplexity() -> None:
    findings, signals, draws = world(np.random.default_rng(1), prompts=100, families=20)
    found = joint(findings, signals, SETTINGS, draws=draws)
    by = lines(found)
    assert set(by) == {
        "external + internal", "external", "internal", "outcomes on rungs", "token entropy on rungs", "margin", "projection",
        "length and perplexity",
    }  # fmt: skip
    assert by["external + internal"].auroc.low > 0.8
    assert by["projection"].auroc.estimate > 0.7
    assert by["margin"].auroc.low < 0.5 < by["margin"].auroc.high
    assert "better than length and perplexity" in found.says
    assert all(line.at == AT for line in found.lines)
    assert by["external + internal"].recall.estimate > 0.6
    assert (found.unstable, found.of) == (sum(f.placement.zone == "unstable" for f in findings), 100)


def test_where_nothing_tells_the_held_out_area_is_a_half() -> None:
    """Pooled areas over folds would lie below a half here."""
    random, areas, alarms = np.random.default_rng(2), [], []
    for _ in range(16):
        findings, signals, draws = world(random, prompts=45, families=9, tells=0.0)
        by = lines(joint(findings, signals, SETTINGS, draws=draws))
        if by:
            areas.append(by["external + internal"].auroc.estimate)
            alarms.append(by["external + internal"].fpr.estimate)
    assert abs(np.mean(areas) - 0.5) < 4 * np.std(areas) / math.sqrt(len(areas))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.09)
    assert np.mean(alarms) == pytest.approx(AT, abs=0.06)


def test_wavering_in_the_middle_of_a_signal_is_found() -> None:
    findings, signals = [], []
    random = np.random.default_rng(3)
    for number in range(80):
        margin = float(random.uniform(-3, 3))
        wavers = abs(margin) < 1
        zone = "unstable" if wavers else "refuse" if margin > 0 else "comply"
        counted = Counted(refused=20, complied=20) if wavers else Counted(refused=40)
        findings.append(finding(f"p{number}", f"f{number % 8}", zone, counted))
        signals.append(Signals(prompt=f"p{number}", ladder="base", level=0, margin=margin))
    assert lines(joint(findings, signals, SETTINGS))["margin"].auroc.estimate > 0.95


def test_what_comes_of_the_draws_that_make_the_label_is_no_signal() -> None:
    """Spreads that give the label away change nothing, and draws of base points are not read."""
    findings, signals, draws = world(np.random.default_rng(4), tells=0.0)
    told = [
        finding(
            f.prompt.id, f.prompt.family, f.placement.zone, f.placement.counted, f.steps,
            spread=Spread(
                modal="comply", modal_share=NOTHING, k=8, flip=NOTHING, clusters=2, missing={},
                **{name: Estimate(estimate=float(f.placement.zone == "unstable"), low=0.0, high=1.0, n=9, method="x")
                   for name in ("entropy", "semantic", "distance", "tokens")},
            ),
        )
        for f in findings
    ]  # fmt: skip
    base = [entropy_draw(f.prompt.id, 9.0 * (f.placement.zone == "unstable"), ladder="base") for f in findings]
    assert joint(told, signals, SETTINGS, draws=[*draws, *base]) == joint(findings, signals, SETTINGS, draws=draws)
    assert "come of the draws that make the label" in joint(told, signals, SETTINGS).missing["spread"]


def test_L23_families_are_held_out_whole_and_unstable_prompts_spread() -> None:
    findings, signals, _ = world(np.random.default_rng(5), prompts=90, families=12)
    table = _table(findings, signals, SETTINGS, (), {})
    folds = _folds(table)
    for family in set(table.families):
        assert len({fold for fold, other in zip(folds, table.families) if other == family}) == 1
    positives = np.bincount(folds, weights=table.wavers)
    assert len(positives) == 5
    assert positives.max() <= 2 * positives.min()


def test_the_regression_is_the_one_that_an_optimiser_finds() -> None:
    random = np.random.default_rng(6)
    x, y = random.normal(size=(40, 4)), random.random(40) < 0.3
    weight = np.where(y, 0.5 / y.mean(), 0.5 / (1 - y.mean()))

    def loss(beta):
        score = beta[0] + x @ beta[1:]
        penalty = (x.shape[1] / 4) * (beta[1:] ** 2).sum() / 2 + 1e-6 * beta[0] ** 2 / 2
        return (weight * (np.logaddexp(0, score) - y * score)).sum() + penalty

    slow = optimize.minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-8}).x
    assert _logistic(x, y) == pytest.approx(slow[1:], abs=1e-4)


def test_ranks_within_one_family_are_spearmans() -> None:
    random = np.random.default_rng(7)
    x, y = random.integers(0, 5, 30).astype(float), random.normal(size=30)
    first, second, freedom = _within_families(x, y, ["f"] * 30)
    rho = (first * second).sum() / math.sqrt((first**2).sum() * (second**2).sum())
    assert rho == pytest.approx(scipy_stats.spearmanr(x, y).statistic)
    assert freedom == 30


def associated(random, rho, prompts=60, families=6, unstable=20):
    """Families differ in both signals; within them the two are correlated by `rho`."""
    findings, signals, draws = [], [], []
    for number in range(prompts):
        shift = 5.0 * (number % families)
        x, noise = random.normal(size=2)
        y = rho * x + math.sqrt(1 - rho**2) * noise
        wavers, id = number < unstable, f"p{number}"
        counted = Counted(refused=20, complied=20) if wavers else Counted(refused=40)
        findings.append(finding(id, f"f{number % families}", "unstable" if wavers else "refuse", counted))
        draws.append(entropy_draw(id, float(10 + x + shift)))
        signals.append(Signals(prompt=id, ladder="base", level=0, projection=float(y + shift)))
    return joint(findings, signals, SETTINGS, draws=draws)


CLAIMS = {
    "holds": (-0.7, 60, 20, "holds here"),
    "does not": (0.5, 60, 20, "does not hold here"),
    "nothing to tell": (-0.7, 60, 3, "cannot be told: too few unstable prompts"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_is_said_in_plain_words(name) -> None:
    rho, prompts, unstable, words = CLAIMS[name]
    found = associated(np.random.default_rng(8), rho, prompts, unstable=unstable)
    assert words in found.says
    assert found.association.low < rho < found.association.high
    assert "token entropy on rungs against projection" in found.association.note


def test_the_interval_of_the_association_holds_about_as_often_as_it_says() -> None:
    random, truth = np.random.default_rng(9), 6 / math.pi * math.asin(-0.3 / 2)
    held = [
        found.low <= truth <= found.high
        for found in (associated(random, -0.3, 40, 5, unstable=0).association for _ in range(150))
    ]
    assert np.mean(held) > 0.9


def test_too_few_unstable_prompts_give_no_detector_and_say_so() -> None:
    findings, signals, draws = world(np.random.default_rng(10), prompts=30, share=0.1)
    found = joint(findings, signals, SETTINGS, draws=draws)
    assert found.lines == ()
    assert "too few unstable prompts" in found.says
    assert found.missing["detectors"] in found.says


def test_a_signal_of_harm_alone_does_no_better_than_what_is_wanted() -> None:
    """Only prompts that are to be refused waver, and the signal tells only which those are."""
    random, findings, signals = np.random.default_rng(15), [], []
    for number in range(120):
        harmful = number % 2 == 0
        wavers = harmful and random.random() < 0.5
        counted = Counted(refused=20, complied=20) if wavers else Counted(refused=40)
        wanted = "refuse" if harmful else "comply"
        findings.append(
            finding(
                f"p{number}", f"f{number // 2 % 12}", "unstable" if wavers else "refuse", counted, [step(6, 20)], wanted
            )
        )
        signals.append(
            Signals(prompt=f"p{number}", ladder="base", level=0, projection=2 * harmful + float(random.normal(0, 0.3)))
        )
    found = joint(findings, signals, SETTINGS)
    assert lines(found)["projection"].auroc.estimate > 0.6
    assert "not shown to differ from what is wanted" in found.says


def test_two_families_are_too_few_to_hold_out() -> None:
    findings, signals, draws = world(np.random.default_rng(11), families=2)
    found = joint(findings, signals, SETTINGS, draws=draws)
    assert found.lines == ()
    assert "too few families" in found.says


def test_labels_of_prompts_that_were_not_placed_are_said() -> None:
    findings, signals, draws = world(np.random.default_rng(12))
    findings += [
        finding("differ", "f0", "undecided", Counted(refused=3, complied=1)),
        finding("agree", "f1", "undecided", Counted(refused=4)),
        finding("short", "f2", "undecided", Counted(refused=1, error=3)),
    ]
    found = joint(findings, signals, SETTINGS, draws=draws)
    assert found.of == 62
    assert found.unstable == sum(f.placement.zone == "unstable" for f in findings) + 1
    assert "2 of 62 prompts were not placed" in found.missing["label"]
    assert "1 of 63 prompts have too few" in found.missing["prompts"]
    assert "not known for 2 prompts" in found.missing["projection, in part"]


def test_signals_that_are_not_there_are_named() -> None:
    findings, signals, _ = world(np.random.default_rng(13))
    found = joint(findings, signals, SETTINGS)
    assert found.missing["token entropy on rungs"] == "no draws of rungs were given"
    assert found.missing["routing"] == "not read"
    outside = joint(findings, (), SETTINGS)
    assert {line.name for line in outside.lines} == {"outcomes on rungs"}
    assert "no internal safety signal" in outside.says
    nothing = joint((), (), SETTINGS)
    assert (nothing.lines, nothing.association, nothing.of) == ((), None, 0)


def test_figures_are_finite_and_the_order_of_prompts_is_nothing() -> None:
    findings, signals, draws = world(np.random.default_rng(14))
    signals[3] = Signals(prompt=signals[3].prompt, ladder="base", level=0, projection=math.nan, perplexity=math.inf)
    found = joint(findings, signals, SETTINGS, draws=draws)
    for line in found.lines:
        for figure in (line.auroc, line.recall, line.fpr):
            assert all(map(math.isfinite, (figure.estimate, figure.low, figure.high)))
            assert 0 <= figure.low <= figure.estimate <= figure.high <= 1
    turned = joint(findings[::-1], signals[::-1], SETTINGS, draws=draws[::-1])
    assert [line.auroc.estimate for line in turned.lines] == pytest.approx(
        [line.auroc.estimate for line in found.lines]
    )


def test_a_prompt_that_stands_in_two_families_is_counted_in_one() -> None:
    """Else a detector would be shown to the very prompts that it learnt from."""
    findings, signals, draws = world(np.random.default_rng(5))
    copies = [
        msgspec.structs.replace(
            one,
            prompt=msgspec.structs.replace(
                one.prompt, id=f"{one.prompt.id} again", family=f"other {one.prompt.family}"
            ),
        )
        for one in findings
    ]
    again = [msgspec.structs.replace(one, prompt=f"{one.prompt} again") for one in signals]
    twice = joint([*findings, *copies], [*signals, *again], SETTINGS, draws=draws)
    once = joint(findings, signals, SETTINGS, draws=draws)
    assert (twice.lines, twice.of) == (once.lines, once.of)
    assert twice.missing["repeated"].startswith("60 of 120 prompts")
    assert "repeated" not in once.missing
