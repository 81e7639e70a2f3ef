"""Words of cases: what our own phrases reach, how good the labellers are, what the round trip lets through, what small models write.

    python benchmarks/texts.py [--full] [--out benchmarks/results/texts.json]

1. `retold`: the airline and support suites in every value of every factor: how many cases could be told so.
2. `languages`: the language of every phrase of our own books, and of hand-written English messages.
3. `labellers`: on 48 hand-written messages with four labels each (`texts_labels.json`), and on the examples of all policies of
   this repository, each held out in turn.
4. `poles`: a faithful scripted writer, and liars: whose texts are used.
5. `writers`: small local models that are fetched, on the same suites; every accepted text is listed, and compared with
   `texts_read.json`, in which texts that were read one by one are right or wrong: do they still say the same?
6. `diversity`: before and after, on as many texts each.

With --full it takes all cases of the airline suite instead of a sample, the models get three attempts instead of one, and the
labels of the models themselves are measured too; that takes half an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from obverse.campaign.labelling import model_labeller
from obverse.cases.context import FACTORS
from obverse.cases.diversity import diversity, texts_of
from obverse.cases.invert import invert
from obverse.cases.labellers import Labeller, NearestLabeller, held_out
from obverse.cases.phrases.books import BOOKS
from obverse.cases.realise import Realised, Settings, Writer, realise
from obverse.cases.records import Case
from obverse.cases.retell import Reteller
from obverse.cases.tongues import language_of
from obverse.cli.load import load
from obverse.core.verdicts import Truth
from obverse.judges.encoder import Encoder
from obverse.policy.checked import Checked
from obverse.targets.catalogue import cache_folder, find, folder_of
from obverse.targets.open import open_target
from obverse.testing.writers import AttentiveLabeller, ScriptedWriter, faithful, liars

ROOT = Path(__file__).parents[1]
LABELS = Path(__file__).parent / "texts_labels.json"
READ = Path(__file__).parent / "texts_read.json"
SUITES = {name: ROOT / "examples" / name / "policy.md" for name in ("support", "airline")}
WRITERS = ("smollm2-135m", "qwen-coder-0.5b")
SAMPLE = 24
"""Cases of the airline suite that are taken without --full, and their twins; for models a quarter of them."""


def fetched(name: str) -> Path | None:
    """The folder of a model of the catalogue, if it is there."""
    folder = folder_of(find(name), cache_folder(os.environ))
    return folder if folder.exists() else None


def retold(checked: Checked, cases: Sequence[Case]) -> dict[str, Any]:
    """Factor and value → how many cases could be told so, and why others could not."""
    teller, rows = Reteller(checked), {}
    for factor, values in FACTORS.items():
        for value in values[factor != "language" :]:
            began = time.perf_counter()
            found = teller.tell_all(cases, one_of_many([{factor: value}]))
            rows[f"{factor}={value}"] = {
                "told": len(found.cases), "of": len(cases), "seconds": round(time.perf_counter() - began, 2),
                "reasons": dict(Counter(re.sub(r"`[^`]*`", "…", one.reason) for one in found.untold).most_common()),
            }  # fmt: skip
    return rows


def one_of_many(contexts: Sequence[dict[str, str]]) -> Callable[[Case], dict[str, str]]:
    """For each family one of the contexts."""
    return lambda case: contexts[int(case.family[:4], 16) % len(contexts)]


def languages() -> dict[str, dict[str, int]]:
    """Language → how many of its texts are recognised, not recognised, and taken for another."""
    texts = {language: [re.sub(r"\{\w+\}", "", text) for text in every(book)] for language, book in BOOKS.items()}
    texts["en"] += [row["text"] for row in json.loads(LABELS.read_text())["texts"]]
    return {
        language: dict(
            Counter(
                "right" if found == language else "unknown" if found is None else "wrong"
                for found in map(language_of, several)
            )
        )
        for language, several in texts.items()
    }


def every(book: object) -> Iterator[str]:
    """Every sentence of a book of phrases."""
    for name in book.__struct_fields__:  # type: ignore[attr-defined]  # a record
        if name not in {"months", "units", "date", "moment", "money", "point", "detail", "yes", "no", "nothing", "und"}:
            yield from leaves(getattr(book, name))


def leaves(value: object) -> Iterator[str]:
    """The texts in a nest of tuples and mappings."""
    match value:
        case str():
            yield value
        case tuple():
            for item in value:
                yield from leaves(item)
        case dict():
            for item in value.values():
                yield from leaves(item)


async def on_messages(labeller: Labeller, checked: Checked) -> dict[str, dict[str, int]]:
    """On hand-written messages: what was said where the truth is yes, and where it is no."""
    terms = [term for term in checked.judged.values() if term.subject == "message"]
    found: dict[str, Counter[str]] = {"yes": Counter(), "no": Counter()}
    for row in json.loads(LABELS.read_text())["texts"]:
        for term in terms:
            truth = term.full_name in row["true"]
            said = (await labeller.label(term, row["text"])).truth
            found["yes" if truth else "no"][verdict(said, truth)] += 1
    return {pole: dict(sorted(counts.items())) for pole, counts in found.items()}


async def on_examples(encoder: Encoder | None) -> dict[str, dict[str, int]]:
    """On the examples of every policy of the repository, each one held out in turn."""
    found: dict[str, Counter[str]] = {"yes": Counter(), "no": Counter()}
    for path in (*SUITES.values(), *sorted((ROOT / "benchmarks" / "policies").glob("*.md"))):
        checked = load(path)
        for held in await held_out(checked, NearestLabeller(checked, encoder)):
            found["yes" if held.is_yes else "no"][verdict(held.said, held.is_yes)] += 1
    return {pole: dict(sorted(counts.items())) for pole, counts in found.items()}


def verdict(said: Truth, truth: bool) -> str:
    """What an answer is worth."""
    return "unknown" if said is Truth.UNKNOWN else "right" if said is Truth.of(truth) else "wrong"


async def poles(checked: Checked, cases: Sequence[Case], labellers: dict[str, Labeller]) -> dict[str, Any]:
    """Labeller and script → tasks with an accepted text, of all; what was refused and why."""
    scripts = {"is faithful": faithful, **liars(checked)}
    rows: dict[str, Any] = {}
    for name, labeller in labellers.items():
        for script, rewrite in scripts.items():
            found = await realise(checked, cases, ScriptedWriter(rewrite, script), labeller)
            rows[f"{name}: {script}"] = summary(found)
    return rows


def summary(found: Realised) -> dict[str, Any]:
    """The figures of one round with a writer."""
    return {
        "messages": found.messages, "told": found.told, "written": found.written, "accepted": found.accepted,
        "share of texts accepted": round(found.accepted / found.written, 3) if found.written else None,
        "rejected": found.rejected,
    }  # fmt: skip


async def written(
    checked: Checked, cases: Sequence[Case], writer: Writer, labeller: Labeller, settings: Settings
) -> dict[str, Any]:
    """What a model wrote for these cases."""
    began = time.perf_counter()
    found = await realise(checked, cases, writer, labeller, settings=settings)
    before = {case.id: case for case in cases}
    pairs = dict.fromkeys(
        (old.text, new.text)
        for case in found.cases
        for old, new in zip(before[found.sources[case.id]].script, case.script, strict=True)
        if old.text != new.text
    )
    read = json.loads(READ.read_text()) if READ.exists() else {}
    said = Counter(read.get(new, "unread") for _, new in pairs)
    return {
        **summary(found), "seconds": round(time.perf_counter() - began, 1), "read": dict(sorted(said.items())),
        "texts": [{"source": old, "text": new} for old, new in pairs],
    }  # fmt: skip


def sample(cases: Sequence[Case], full: bool, size: int = SAMPLE) -> Sequence[Case]:
    """All cases, or some spread over the suite; a case that is taken brings its twin."""
    if full or len(cases) <= 2 * SAMPLE:
        return cases
    step = len(cases) // size
    names = {name for case in cases[::step] for name in (case.id, case.twin)}
    return [case for case in cases if case.id in names]


async def measure(full: bool) -> dict[str, Any]:
    """All parts."""
    folder = fetched("minilm-l6-v2")
    encoder = Encoder.read(folder) if folder else None
    policies = {name: load(path) for name, path in SUITES.items()}
    suites = {name: invert(checked).cases for name, checked in policies.items()}
    result: dict[str, Any] = {
        "retold": {name: retold(policies[name], sample(cases, full)) for name, cases in suites.items()},
        "languages": languages(),
        "labellers": {
            "nearest, by words": {
                "messages": await on_messages(NearestLabeller(policies["support"]), policies["support"]),
                "held-out examples": await on_examples(None),
            }
        },
        "poles": {},
        "writers": {},
        "diversity": {},
    }
    if encoder is None:
        raise SystemExit("the encoder is needed: obverse models fetch minilm-l6-v2")
    result["labellers"]["nearest, by MiniLM"] = {
        "messages": await on_messages(NearestLabeller(policies["support"], encoder), policies["support"]),
        "held-out examples": await on_examples(encoder),
    }
    for name, checked in policies.items():
        nearest = NearestLabeller(checked, encoder)
        result["poles"][name] = await poles(
            checked, sample(suites[name], full), {"attentive": AttentiveLabeller(), "nearest, by MiniLM": nearest}
        )
        result["diversity"][name] = {"own": shown(suites[name], encoder)}
        registers = one_of_many([{"register": value} for value in FACTORS["register"]])
        told = Reteller(checked).tell_all(suites[name], registers)
        result["diversity"][name]["own, in five registers"] = shown(told.cases, encoder)
    settings = Settings(attempts=3 if full else 1, concurrency=2)
    for name in WRITERS:
        if fetched(name) is None:
            result["writers"][name] = "not fetched"
            continue
        writer = open_target(f"local:{name}")
        result["writers"][name] = {}
        for suite, checked in policies.items():
            some = sample(suites[suite], full, SAMPLE // 4)
            found = await written(checked, some, writer, NearestLabeller(checked, encoder), settings)
            result["writers"][name][suite] = found
            print(name, suite, json.dumps({k: v for k, v in found.items() if k != "texts"}))
            texts = [pair["text"] for pair in found["texts"]]
            result["diversity"][suite][f"accepted, {name}"] = msgspec.to_builtins(diversity(texts, encoder))
            sources = [pair["source"] for pair in found["texts"]]
            result["diversity"][suite][f"their sources, {name}"] = msgspec.to_builtins(diversity(sources, encoder))
        if full:
            judge = model_labeller(writer)
            result["labellers"][name] = {"messages": await on_messages(judge, policies["support"])}
        await writer.close()
    return result


def shown(cases: Sequence[Case], encoder: Encoder) -> Any:
    """The figures of a suite."""
    return msgspec.to_builtins(diversity(texts_of(cases), encoder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "texts.json")
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    began = time.perf_counter()
    result = {
        "command": "python benchmarks/texts.py" + (" --full" if options.full else ""),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load when started": round(os.getloadavg()[0], 1),
        **asyncio.run(measure(options.full)),
    }
    result["seconds"] = round(time.perf_counter() - began, 1)
    options.out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
