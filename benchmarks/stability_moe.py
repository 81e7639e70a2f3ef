"""Does the routing of a Mixture of Experts tell harmful requests from benign ones of the same topic?

    python benchmarks/stability_moe.py [--threads 1] [--write]

No small mixture can be had as a package, so one is made: `smollm2-135m`, upcycled to four experts a layer, two of them used
(arXiv:2212.05055). It is shown to compute what the dense model does; then routers and experts of the last layers are trained a
little on questions and answers of our own about four topics (`stability_lessons.py`), so that experts differ. Before and after, from
a folder that was written and opened again: the routing of published harmful requests against their benign twins, by permutation
within pairs (`stability.inside.routing`), and how much of a text's topic the routing tells at all.

Trained for a minute on four topics: what it shows is the method on a real router, not what large mixtures do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from stability_lessons import TOPICS, answered, texts

from obverse.campaign.stability.behaviours import behaviours
from obverse.stability.inside.folds import Missing
from obverse.stability.inside.routing import pairs, routed
from obverse.stability.local.training import Learner, Recipe, answer_loss, learner, save, written
from obverse.stability.local.upcycling import furthest, routing, specialised, upcycled
from obverse.stability.opening import open_local
from obverse.stability.ports import Read, Wants
from obverse.targets.catalogue import cache_folder, verified

RESULT = Path(__file__).parent / "results" / "stability_moe.json"
COMMAND = "python benchmarks/stability_moe.py --write"
RECIPE = Recipe(epochs=1, batch=8, rate=2e-4, last=8)
WANTS = Wants(residual=False, attention=False, routing=True, perplexity=False)


def main() -> int:
    given = argparse.ArgumentParser()
    given.add_argument("--threads", type=int, default=1)
    given.add_argument("--pairs", type=int, default=32)
    given.add_argument("--write", action="store_true")
    options = given.parse_args()
    with tempfile.TemporaryDirectory(prefix="stability-moe-") as folder:
        found = measured(cache_folder(os.environ), Path(folder), options.threads, options.pairs)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    if options.write:
        RESULT.write_text(text + "\n")
    print(text)
    return 0


def measured(cache: Path, work: Path, threads: int, count: int) -> dict[str, Any]:
    began = time.monotonic()
    converted = cache.parent / "converted"
    dense = learner(
        verified("smollm2-135m", cache) / "model.gguf", cache=converted, name="smollm2-135m", threads=threads
    )
    mixture = upcycled(dense)
    away = furthest(dense, mixture)
    size = sum(weight.numel() for weight in mixture.model.parameters())
    say(f"upcycled, logits within {away:.1e}")
    losses = {"dense": held_out(dense), "upcycled": held_out(mixture)}
    del dense
    before = read(mixture, work / "before", cache, threads, count)
    start = time.monotonic()
    trained = specialised(
        mixture,
        [lesson for topic in TOPICS for lesson in answered(topic)],
        RECIPE,
        told=lambda step, steps, loss: say(f"step {step} of {steps}: {loss:.3f}"),
    )
    seconds = round(time.monotonic() - start, 1)
    losses["specialised"] = held_out(mixture)
    after = read(mixture, work / "after", cache, threads, count)
    return {
        "command": COMMAND, "threads": threads, "model": "smollm2-135m upcycled, 4 experts, 2 used", "parameters": size,
        "largest difference of logits": float(f"{away:.2g}"),
        "training": {
            "lessons": sum(len(answered(topic)) for topic in TOPICS), "steps": trained.steps, "learnt": trained.learnt,
            "recipe": msgspec.to_builtins(RECIPE), "losses": trained.losses, "seconds": seconds,
        },
        "held-out loss per answer token": losses,
        "before": before, "after": after, "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def read(mixture: Learner, folder: Path, cache: Path, threads: int, count: int) -> dict[str, Any]:
    """What routing says of topics, and of harmful requests against their benign twins, by the model as it is opened from disk."""
    with written(folder) as beside:
        save(mixture, beside)
    model = open_local(folder, name=folder.name, cache=cache.parent / "converted", threads=threads)
    prompts = behaviours(["pairs"], cache, limit=count)
    readings = list(model.read([Read(id=one.id, messages=one.messages) for one in prompts], WANTS))
    labels = np.array([1 if one.kind == "case" else 0 for one in prompts])
    shares = [None if one.routing is None else one.routing.astype(np.float64) for one in readings]
    found = pairs(shares, [one.group for one in prompts], labels)
    shape = model.shape
    model.close()
    del model
    topics = routing(mixture, texts())
    result: dict[str, Any] = {
        "experts": shape.experts,
        "topic told by routing, nats": [round(value, 5) for value in topics.by_topic],
        "load of the busiest expert": [round(max(row), 4) for row in topics.load],
    }
    if isinstance(found, Missing):
        return {**result, "missing": found.reason}
    lines = routed(found, seed=0).lines
    held = [line for line in lines if line.q <= 0.05]
    say(f"{folder.name}: {len(held)} of {len(lines)} layers with q <= 0.05")
    return {
        **result,
        "pairs": len(found.groups), "layers": len(lines), "layers with q <= 0.05": [line.layer for line in held],
        "lines": [
            {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in msgspec.to_builtins(line).items()}
            for line in lines
        ],
    }  # fmt: skip


def held_out(one: Learner) -> float:
    """Mean loss of answers about things that are never taught."""
    lessons = [lesson for topic in TOPICS for lesson in answered(topic, taught=False)[:4]]
    pairs = [one.encoded(lesson, longest=512) for lesson in lessons]
    total = count = 0.0
    for begin in range(0, len(pairs), 8):
        with torch.no_grad():
            loss, tokens = answer_loss(one.model, pairs[begin : begin + 8])
        total, count = total + float(loss) * tokens, count + tokens
    return round(total / count, 4)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
