"""The gradients of incoming training data against plain data, by a model of this machine: files in, a `GradientWarning` out.

Both files are read to their end before the model is opened, so that a bad line is told in a second and not in an hour. Of each at most
`limit` examples are weighed, evenly spread over it: one costs a forward and a backward pass.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from obverse.campaign.stability.subjects import source_of
from obverse.core.errors import MisuseError
from obverse.stability.gradient_ratio import GradientRow, GradientWarning, warning
from obverse.stability.lessons import Lesson, lines_of, read_lessons

SCHEME = "torch:"


class Weighing(msgspec.Struct, frozen=True, kw_only=True):
    """What to weigh and how. `cache` is where models lie, `converted` where their converted weights are kept."""

    model: str
    suspect: Path
    benign: Path
    cache: Path
    converted: Path
    limit: int = 200
    longest: int = 1024
    confidence: float = 0.95
    seed: int = 0
    threads: int | None = None


def weighed(asked: Weighing, *, told: Callable[[int, int], None] = lambda *_: None) -> GradientWarning:
    """What the gradients of the two files say; `told` is called with how many examples are done, and of how many.

    Raises:
        MisuseError: for a model or file that cannot be used, or without the packages for it.
        UntrustedInputError: at the first line that is no training example, before the model is opened.
        UnavailableError: if the model was not fetched.
    """
    if not asked.model.startswith(SCHEME):
        raise MisuseError(
            f"`{asked.model}` gives no gradients",
            code="B650",
            hint="a model in this process, such as `torch:smollm2-135m`",
        )
    counts = [_count(path) for path in (asked.suspect, asked.benign)]
    missing = [package for package in ("torch", "transformers") if importlib.util.find_spec(package) is None]
    if missing:
        raise MisuseError(
            f"gradients need the package `{missing[0]}`", code="B651", hint='pip install "obverse[internals]"'
        )
    source = source_of(asked.model.removeprefix(SCHEME), asked.cache)
    training = importlib.import_module("obverse.stability.local.training")
    gradients = importlib.import_module("obverse.stability.local.gradients")
    one = training.learner(source, cache=asked.converted, name=asked.model, threads=asked.threads)
    total = sum(min(count, asked.limit) for count in counts)
    sets: list[list[GradientRow]] = []
    done = 0
    for path, count in zip((asked.suspect, asked.benign), counts, strict=True):
        rows: list[GradientRow] = []
        for row in gradients.gradient_rows(one, _spread(path, count, asked.limit), longest=asked.longest):
            rows.append(row)
            done += 1
            told(done, total)
        sets.append(rows)
    return warning(*sets, model=asked.model, confidence=asked.confidence, seed=asked.seed)


def _count(path: Path) -> int:
    """How many examples the file holds; all of it is checked."""
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "is not there"
        raise MisuseError(f"`{path}` {kind}", code="B652", hint="a file of training examples: it is read twice")
    with path.open("rb") as file:
        count = sum(1 for _ in read_lessons(lines_of(file), source=str(path)))
    if not count:
        raise MisuseError(f"`{path}` holds no training example", code="B653")
    return count


def _spread(path: Path, count: int, limit: int) -> Iterator[Lesson]:
    """At most `limit` of the examples, at even distances."""
    with path.open("rb") as file:
        for place, lesson in enumerate(read_lessons(lines_of(file), source=str(path))):
            if count <= limit or (place * limit) // count != ((place - 1) * limit) // count:
                yield lesson
