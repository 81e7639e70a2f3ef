"""Opening a guard for the commands that stand in front of an agent: with the judge and the credentials that its home names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from obverse.cli.home_judge import judge_of_home

if TYPE_CHECKING:
    from obverse.guard.local import LocalGuard


@contextmanager
def opened(folder: Path) -> Iterator[LocalGuard]:
    """The guard of this home, for the time of a `with`."""
    from obverse.guard.home import open_home
    from obverse.guard.local import open_guard

    home = open_home(folder)
    judge = judge_of_home(home)
    guard = open_guard(home, judge=judge)
    try:
        yield guard
    finally:
        guard.close()
        if judge is not None:
            judge.close()
