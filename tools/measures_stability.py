"""The sections of docs/measures.md about stability; `measures.py` lays them among the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

Rows = Iterator[tuple[str, str, str]]


def engine(result: dict[str, Any]) -> Rows:
    """A model in this process."""
    for run in result["runs"]:
        name, ways, agreed = f"{run['model']}, {run['dtype']}", run["ways"], run["agreement"]
        for way in (
            "draws: batched, prefixes shared",
            "draws: batched, nothing shared",
            "draws: one by one, prefixes shared",
        ):
            yield (
                f"{name}: {way}",
                _times(ways[way], "draws"),
                "4 times `generate` in a loop" if "batched, p" in way else "",
            )
        yield f"{name}: {_LOOP}", _times(ways[_LOOP], "draws"), ""
        way = "readings: batched, prefixes shared"
        yield f"{name}: {way}", _times(ways[way], "readings"), ""
        yield (
            f"{name}: greedy texts as `generate` writes them; largest difference of a logit",
            (f"{agreed['greedy texts the same']} of {agreed['greedy texts compared']}; {agreed['largest difference of a logit']:.2g}"
            f" (logits reach {agreed['logits, absolute']:.0f})"),
            "all" if run["dtype"] == "f32" else "",
        )  # fmt: skip


_LOOP: Final = "draws: generate in a loop"


def _times(way: dict[str, Any], what: str) -> str:
    return f"{way['a second']:.2f} {what}/s, {way['times the loop']:.1f} times the loop, {way['peak MiB']:,} MiB at the peak"


def placing(result: dict[str, Any]) -> Rows:
    """Draws that a placement takes, where the truth is known."""
    for marks in result["placements"]:
        low, high = marks["marks"]
        for line in marks["lines"]:
            if line["rate"] not in {0.0, 0.05, 0.5}:
                continue
            free, known = line["without_budget"]["ours"], line["knows_the_rate"]["mean"]
            yield (
                f"marks {low} and {high}, π = {line['rate']}: draws to a placement, without a budget",
                (
                    f"{free['mean']:.0f}; a test that knows π {known:.0f}, Wald's bound {line['wald_bound']:.0f}; "
                    f"eight draws are wrong in {100 * line['eight']['wrong']:.0f} %"
                ),
                "",
            )
        worst = marks["worst_error_at_a_mark_in_400_draws"]
        yield (
            f"marks {low} and {high}: wrong placements at a mark, 400 draws, looking after each",
            f"{100 * worst:.1f} %",
            "5 %",
        )
    for one in result["means"]:
        yield (
            f"marks {one['marks'][0]} and {one['marks'][1]}: any of 8, mean over {one['prompts']} prompts of known π",
            f"{one['ours']:.3f}, truth {one['truth']:.3f}; of a mean prompt it would be {one['of_a_mean_prompt']:.3f}",
            "",
        )


def curves(result: dict[str, Any]) -> Rows:
    """Curves, components, comparisons, detectors where the truth is known."""
    totals, sections = result["totals"], result["sections"]
    invented = totals["thresholds invented on flat prompts, by overdispersion"]
    yield (
        "thresholds invented on flat prompts, by overdispersion",
        ", ".join(f"{100 * share:.1f} % at {over}" for over, share in invented.items()), "",
    )  # fmt: skip
    yield "intervals that hold the threshold", f"{100 * totals['coverage of thresholds']:.1f} %", "95 %"
    yield "intervals that hold the width", f"{100 * totals['coverage of widths']:.1f} %", "95 %"
    errors = [abs(one["width"]["mean error"]) for one in sections["pools"] if one["width"]["mean error"] is not None]
    alone = [one["mean error of the width by pooling alone"] or 0.0 for one in sections["pools"]]
    yield (
        "width of a prompt out of a pool: largest mean error", f"{max(errors):.3f}; by pooling alone {max(alone):.2f}", "",
    )  # fmt: skip
    parts = [part for one in sections["components"] for part in one["parts"].values()]
    yield (
        "components of variance: largest mean error, least coverage",
        f"{max(abs(part['mean error']) for part in parts):.4f}, {100 * min(part['coverage'] for part in parts):.0f} %",
        "95 %",
    )
    for one in sections["comparison"]:
        found = sum(count for verdict, count in one["verdicts on cases"].items() if verdict != "not shown")
        yield (
            f"two runs, {one['prompts of a kind']} prompts of a kind, cases moved by {one['shift of the cases']}: said to have moved",
            f"{found} of {one['pairs of runs']}; another kind that did not, {100 * one['a kind that did not move was said to have moved']:.0f} %",
            "5 % at most" if not one["shift of the cases"] else "",
        )


def ladders(result: dict[str, Any]) -> Rows:
    """Perturbations of our own requests."""
    for name, one in result["families"]["ladders"].items():
        first, last = (one["levels"][level]["share"] for level in (min(one["levels"]), max(one["levels"])))
        yield (
            f"{name}: letters changed at the first and last level; rejected; steps to a nearer rung",
            f"{100 * first:.0f} % → {100 * last:.0f} %; {100 * one['rejected']:.1f} %; {one['steps to a nearer rung']}",
            "",
        )


def judge(result: dict[str, Any]) -> Rows:
    """Judges on replies of the small models, cut at 48 tokens."""
    for model, found in [*result["models"].items(), ("both", {"judges": result["both"]})]:
        for name, card in found["judges"].items():
            yield (
                f"{model}: {name}",
                (
                    f"sensitivity {_rate(card['sensitivity'])}, specificity {_rate(card['specificity'])}, "
                    f"abstained {card['abstained']} of {card['labels']}"
                ),
                "",
            )


def look(result: dict[str, Any]) -> Rows:
    """Flips of greedy decisions, where nothing of what is asked changes."""
    rows = result["judges"]["refusal judge, then keywords"]
    beside = result["judges"]["keywords"]
    yield (
        f"{result['model']}, f32, greedy: texts equal when asked again, in another batch",
        f"{result['texts_equal_when_asked_again']} of {result['prompts']}", "all",
    )  # fmt: skip
    for name, row in rows.items():
        if name == "as it is":
            continue
        yield (
            f"decisions that flip: {name}",
            (
                f"{row['flips']} of {row['of']} [{row['low']:.2f}, {row['high']:.2f}], {row['to_comply']} to comply, {row['to_refuse']} to refuse; "
                f"by keywords {beside[name]['flips']}"
            ),
            "",
        )


def models(result: dict[str, Any]) -> Rows:
    """The boundary of real small models."""
    for name, found in result["models"].items():
        yield f"{name}: draws", f"{found['draws']:,}; {found['errors'] or 'no'} errors", ""
        for one in found["tallies"]:
            share = one["share"]
            yield (
                f"{name}: {one['kind']}s that refuse / waver / comply / are undecided",
                f"{one['refuse']} / {one['unstable']} / {one['comply']} / {one['undecided']}; share that wavers [{share['low']:.2f}, {share['high']:.2f}]",
                "",
            )
        for one in found["curves"]:
            if one["verdict"] == "fitted":
                yield (
                    f"{name}: {one['kind']}s on {one['ladder']}, threshold and width",
                    f"{_est(one['threshold'])}, {_est(one['width'])}",
                    "",
                )
        parts = found["components"]
        if parts is not None:
            told = ", ".join(f"{part} {_share(share)}" for part, share in parts["shares"].items())
            yield f"{name}: shares of variance", told, ""
        joint = found["joint"]
        if joint is not None:
            for line in joint["lines"]:
                yield (
                    f"{name}: detector of wavering prompts, {line['name']}",
                    f"AUROC {_est(line['auroc'])}, recall {_est(line['recall'])} at FPR {line['at']}",
                    "",
                )
            yield (
                f"{name}: output uncertainty with the internal safety signal, rank correlation",
                _est(joint["association"]),
                "",
            )
        inside = found["inside"]
        if inside is not None:
            for one in inside["curves"]:
                if one["nested"] is not None:
                    what = (
                        one["name"]
                        if one["name"].startswith("plausibility")
                        else f"{one['name']}, harmful against harmless"
                    )
                    yield f"{name}: {what}", f"AUROC {_est(one['nested'])}", ""
            for one in inside["interventions"]:
                yield (
                    f"{name}: {one['name']}, {one['kind']}, {one['layer']}",
                    f"refusals {one['before']} → {one['after']} of {one['of']}; controls {_controls(one)}; p {_p(one.get('p'))}",
                    "",
                )

    for kind, one in result.get("compared", {}).items():
        yield (
            f"from the first model to the second: {kind}s",
            f"{one['verdict']}, {_est(one['moved'])}, p {_p(one['p'])}",
            "",
        )


def tuning(result: dict[str, Any]) -> Rows:
    """Before and after fine-tunes whose direction is known, and gradients as a warning."""
    for name, kinds in result["compared"].items():
        for kind, one in kinds.items():
            moved, low, high = one["moved"]
            yield f"{name}: {kind}s", f"{one['verdict']}; {moved:+.2f} [{low:+.2f}, {high:+.2f}], p {one['p']:.3f}", ""
    for name, one in result["gradients"].items():
        areas = one["auroc"]
        yield (
            f"gradients, {name}",
            (
                f"ratio {one['ratio'][0]:.2f} [{one['ratio'][1]:.2f}, {one['ratio'][2]:.2f}]; AUROC of the norm {areas['gradient norm'][0]:.2f}, "
                f"of the loss {areas['loss'][0]:.2f}"
            ),
            "",
        )


def moe(result: dict[str, Any]) -> Rows:
    """Routing of a Mixture of Experts, harmful requests against benign ones of the same topic."""
    yield (
        "weights; largest difference of logits to the dense model",
        f"{result['parameters']:,}; {result['largest difference of logits']:.1g}",
        "1e-3",
    )
    losses = result["held-out loss per answer token"]
    yield (
        "held-out loss, before and after the short fine-tune",
        f"{losses['upcycled']:.2f} → {losses['specialised']:.2f}",
        "",
    )
    for when in ("before", "after"):
        lines = result[when]["lines"]
        shown = sum(line["q"] <= 0.05 for line in lines)
        yield (
            f"{when}: layers with q ≤ 0.05; largest divergence, and its mean under swaps",
            f"{shown} of {len(lines)}; {_widest(lines)}", "",
        )  # fmt: skip


def inside(result: dict[str, Any]) -> Rows:
    """Internal signals, held out by family."""
    for name, found in result["models"].items():
        for one in found["curves"]:
            if one.get("nested") is not None:
                yield f"{name}: {one['name']}", f"AUROC {_est(one['nested'])}", ""


def _widest(lines: list[dict[str, Any]]) -> str:
    top = max(lines, key=lambda line: float(line["divergence"]))
    return f"{top['divergence']:.2g} nats, {top['null']:.2g}"


def _est(of: dict[str, Any] | None) -> str:
    if of is None:
        return "not known"
    ends = [f"{of[end]:.2f}" if of[end] is not None else "open" for end in ("low", "high")]
    middle = f"{of['estimate']:.2f}" if of["estimate"] is not None else "–"
    return f"{middle} [{ends[0]}, {ends[1]}]"


def _share(of: dict[str, Any] | None) -> str:
    return "not known" if of is None or of["estimate"] is None else f"{100 * of['estimate']:.0f} %"


def _controls(one: dict[str, Any]) -> str:
    several = one.get("controls")
    return ", ".join(map(str, several)) if several else str(one["control"])


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def _rate(rate: dict[str, Any] | None) -> str:
    if rate is None:
        return "not known"
    return f"{100 * rate['hits'] / rate['of']:.1f} % [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]"


SECTIONS: Final[dict[str, tuple[str, Callable[[dict[str, Any]], Rows]]]] = {
    "stability_models": ("Where two small models waver, over published requests", models),
    "stability_look": ("Decisions that flip when nothing of what is asked changes", look),
    "stability_judge": ("Judges of refusal on short replies of the small models", judge),
    "stability_engine": ("A model in this process", engine),
    "stability_placing": ("Placing a prompt of known π", placing),
    "stability_curves": ("Curves, variance, comparisons of known truth", curves),
    "stability_ladders": ("Perturbations of fifty requests of ours", ladders),
    "stability_tuning": ("Fine-tunes that move the boundary, and gradients before them", tuning),
    "stability_moe": ("Routing in a Mixture of Experts", moe),
}
