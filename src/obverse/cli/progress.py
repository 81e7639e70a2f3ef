"""How far long work has come: a bar with rate and time left on a terminal, a line now and then where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from obverse.cli.output import console, note

Tell: TypeAlias = Callable[[int, int], None]
_EVERY_S: Final = 10.0
_AFTER_S: Final = 0.5  # what is over sooner needs no bar


@contextmanager
def shown(name: str, unit: str) -> Iterator[Tell]:
    """Gives a function to be told how many are done, and of how many; it prints on stderr."""
    if not sys.stderr.isatty():
        yield _lines(name, unit)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    start = time.monotonic()
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None, visible=False, rate="")

        def tell(done: int, total: int) -> None:
            passed = time.monotonic() - start
            rate = f"{done / passed:.0f} {unit}/s" if passed else ""
            bar.update(task, completed=done, total=total, visible=passed > _AFTER_S, rate=rate)

        yield tell


def _lines(name: str, unit: str) -> Tell:
    start = last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _EVERY_S or done == total:
            return
        last = now
        rate = done / (now - start)
        left = f", {(total - done) / rate:.0f} s left" if rate else ""
        note(f"{name}: {done} of {total} {unit}, {rate:.0f}/s{left}")

    return tell
