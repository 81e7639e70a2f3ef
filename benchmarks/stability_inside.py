"""What two small models look like inside: layer curves, detectors, plausibility, causal checks, and what it takes.

    python benchmarks/stability_inside.py [--model NAME] [--folder PATH] [--groups N] [--dtype auto] [--threads N] [--write]

Harmful requests with benign twins of the same topic (`pairs`) and harmless edgy ones (`edgy`), read at run time from where
`obverse models fetch rho-requests` put them; nothing of them is written. One greedy answer a prompt says who is refused: that stands in
for the zone of a full run, and is called so. Refusals are read by the judge that ships, then by phrases where it is in doubt.
`qwen-coder-0.5b` is left out, and said to be, where it was not fetched.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from obverse.campaign.stability.behaviours import behaviours
from obverse.core.errors import UnavailableError
from obverse.judges.encoder import Encoder
from obverse.judges.judgement import Context
from obverse.judges.keywords import KeywordJudge
from obverse.judges.refusal import REFUSAL, RefusalJudge
from obverse.judges.second import SecondOpinion
from obverse.stability.findings import Estimate, Inside, LayerCurve, Zone
from obverse.stability.inside.look import look
from obverse.stability.opening import open_local
from obverse.stability.ports import Answers, Job
from obverse.stability.records import Behaviour, Prompt, Settings
from obverse.targets.catalogue import cache_folder, find, folder_of, located

RESULT = Path(__file__).parent / "results" / "stability_inside.json"
MODELS = {"qwen-coder-0.5b": 40, "smollm2-135m": 40}
"""Model → groups of pairs, and as many edgy requests."""
SETTINGS = Settings(max_tokens=24)


class Refusals:
    """The judge of refusal, then phrases; what neither settles is unscored."""

    def __init__(self, cache: Path) -> None:
        encoder = Encoder.read(folder_of(find("minilm-l6-v2"), cache))
        self._judge = SecondOpinion(RefusalJudge(encoder), KeywordJudge())
        self.unscored = 0

    def __call__(self, prompt: Prompt, text: str) -> Behaviour:
        answer = asyncio.run(self._judge.judge(REFUSAL, text, Context(request=prompt.request))).answer
        self.unscored += answer == "unknown"
        said: dict[str, Behaviour] = {"yes": "refuse", "no": "comply"}
        return said.get(answer, "unscored")


def greedy(model: Answers, prompts: Sequence[Prompt], refuses: Refusals) -> dict[str, Zone]:
    """Prompt → what its one greedy answer did; those that could not be told are left out."""
    jobs = [
        Job(
            id=prompt.id, messages=prompt.messages, tools=prompt.tools, seeds=(SETTINGS.seed,), temperature=0.0,
            max_tokens=SETTINGS.max_tokens,
        )
        for prompt in prompts
    ]  # fmt: skip
    by_id = {prompt.id: prompt for prompt in prompts}
    zones: dict[str, Zone] = {}
    for answer in model.draw(jobs):
        said = refuses(by_id[answer.id], answer.text) if answer.error is None else "error"
        if said in {"refuse", "comply"}:
            zones[answer.id] = said
    return zones


def measured(name: str, groups: int, dtype: Any, threads: int, folder: Path | None = None) -> dict[str, Any]:
    """Everything of one model: of the catalogue, or in a folder of transformers."""
    cache = cache_folder(os.environ)
    clock = time.perf_counter
    start = clock()
    model = open_local(
        folder or located(name, cache) / "model.gguf", name=name, cache=cache.parent / "converted", dtype=dtype,
        threads=threads,
    )  # fmt: skip
    opened = clock()
    prompts = (
        *behaviours(["pairs"], cache, limit=groups, seed=SETTINGS.seed),
        *behaviours(["edgy"], cache, limit=groups, seed=SETTINGS.seed),
    )
    refuses = Refusals(cache)
    zones = greedy(model, prompts, refuses)
    drawn = clock()
    marks: list[tuple[float, int, int]] = []
    inside = look(
        model, prompts, zones=zones, settings=SETTINGS, told=lambda done, all_: marks.append((clock(), done, all_)),
        answers=model, refuses=refuses,
    )  # fmt: skip
    done = clock()
    first_whole = marks[0][2]
    read = next(at for at, number, _ in marks if number >= first_whole)
    model.close()
    return {
        "prompts": len(prompts),
        "families": len({prompt.family for prompt in prompts}),
        "greedy": {
            kind: dict(Counter(zones.get(prompt.id, "unscored") for prompt in prompts if prompt.kind == kind))
            for kind in ("case", "twin", "control")
        },
        "seconds": {
            "open": round(opened - start, 1),
            "greedy answers": round(drawn - opened, 1),
            "readings": round(read - drawn, 1),
            "fits and causal checks": round(done - read, 1),
            "all": round(done - start, 1),
        },
        "readings": first_whole,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "unscored": refuses.unscored,
        **shown(inside),
    }


def shown(inside: Inside) -> dict[str, Any]:
    """The record without what belongs to single prompts."""
    return {
        "dtype": inside.dtype,
        "layers": inside.layers,
        "curves": [curve(one) for one in inside.curves],
        "detectors": [
            {"name": one.name, "at": one.at, "auroc": figure(one.auroc), "recall": figure(one.recall), "fpr": figure(one.fpr)}
            for one in inside.detectors
        ],
        "plausibility": [
            {
                "name": one.name, "pairs": one.pairs, "layer": one.layer, "probe": figure(one.probe),
                "perplexity": figure(one.perplexity), "difference": figure(one.difference), "says": one.says,
            }
            for one in inside.plausibility
        ],
        "routing": [msgspec.to_builtins(one) for one in inside.routing],
        "interventions": [msgspec.to_builtins(one) for one in inside.interventions],
        "missing": inside.missing,
        "notes": list(inside.notes),
    }  # fmt: skip


def curve(one: LayerCurve) -> dict[str, Any]:
    return {
        "name": one.name,
        "chosen": one.chosen,
        "nested": figure(one.nested),
        "note": one.note,
        "layers": [[line.layer, *(figure(line.value) or ())] for line in one.lines],
    }


def figure(one: Estimate | None) -> list[float | None] | None:
    """Estimate, low, high."""
    if one is None:
        return None
    return [None if value is None else round(value, 3) for value in (one.estimate, one.low, one.high)]


def table(name: str, row: dict[str, Any]) -> str:
    """What is printed."""
    lines = [
        f"{name}: {row['prompts']} prompts, {row['families']} families, {row['seconds']['all']} s, greedy {row['greedy']}"
    ]
    lines += [
        f"  {one['name']:42} AUROC {one['auroc']}  recall {one['recall']}  fpr {one['fpr']}" for one in row["detectors"]
    ]
    lines += [f"  {one['name']:42} layer {one['chosen']}  {one['nested']}" for one in row["curves"]]
    lines += [
        f"  {one['name']:42} {one['before']} -> {one['after']} of {one['of']}, controls {one['controls']}, p {one['p']:.4f}: {one['note']}"
        for one in row["interventions"]
    ]
    lines += [
        f"  routing, layer {one['layer']:2}: {one['divergence']:.5f} nats, swapped {one['null']:.5f}, halves {one['baseline']:.5f}, q {one['q']:.4f}"
        for one in row["routing"]
    ]
    return "\n".join([*lines, *(f"  {one['says']}" for one in row["plausibility"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, action="append")
    parser.add_argument("--folder", type=Path, help="another model, as a folder of transformers; then only that one")
    parser.add_argument("--groups", type=int)
    parser.add_argument("--dtype", default="auto", choices=["f32", "bf16", "auto"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    found: dict[str, Any] = {}
    for name in [options.folder.name] if options.folder else options.model or MODELS:
        try:
            groups = options.groups or MODELS.get(name, 40)
            found[name] = measured(name, groups, options.dtype, options.threads, options.folder)
        except UnavailableError as error:
            found[name] = {"missing": error.message}
            print(f"{name}: {error}")
            continue
        print(table(name, found[name]), flush=True)
    command = f"python benchmarks/stability_inside.py --dtype {options.dtype} --threads {options.threads} --write"
    result = {"command": command, "load when started": round(load, 1), "seed": SETTINGS.seed, "models": found}
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
