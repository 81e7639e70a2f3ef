"""The decision points of a transcript: what was proposed together, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from obverse.core.events import AnyEvent, Call, Reply, Step

Turn = tuple[Call | Reply, ...]


def turns_of(events: Iterable[AnyEvent]) -> Iterator[AnyEvent | Turn]:
    """The events in order, where a run of replies and calls of one turn comes as one tuple. Holds one turn at a time.

    A negative turn says that the event was proposed alone: it is passed on without waiting for the next one.
    """
    turn: list[Call | Reply] = []
    for event in events:
        if turn and not (isinstance(event, Call | Reply) and event.turn == turn[0].turn):
            yield tuple(turn)
            turn = []
        if isinstance(event, Call | Reply):
            turn.append(event)
            if event.turn < 0:
                yield tuple(turn)
                turn = []
        else:
            yield event
    if turn:
        yield tuple(turn)


def steps_of(turn: Turn) -> Iterator[Step]:
    """Each decision point of a turn; all of them see the turn whole."""
    for event in turn:
        yield Step(event=event, turn=turn)
