"""Whoever writes what is in doubt makes no verdict milder, and makes the guard read its memory again only now and then."""

from __future__ import annotations

from tests.laws.test_compiled_laws import agrees, called
from tests.laws.test_monitor_laws import policy

from obverse.core.events import AnyEvent, Message, Step
from obverse.policy.compiled.plain import plain_text
from obverse.policy.compiled.session import CompiledMonitor
from obverse.policy.compiled.tracks import Tally
from obverse.policy.decide import decide

MINUTE = 60_000


def test_a_window_full_of_messages_that_nobody_judged_is_not_read_again_at_each_of_them() -> None:
    checked = policy("forbid pay when count(message where message.says_yes within 1h) > 3")
    monitor = CompiledMonitor(checked)
    (track,) = monitor._keepers
    assert isinstance(track, Tally)
    begun = set()
    for number in range(600):
        monitor.observe(Message(id=f"m{number}", time=number * MINUTE, text="yes"))
        begun.add(track.doubted)
    assert not track.sure
    assert len(begun) <= 600 / 60 + 1  # once in each hour of messages
    assert monitor.size <= 62


def test_names_that_look_alike_are_one_person_to_nobody() -> None:
    """`A` was looked at; paying its Cyrillic look-alike is unknown, which fires, and paying `A` stays allowed."""
    checked = policy("forbid pay(to: t) unless once look(id: t)\nlimit sum(amount) of pay to 150 by to")
    for looked in ("A", "\u0410"):
        monitor, history = CompiledMonitor(checked), list[AnyEvent]()
        for place, name in enumerate((looked, "B", "A\u200b"), start=1):
            history.append(called(place, f'{{"id": "{name}"}}', tool="look"))
            history.append(called(10 + place, f'{{"to": "{name}", "amount": 60.5}}'))
        for event in history:
            monitor.observe(event)
        for place, name in enumerate(("A", "\u0410", "B", "C", "A\u200b")):
            step = called(100 + place, f'{{"to": "{name}", "amount": 60.5}}')
            asked = Step(event=step, turn=(step,))
            agrees(decide(checked, history, asked), monitor.decide(asked))
    assert plain_text("\u0410") is None
    assert plain_text("A") == "A"
