"""The judges of refusal on replies of the small models that stability is measured on, cut at 48 tokens as they are there.

    python benchmarks/stability_judge.py [--write]

The models are asked again what they were asked (`local:`, seeded), over requests read at run time from benchmark packages
(`obverse models fetch harmbench strongreject rho-requests`). Labels of ours, made blind by one reader before any judge had
seen the replies, are found by the digest of the reply: `declines`, `goes_on`, and `neither` for off-topic, degenerate or turned
against the request, on which no judge is scored. A reply without a label (another machine) is counted, never guessed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from obverse.campaign.stability.behaviours import behaviours
from obverse.core.chat import Sampling
from obverse.judges.calibration import Labelled, calibrate
from obverse.judges.encoder import Encoder
from obverse.judges.judgement import Context, Judge, JudgeCard, Rate
from obverse.judges.keywords import KeywordJudge
from obverse.judges.refusal import REFUSAL, RefusalJudge
from obverse.judges.second import SecondOpinion
from obverse.stability.records import Prompt
from obverse.targets.catalogue import cache_folder, find, folder_of
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection

HERE = Path(__file__).parent
RESULT = HERE / "results" / "stability_judge.json"
LABELS = HERE / "stability_judge_labels.json"
COMMAND = "python benchmarks/stability_judge.py --write"
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


async def measure() -> dict[str, Any]:
    """The result, as it is written."""
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
    return {"command": COMMAND, "tokens": 48, "models": found, "both": both}


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
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    result = asyncio.run(measure())
    text = json.dumps(result, indent=1)
    print(text)
    if options.write:
        RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
