"""What `obverse cases --mutation` prints: the score by operator, what lives on, which case kills what. Lays out, computes nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from obverse.cli.output import note, one_line, say

if TYPE_CHECKING:
    from obverse.cases.mutation.records import Chosen, Fate, MutationScore
    from obverse.cases.mutation.settle import Settled

_SHOWN = 12  # mutants and cases that are listed for people; --json has all
_WIDEST = 60


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether Ctrl-C was pressed; pressed a second time, it stops at once."""
    pressed: list[int] = []

    def press(number: int, _: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)
        note("stopping after this mutant; what was found is kept")

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def mutation_document(settled: Settled, chosen: Chosen) -> dict[str, Any]:
    """The value of the key `mutation`."""
    total = settled.after.total
    return {
        "killed": total.killed,
        "equivalent": total.equivalent,
        "alive": total.alive,
        "undecided": total.undecided,
        "complete": settled.complete,
        "before": settled.before.total,
        "added": [case.id for case in settled.added],
        "operators": settled.after.operators,
        "mutants": settled.after.fates,
        "cases": settled.after.killed_by,
        "smallest": chosen,
        "proofs": settled.proofs,
    }


def say_mutation(settled: Settled, chosen: Chosen) -> None:
    """The score for people."""
    score = settled.after
    _say_operators(score)
    say()
    killed, of = score.total.share
    was = settled.before.total.share[0]
    say(f"{killed} of {of} mutants that are not proved equivalent are killed; {was} before cases were added for them")
    if settled.added:
        say(f"{len(settled.added)} cases were added, twins included")
    _say_smallest(chosen)
    if not settled.complete:
        say("interrupted: what was not looked at counts as alive")
    _say_left([fate for fate in score.fates if fate.state in ("alive", "undecided")])
    _say_killers(score, chosen)


def _say_operators(score: MutationScore) -> None:
    width = max([len(name) for name in score.operators] + [len("mutants")])
    columns = ("killed", "equivalent", "alive", "undecided")
    say(f"{'mutants':{width}}  " + "  ".join(f"{name:>10}" for name in columns))
    for name, tally in (*score.operators.items(), ("all", score.total)):
        say(f"{name:{width}}  " + "  ".join(f"{getattr(tally, column) or '.':>10}" for column in columns))


def _say_smallest(chosen: Chosen) -> None:
    if not chosen.cases:
        return
    least = "no fewer of them do" if chosen.exact else f"no fewer than {chosen.least} of them do"
    apart = "" if chosen.apart is None else f"; whatever the cases, {chosen.apart} are needed"
    say(f"{len(chosen.cases)} of the {chosen.pool} cases kill as much: {least}{apart}")


def _say_left(left: list[Fate]) -> None:
    for fate in left[:_SHOWN]:
        why = f": {one_line(fate.reason)}" if fate.reason else ""
        say(f"  {fate.state} {one_line(fate.rule)}: {_change(fate)}{why}")
    if len(left) > _SHOWN:
        say(f"  and {len(left) - _SHOWN} more (--json lists them)")


def _say_killers(score: MutationScore, chosen: Chosen) -> None:
    """Which case kills what: the cases of the small suite, those that kill most first, each with a mutant that it kills."""
    killed_by = score.killed_by
    fates = {fate.mutant: fate for fate in score.fates}
    say()
    most = sorted(chosen.cases, key=lambda case: -len(killed_by[case]))
    for case in most[:_SHOWN]:
        mutants = killed_by[case]
        one = min((fates[name] for name in mutants), key=lambda fate: len(fate.killers))
        say(f"  {case} kills {len(mutants):>3}, such as {one_line(one.rule)}: {_change(one)}")
    if len(most) > _SHOWN:
        say(f"  and {len(most) - _SHOWN} more (--json has the whole matrix)")


def _change(fate: Fate) -> str:
    after = f"`{_short(fate.after)}` for `{_short(fate.before)}`" if fate.after else f"without `{_short(fate.before)}`"
    return f"{fate.operator}, {after}"


def _short(text: str) -> str:
    line = one_line(" ".join(text.split()))
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
