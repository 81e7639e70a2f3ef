"""How far a stability run is: draws, rate and time left on stderr, and an estimate after the first wave. Not a command."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from obverse.cli.output import note

if TYPE_CHECKING:
    from obverse.stability.records import Draw

EVERY_S: Final = 10.0
ON_TERMINAL_S: Final = 0.2
WORTH_SAYING_S: Final = 20.0


class Progress:
    """One line that is rewritten on a terminal, else a line every ten seconds. Told by `campaign.stability.run`."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.done = 0
        self.seen: Counter[str] = Counter()
        self.began = self.told = time.monotonic()
        self.estimated = False
        self.on_terminal = sys.stderr.isatty()

    def drawn(self, draw: Draw) -> None:
        """One more."""
        self.done += 1
        self.left = max(self.left - 1, 0)
        self.seen[draw.behaviour] += 1
        if self._is_time():
            ended = "  ".join(
                f"{self.seen[one]:,} {one}" for one in ("refuse", "comply", "unscored", "error") if self.seen[one]
            )
            self._show(f"{self.done:,} draws  {ended}  {self._rate():,.1f}/s  at most {self._time_left()} left")

    def wave(self, left: int) -> None:
        """Where the plan stands now: what is placed needs no more draws."""
        self.left = left
        if not self.estimated and left and self.done:
            self.estimated = True
            if left / self._rate() > WORTH_SAYING_S:
                self._line(f"{left:,} draws left at most, about {self._time_left()} at {self._rate():,.1f}/s")

    def looking(self, done: int, all_: int) -> None:
        """So many readings of the inside."""
        if self._is_time():
            self._show(f"looking inside: {done:,}/{all_:,} readings")

    def close(self) -> None:
        """Leave the terminal clean."""
        if self.on_terminal:
            click.echo("\r\033[K", err=True, nl=False)

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self.told < (ON_TERMINAL_S if self.on_terminal else EVERY_S):
            return False
        self.told = now
        return True

    def _rate(self) -> float:
        return self.done / max(time.monotonic() - self.began, 1e-9)

    def _time_left(self) -> str:
        return duration(self.left / self._rate()) if self.done else "?"

    def _show(self, text: str) -> None:
        click.echo(f"\r\033[K{text}" if self.on_terminal else text, err=True, nl=not self.on_terminal)

    def _line(self, text: str) -> None:
        note(f"\r\033[K{text}" if self.on_terminal else text)


def duration(seconds: float) -> str:
    """`1 h 5 min`, `3 min 20 s`, `12 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
