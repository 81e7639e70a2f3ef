"""What is found out of draws and activations, as reports show it. Records only; who computes each is named beside it.

Laws: a rate never goes without its interval, n and method; no data gives no estimate (L10); what is not known has a reason;
`unscored` and `error` are counted apart and bound every rate (L11). Entropies are in nats, intervals at the plan's confidence.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from obverse.stability.records import Behaviour, Prompt, Rejected, Settings

Zone: TypeAlias = Literal["refuse", "unstable", "comply", "undecided"]


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its interval. `estimate` is None without data; then `low` and `high` are what is possible at all, or None."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    note: str = ""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How the draws of a point or prompt ended; never fewer than these four."""

    refused: int = 0
    complied: int = 0
    unscored: int = 0
    error: int = 0

    @property
    def scored(self) -> int:
        """Draws with a behaviour."""
        return self.refused + self.complied

    @property
    def all(self) -> int:
        """Every draw."""
        return self.scored + self.unscored + self.error


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a prompt stands (`placing`). `rate` is π, the probability of compliance, anytime-valid; `worst` bounds it over all that
    unscored and failed draws may have been. `why` says what ended the drawing: `placed`, `budget`, `cut off`, `nothing scored`,
    `nothing drawn`.
    """

    zone: Zone
    why: str
    counted: Counted
    rate: Estimate
    worst_low: float
    worst_high: float


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How much the answers of one prompt differ, all from the same draws (`spread`, `meaning`). None where it cannot be known, with the
    reason in `missing` by the field's name.

    `flip` is the probability that `k` draws do not agree; `entropy` that of outcomes; `semantic` of clusters of meaning among
    answers; `distance` the mean pairwise cosine distance of embeddings; `tokens` the mean entropy of sampled tokens.
    """

    modal: Behaviour | None
    modal_share: Estimate | None
    k: int
    flip: Estimate | None
    entropy: Estimate | None
    clusters: int | None
    semantic: Estimate | None
    distance: Estimate | None
    tokens: Estimate | None
    missing: dict[str, str] = {}


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """What an attacker gets by asking again (`risk`): `any_of` is 1 - (1 - π)^k for each k; `first` the expected number of draws up to and
    with the first that is not wanted, its high end None where it may be without bound.
    """

    attempts: tuple[int, ...]
    any_of: tuple[Estimate, ...]
    first: Estimate


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One rung as drawn: how its draws ended, and whether what was decided is what was decided at the base."""

    ladder: str
    level: int
    variant: int = 0
    strength: float
    note: str = ""
    counted: Counted


class PromptFinding(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one prompt. `answers` are a few of its draws, to look at: (behaviour, text); those that do not refuse where
    a refusal is wanted are cut to their beginning.
    """

    prompt: Prompt
    placement: Placement
    spread: Spread
    risk: Risk
    steps: tuple[Step, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    answers: tuple[tuple[Behaviour, str], ...] = ()


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Compliance against strength for one prompt, or for a pool of them, on one ladder (`curve`).

    `verdict`: `fitted`; `flat` (no boundary within the ladder: `why` says whether it refuses or complies all along, or wavers
    all along); `undecided` (the data leave threshold or width open). `threshold` is the strength at which compliance is half
    way, `width` the distance between a quarter and three quarters of the way, `slope` the derivative at the threshold,
    `direction` +1 where compliance rises. `band` is the posterior of the curve: (strength, low, median, high).
    """

    ladder: str
    prompt: str | None
    """None for the pool of all prompts of `kind`."""
    kind: str
    verdict: Literal["fitted", "flat", "undecided"]
    why: str
    direction: int | None
    threshold: Estimate | None
    width: Estimate | None
    slope: Estimate | None
    points: tuple[tuple[float, int, int], ...]
    """(strength, complied, scored)."""
    band: tuple[tuple[float, float, float, float], ...] = ()


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """One source of variance (`components`): `case`, `ladder`, `paraphrase`, `sampling`, `judge`, or an interaction as `case × judge`.

    `variance` is of the 0/1 outcome, not clipped at 0; `share` is of the total, between 0 and 1.
    """

    name: str
    variance: Estimate
    share: Estimate


class Components(msgspec.Struct, frozen=True, kw_only=True):
    """Where the variance of outcomes comes from. `missing` names the sources that the design could not tell apart, and why."""

    components: tuple[Component, ...]
    total: float | None
    n: int
    judges: tuple[str, ...]
    agreement: Estimate | None
    """How often two judges agree about one answer; None with one judge."""
    kappa: Estimate | None
    missing: dict[str, str] = {}


class LadderFlips(msgspec.Struct, frozen=True, kw_only=True):
    """On one level of one ladder: how many prompts are decided otherwise (by their modal behaviour) than at the base. `to_comply`
    and `to_refuse` say which way; `of` counts prompts that were decided at both.
    """

    ladder: str
    level: int
    strength: float
    flipped: int
    to_comply: int
    to_refuse: int
    of: int
    low: float
    high: float
    undecided: int = 0
    """Prompts that were drawn at both but not decided (a tie, nothing scored); the interval bounds over them."""


class KindRisk(msgspec.Struct, frozen=True, kw_only=True):
    """What asking `attempts` times gets from a prompt of this kind on average: the mean over prompts of 1 - (1 - π)^k (`risk`)."""

    kind: str
    attempts: int
    any_of: Estimate


class LayerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one layer; layer 0 is the embedding."""

    layer: int
    value: Estimate


class LayerCurve(msgspec.Struct, frozen=True, kw_only=True):
    """One signal over the layers, held-out by family: AUROC of harmful against harmless unless `unit` says otherwise."""

    name: str
    unit: str
    lines: tuple[LayerLine, ...]
    chosen: int | None
    """The layer chosen on the training folds (the most frequent choice); None where none was."""
    nested: Estimate | None = None
    """The same figure where each fold's layer was chosen on the other folds: the one to quote."""
    note: str = ""


class HeatMap(msgspec.Struct, frozen=True, kw_only=True):
    """Layer × prompt, one signal. `values[row][column]`; a row is a prompt, a column a layer. None is not known."""

    name: str
    unit: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]


class RoutingLine(msgspec.Struct, frozen=True, kw_only=True):
    """One Mixture-of-Experts layer: Jensen–Shannon divergence (nats) of routing between harmful prompts and their matched benign ones,
    the same between two halves of benign ones, permutation p and its Benjamini–Hochberg q.
    """

    layer: int
    divergence: float
    baseline: float
    p: float
    q: float
    pairs: int
    null: float | None = None
    """The mean divergence when harmful and benign are swapped at random within pairs: what sampling alone gives."""


class Intervention(msgspec.Struct, frozen=True, kw_only=True):
    """What became of refusals when a direction was ablated, added or patched: counts of prompts that refuse before and after.

    `control` is the same with a random direction of equal norm; a cause is claimed only against it.
    """

    name: str
    layer: str
    kind: str
    before: int
    after: int
    control: int | None
    of: int
    note: str = ""
    controls: tuple[int, ...] = ()
    """`after` under each control direction; `control` is the one nearest to the effect."""
    p: float | None = None
    """Exact sign test over the prompts on which the direction and that control differ, one-sided."""


class Signals(msgspec.Struct, frozen=True, kw_only=True):
    """The internal signals of one prompt at one point, one number each; None where the model has none.

    `margin` (nats), `perplexity` and `tokens` are as read. `projection`, `lens`, `probe`, `attention` and `routing` are taken at
    the layer that was chosen without the prompt's family, in standard deviations above the mean of the harmless prompts that it was
    chosen on, the sign such that more is more like harmful prompts: so they compare between families.
    `plausibility` grows with how impossible the request looks, in deviations above our own possible sentences.
    """

    prompt: str
    ladder: str
    level: int
    margin: float | None = None
    projection: float | None = None
    lens: float | None = None
    probe: float | None = None
    attention: float | None = None
    routing: float | None = None
    plausibility: float | None = None
    perplexity: float | None = None
    tokens: int | None = None


class PlausibilityLine(msgspec.Struct, frozen=True, kw_only=True):
    """Does the model tell two kinds of sentences apart (`possible` from impossible, `likely` from unlikely)? AUROCs, held out by topic.

    `probe` is of a direction in the residual stream, its layer chosen on the other topics; `perplexity` is the baseline; `difference`
    is the first minus the second, and what the direction knows beyond surprise is claimed only if its low end is above 0.
    """

    name: str
    probe: Estimate
    perplexity: Estimate
    difference: Estimate
    pairs: int
    layer: int | None
    says: str


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """What a model looks like inside, over the prompts of a run. `missing` names signals that were not read, and why."""

    model: str
    dtype: str
    layers: int
    heads: int
    experts: int | None
    curves: tuple[LayerCurve, ...] = ()
    maps: tuple[HeatMap, ...] = ()
    routing: tuple[RoutingLine, ...] = ()
    interventions: tuple[Intervention, ...] = ()
    signals: tuple[Signals, ...] = ()
    missing: dict[str, str] = {}
    detectors: tuple[DetectorLine, ...] = ()
    """Each signal as a detector of harmful prompts among harmless ones, beside length and perplexity; one whose name ends in
    `refused against complied` tells these apart instead.
    """
    plausibility: tuple[PlausibilityLine, ...] = ()
    notes: tuple[str, ...] = ()


class DetectorLine(msgspec.Struct, frozen=True, kw_only=True):
    """One detector (of unstable prompts in `Joint`, of harmful ones in `Inside`), held out by family: AUROC, and recall at a
    false-positive rate fixed on the training folds.
    """

    name: str
    auroc: Estimate
    recall: Estimate
    fpr: Estimate
    at: float
    """The false-positive rate that was aimed at."""


class Joint(msgspec.Struct, frozen=True, kw_only=True):
    """Does instability show in external and internal signals together (`joint`)? The claim of the literature, output uncertainty up while the
    internal safety signal goes down, is `association`: Spearman's rank correlation of the two within families.
    """

    lines: tuple[DetectorLine, ...]
    association: Estimate | None
    says: str
    unstable: int
    of: int
    missing: dict[str, str] = {}


class Tallies(msgspec.Struct, frozen=True, kw_only=True):
    """How many prompts of one kind stand in which zone, and bounds on the share of unstable ones that count the undecided either way."""

    kind: str
    refuse: int
    unstable: int
    comply: int
    undecided: int
    share: Estimate


class External(msgspec.Struct, frozen=True, kw_only=True):
    """What the draws of a run say, without looking inside (`diagnosis`). The fields are those of `Diagnosis`."""

    boundary: Literal["found", "none", "undecided"]
    says: str
    tallies: tuple[Tallies, ...]
    prompts: tuple[PromptFinding, ...]
    flips: tuple[LadderFlips, ...] = ()
    curves: tuple[Curve, ...] = ()
    components: Components | None = None
    risks: tuple[KindRisk, ...] = ()
    notes: tuple[str, ...] = ()
    draws: int = 0
    errors: dict[str, int] = {}


class JudgeNote(msgspec.Struct, frozen=True, kw_only=True):
    """One judge that took part, with its measured error in one line, or that it is not known."""

    name: str
    identity: str
    says: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says of a stability run. `boundary` is `found`, `none` (refuses all, complies with all: `says` which) or
    `undecided`; `complete` is false for a run that was cut short, `ended` says by what.
    """

    schema: str = "obverse.stability/1"
    policy: str
    policy_name: str
    target: str
    fingerprint: str
    plan: str
    """The digest of the plan."""
    settings: Settings
    started: str | None
    seconds: float | None
    complete: bool
    ended: str
    boundary: Literal["found", "none", "undecided"]
    says: str
    tallies: tuple[Tallies, ...]
    prompts: tuple[PromptFinding, ...]
    flips: tuple[LadderFlips, ...] = ()
    curves: tuple[Curve, ...] = ()
    components: Components | None = None
    risks: tuple[KindRisk, ...] = ()
    inside: Inside | None = None
    joint: Joint | None = None
    judges: tuple[JudgeNote, ...] = ()
    notes: tuple[str, ...] = ()
    draws: int = 0
    errors: dict[str, int] = {}
    version: str = ""
    command: str = ""
    """What to type to repeat it; empty where nobody said."""


class PairedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt in two runs. `difference` is of the rates of compliance, second minus first."""

    prompt: str
    kind: str
    first: Placement
    second: Placement
    difference: Estimate


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs over the same prompts, paired by prompt (`compare`): checkpoints, adapters, models. `moved` is per kind the mean difference
    of compliance with its interval and the p-value of a paired permutation test; `verdict` per kind.
    """

    schema: str = "obverse.stability.comparison/1"
    first: str
    second: str
    same_model: bool
    pairs: tuple[PairedChange, ...]
    moved: dict[str, Estimate]
    p: dict[str, float | None]
    verdict: dict[str, Literal["moved to comply", "moved to refuse", "not shown"]]
    widths: tuple[tuple[str, str, Estimate | None, Estimate | None], ...] = ()
    """(ladder, kind, width of the first, of the second)."""
    missing: tuple[str, ...] = ()
    too_few: tuple[str, ...] = ()
    """Kinds with too few prompts to show any move: of them `not shown` says nothing."""
