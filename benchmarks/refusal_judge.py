"""The refusal judge beside the keyword baseline, on labels that neither was fitted on.

    python benchmarks/refusal_judge.py --encoder FOLDER --pyrit FOLDER [--write]

`--pyrit` is the unpacked wheel `pyrit==1.1.0` (`pip download --no-deps`, unzip); its labelled replies are read where they
lie and never copied. `--write` renews the committed result and the cards that ship with the product.

Four sets. What each was used for before is said beside it, since that is what a measured error is worth:

- `refusal.csv`, 105 replies labelled by people, strictly: whatever does not do what was asked is a refusal, a full answer
  to another request too. That is the predicate `reply.misses`.
- the same without the ten rows of full answers to another request (`refusal_labels.json`): `reply.refuses`.
- `objective/*.csv` without replies that are also in the tables above or in those of `harm/` that we had looked at: those
  that people say achieved the objective, so they decline nothing; and of a random ninety of those that did not, the ones
  that we labelled by hand as plainly declining or plainly not, before this head judged them.
- `refusal_extra.csv`, 64 replies: looked at while the judge was made.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import hashlib
import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from obverse.judges.calibration import CARDS, Labelled, calibrate, rate
from obverse.judges.encoder import Encoder
from obverse.judges.judgement import Context, Judge, JudgeCard, Predicate, Rate
from obverse.judges.keywords import KeywordJudge
from obverse.judges.refusal import MISS, REFUSAL, RefusalJudge

HERE = Path(__file__).parent
RESULT = HERE / "results" / "refusal_judge.json"
LABELS = json.loads((HERE / "refusal_labels.json").read_text())
SHIPPED = HERE.parent / "src/obverse/judges" / CARDS
COMMAND = "python benchmarks/refusal_judge.py --encoder FOLDER --pyrit FOLDER --write"
LOOKED_AT = ("exploits.csv", "hate_speech.csv", "privacy.csv", "violence.csv")
"""Tables of `harm/` whose worst rows were looked at while the judge was made: their replies stand in `objective/` too."""
FIRST_LOOK = {
    "what": "refusal.csv, `reply.misses`, by the head before its corpus held refusals that offer a list of other things",
    "accuracy": "85 of 90", "sensitivity": "53 of 58", "specificity": "32 of 32", "unknown": 15,
}  # fmt: skip
"""Not made by this program again: the labels were blind then, and are not quite so now."""
Row = dict[str, str]


class Set(msgspec.Struct, frozen=True, kw_only=True):
    """Labels for one predicate, and what they were used for before."""

    name: str
    used: str
    predicate: Predicate
    labelled: tuple[Labelled, ...]
    ships: bool = False


def sets(pyrit: Path) -> list[Set]:
    """The four sets, from the folder of the unpacked wheel."""
    folder = pyrit / "pyrit/datasets/scorer_evals"
    strict = rows(folder / "refusal_scorer/refusal.csv")
    dev = rows(folder / "refusal_scorer/refusal_extra.csv")
    declining = [
        row for row in strict if digest(f"{row['objective']}\n{row['assistant_response']}") not in LABELS["strays"]
    ]
    looked = [row for name in LOOKED_AT for row in rows(folder / "harm" / name)]
    seen = {row["assistant_response"] for row in [*strict, *dev, *looked]}
    other = [row for path in sorted((folder / "objective").glob("*.csv")) for row in rows(path)]
    other = [row for row in other if row["assistant_response"] not in seen]
    return [
        Set(name="PyRIT refusal.csv", used="looked at once, between two versions of the head", predicate=MISS,
            labelled=labelled(strict, lambda row: row["human_score"] == "1"), ships=True),
        Set(name="PyRIT refusal.csv without strays", used="looked at once, between two versions of the head",
            predicate=REFUSAL, labelled=labelled(declining, lambda row: row["human_score"] == "1")),
        Set(name="PyRIT objective/*.csv: achieved, and not achieved as labelled by us", used="three errors of an earlier head were seen",
            predicate=REFUSAL, labelled=labelled(other, declines), ships=True),
        Set(name="PyRIT refusal_extra.csv", used="looked at while the judge was made", predicate=MISS,
            labelled=labelled(dev, lambda row: row["human_score"] == "1")),
    ]  # fmt: skip


def rows(path: Path) -> list[Row]:
    """The rows of a table whose first lines may be comments."""
    text = path.read_text(encoding="utf-8-sig")
    while text.startswith("#"):
        text = text.split("\n", 1)[1]
    return [
        {key.strip(): value or "" for key, value in row.items() if key} for row in csv.DictReader(io.StringIO(text))
    ]


def labelled(table: Sequence[Row], label: Callable[[Row], bool | None]) -> tuple[Labelled, ...]:
    return tuple(
        Labelled(text=row["assistant_response"], is_yes=yes, context=Context(request=row.get("objective") or None))
        for row in table
        if (yes := label(row)) is not None
    )


def declines(row: Row) -> bool | None:
    """An achieved objective is no refusal; of the others only those that we labelled count."""
    if row["human_score"] == "1":
        return False
    name = digest(row["assistant_response"])
    if name in LABELS["declines"]:
        return True
    return False if name in LABELS["goes_on"] else None


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def measure(folder: Path, pyrit: Path) -> tuple[dict[str, Any], list[JudgeCard]]:
    """The whole result, and the cards that ship."""
    encoder = Encoder.read(folder)
    judges: dict[str, Judge] = {
        "refusal": RefusalJudge(encoder), "refusal without encoder": RefusalJudge(None), "keywords": KeywordJudge(),
    }  # fmt: skip
    table, cards = [], []
    for each in sets(pyrit):
        for name, judge in judges.items():
            card = await calibrate(judge, each.predicate, each.labelled, measured_on=f"{each.name} ({each.used})")
            forced = await without_abstaining(judge, each)
            table.append(
                {"name": name, **msgspec.to_builtins(card), "accuracy_without_abstaining": msgspec.to_builtins(forced)}
            )
            if each.ships and name != "keywords":
                cards.append(card)
            print(f"{each.predicate.name:14} {name:24} n {card.labels:3}  accuracy {say(card.accuracy)}  "
                  f"sensitivity {say(card.sensitivity)}  specificity {say(card.specificity)}  "
                  f"unknown {card.abstained:3}  all answered {say(forced)}  {each.name}")  # fmt: skip
    speed = per_minute(RefusalJudge(encoder), sets(pyrit)[2].labelled[:120])
    print(f"{speed:.0f} replies a minute on one core")
    return {
        "command": COMMAND,
        "pyrit": "1.1.0",
        "confidence": 0.95,
        "replies_per_minute": round(speed),
        "table": table,
    }, cards


async def without_abstaining(judge: Judge, each: Set) -> Rate | None:
    """The accuracy if every reply had to be answered: by the score where the answer is unknown, wrong where there is none."""
    right = 0
    for item in each.labelled:
        said = await judge.judge(each.predicate, item.text, item.context)
        guess = (
            said.answer if said.answer != "unknown" or said.score is None else ("yes" if said.score >= 0.5 else "no")
        )
        right += guess == ("yes" if item.is_yes else "no")
    return rate(right, len(each.labelled))


def per_minute(judge: RefusalJudge, labelled: Sequence[Labelled]) -> float:
    """Replies judged per minute of one core: processor time, so that neighbours do not count."""
    start = time.process_time()
    for item in labelled:
        judge.read(REFUSAL, item.text, item.context)
    return 60 * len(labelled) / (time.process_time() - start)


def say(rate: Rate | None) -> str:
    return "     -             " if rate is None else f"{rate.estimate:6.1%} [{rate.low:.1%}, {rate.high:.1%}]"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--pyrit", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    result, cards = asyncio.run(measure(options.encoder, options.pyrit))
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        SHIPPED.write_bytes(msgspec.json.format(msgspec.json.encode(cards), indent=1) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
