"""Attacks on the evaluator itself: to crash it, to keep it busy, to make the monitor forget, to use an approval twice.

The attacks that are one line of a scenario are in `tests/policy/decisions/evasion.md`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from obverse.core.events import AnyEvent, Approval, Call, Fact, Message, Reply, Result, Step
from obverse.core.verdicts import Verdict
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import call_digest, decide
from obverse.policy.decision import Decision
from obverse.policy.monitor import Monitor
from obverse.policy.parse import parse
from obverse.policy.reading import read_arguments


def policy(terms: str, rules: str, default: str = "{}") -> Checked:
    front = f"---\npolicy: attacked\nversion: 1\ndefault: {default}\n---\n"
    return check(parse(f"{front}```terms\n{terms}\n```\n## Rule {{#rule}}\n```rule\n{rules}\n```\n"))


def call(id: str, tool: str, arguments: object, *, call_id: str | None = None) -> Call:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return Call(id=id, call_id=call_id or f"c{id}", tool=tool, arguments=text)


def both(checked: Checked, history: list[AnyEvent], event: Call | Reply, *turn: Call | Reply) -> Decision:
    """What `decide` says, which the monitor has to say as well."""
    step, monitor = Step(event=event, turn=turn or (event,)), Monitor(checked)
    for one in history:
        monitor.observe(one)
    found, streamed = decide(checked, history, step), monitor.decide(step)
    assert (found.verdict, found.certain) == (streamed.verdict, streamed.certain)
    return found


PAY = "tool pay(to: text, amount: number, per: duration, due: time, what: json, ids: list of text)  effect money"
READS_ALL = 'forbid pay when to = "x" or amount > 9 or per > 1h or due < now or what = what or "x" in ids'


@pytest.mark.parametrize(
    "arguments",
    [
        '{"amount": 1e99999999999999999999}', '{"amount": 0e-99999999999999999999}', f'{{"amount": {"9" * 10_000}}}',
        f'{{"per": "{"9" * 5_000}h"}}', f'{{"per": "PT{"9" * 5_000}S"}}', f'{{"due": "{"9" * 5_000}"}}',
        '{"due": "0001-01-01T00:00:00+14:00"}', '{"to": "\ud800"}', '{"to": "\\udfff"}', '{"what": 1e-400}', '{"what": {"$": 1}}',
        *(f'{{"what": {"[" * depth}{"]" * depth}}}' for depth in (60, 64, 65, 300, 900, 100_000)),
        *(f'{{"ids": {"[" * depth}{"]" * depth}}}' for depth in (60, 900)), "\0", "\ufeff{}", '{"to": "x"} {"to": "y"}',
    ],
)  # fmt: skip
def test_no_arguments_make_it_crash_or_pass(arguments: str) -> None:
    checked = policy(PAY, READS_ALL)
    assert both(checked, [], call("1", "pay", arguments)).verdict is Verdict.DENY


def test_how_deep_arguments_may_be_does_not_hang_on_the_depth_of_the_caller() -> None:
    def below(depth: int, text: str) -> object:
        return below(depth - 1, text) if depth else read_arguments(text)

    for levels in (62, 70):
        text = f'{{"deep {levels}": {"[" * levels}{"]" * levels}}}'
        deep = below(600, text)
        assert deep == read_arguments(text)
        assert isinstance(deep, dict) is (levels < 64)


def test_a_text_with_half_a_character_is_decided() -> None:
    checked = policy(
        'tool say() -> text\njudged message.odd "odd" matches ".*x.*" yes "x" no "y"',
        'ask reply when text contains "x" or message.odd\nforbid reply when last say has value = "x"\nask reply',
    )
    said = [
        Message(id="m", text="\ud800"),
        call("1", "say", {}),
        Result(id="r", call_id="c1", tool="say", output="\ud800"),
    ]
    answer = Reply(id="2", text="a\udc00")
    approved = Approval(id="a", call=call_digest(answer), by="ann")
    assert both(checked, said, answer).verdict is Verdict.ASK
    assert both(checked, [*said, approved], answer).verdict is Verdict.ALLOW
    assert both(checked, [*said, approved], Reply(id="2", text="a\udc01")).verdict is Verdict.ASK
    assert both(checked, [*said, approved, answer], answer).verdict is Verdict.ASK


@pytest.mark.parametrize("value", [0.5, float("inf"), {"a": 0.5}, [object()], "\ud800"])
def test_a_fact_that_is_no_json_is_not_known(value: object) -> None:
    checked = policy(
        "tool pay() effect money\nfact user.plan: json\nfact user.known: json",
        "forbid pay unless user.plan = user.known",
    )
    facts = [Fact(id="1", name="user.plan", value=value), Fact(id="2", name="user.known", value=value)]
    assert both(checked, [*facts], call("3", "pay", {})).certain is Verdict.ALLOW


def test_an_approval_is_for_one_of_two_equal_calls() -> None:
    checked = policy("tool pay(to: text) effect money", "ask pay")
    one, two = call("1", "pay", {"to": "a"}), call("2", "pay", ' {"to":"a"}')
    approved = Approval(id="0", call=call_digest(one), by="ann")
    assert both(checked, [approved], one, one, two).verdict is Verdict.ALLOW
    assert both(checked, [approved], two, one, two).verdict is Verdict.ASK


@pytest.mark.parametrize(
    ("kind", "flagged", "asked"),
    [
        ("text", "Нotel", "Hotel"), ("text folded", "НOTEL", "Hotel"), ("list of text", ["аnna"], ["anna"]),
        ("list of text", ["a", 7], ["a", "b"]), ("json", {"to": "аnna"}, {"to": "anna"}),
        ("map of text", {"а": "x"}, {"a": "x"}), ("(name: text)", {"name": "аnna"}, {"name": "anna"}),
    ],
)  # fmt: skip
def test_the_monitor_remembers_what_looks_alike(kind: str, flagged: object, asked: object) -> None:
    checked = policy(
        f"tool flag(id: {kind}) effect read\ntool pay(id: {kind}) effect money",
        "forbid pay(id: i) when once call flag(id: i)",
    )
    assert both(checked, [call("1", "flag", {"id": flagged})], call("2", "pay", {"id": asked})).verdict is Verdict.DENY


def test_the_monitor_remembers_each_of_those_that_look_alike() -> None:
    checked = policy(
        "tool look(id: text) -> (ok: bool) effect read\ntool pay(id: text) effect money",
        "forbid pay(id: i) unless last look(id: i) has ok",
    )
    history: list[AnyEvent] = []
    for number, (id, ok) in enumerate([("anna", "true"), ("аnna", "false"), ("аnna", "true")]):
        history.append(call(f"c{number}", "look", {"id": id}))
        history.append(Result(id=f"r{number}", call_id=f"cc{number}", tool="look", output=f'{{"ok": {ok}}}'))
    assert both(checked, history, call("z", "pay", {"id": "anna"})).verdict is Verdict.DENY


def test_a_window_asks_an_event_without_a_time_otherwise_than_a_newer_one_with_a_time() -> None:
    checked = policy("tool log() effect read\ntool pay() effect money", "forbid pay when once call log within 1h")
    history: list[AnyEvent] = [call("1", "log", {}), msgspec.structs.replace(call("2", "log", {}), time=0)]
    late = msgspec.structs.replace(call("3", "pay", {}), time=2 * 3_600_000)
    assert both(checked, history, late).verdict is Verdict.DENY
    assert both(checked, history[1:], late).verdict is Verdict.ALLOW


def test_calls_of_which_nothing_is_known_do_not_push_out_those_that_count() -> None:
    checked = policy("tool pay() effect money", "limit any call with effect money to 2", "{calls: allow-unknown-tools}")
    history: list[AnyEvent] = [call(f"p{n}", "pay", {}) for n in range(3)] + [
        call(f"u{n}", "odd", {}) for n in range(3)
    ]
    assert both(checked, history, call("z", "pay", {})).certain is Verdict.DENY


def test_a_result_does_not_borrow_the_arguments_of_another_tool() -> None:
    checked = policy(
        "tool look(id: text) effect read\ntool note(id: text) effect read\ntool pay(id: text) effect money",
        "forbid pay(id: i) unless once look(id: i)",
    )
    history = [call("1", "look", {"id": "a"}, call_id="x"), call("2", "note", {"id": "b"}, call_id="x")]
    history_: list[AnyEvent] = [*history, Result(id="3", call_id="x", tool="look", output="null")]
    assert both(checked, history_, call("4", "pay", {"id": "a"})).verdict is Verdict.ALLOW
    assert both(checked, history_, call("4", "pay", {"id": "b"})).certain is Verdict.DENY


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [
        ('forbid pay when to = "x"', {"to": "a" + "\u0301\u0323" * 200_000}),
        ('forbid pay when to = "x"', {"to": "a" + "\u0301\uff9e" * 200_000}),
        ('forbid pay when to matches "(a|а)*(a|b)*c"', {"to": "аb" * 100_000}),
        ("forbid pay when per > 1h", {"per": "9" * 1_000_000 + "x"}),
        ("forbid pay when due < now", {"due": "9" * 1_000_000}),
        ("forbid pay when any x in ids: any y in ids: x != y", {"ids": [f"а{n}" for n in range(20_000)]}),
        ("forbid pay when any x in ids: not x in ids", {"ids": [f"{n}" for n in range(20_000)]}),
        ("forbid pay when count(x in ids: sum(y in ids: 1) > 2) > 1", {"ids": [f"{n}" for n in range(20_000)]}),
    ],
)  # fmt: skip
def test_a_large_argument_does_not_keep_it_busy(rule: str, arguments: object) -> None:
    checked = policy(PAY, rule)
    began = time.process_time()
    both(checked, [], call("1", "pay", arguments))
    assert time.process_time() - began < 8


def test_many_elements_are_not_known_instead_of_allowed() -> None:
    checked = policy(PAY, 'forbid pay when any x in ids: any y in ids: x = "x" and y = "y"')
    small, large = ({"ids": [f"{n}" for n in range(count)]} for count in (100, 400))
    assert both(checked, [], call("1", "pay", small)).verdict is Verdict.ALLOW
    assert both(checked, [], call("1", "pay", large)).verdict is Verdict.DENY


@pytest.mark.parametrize("value", ["1e99999999999999999999", "[" * 5000 + "]" * 5000])
def test_a_value_without_end_is_bad_input_to_the_command(value: str, tmp_path: Path) -> None:
    page = tmp_path / "policy.md"
    page.write_text("---\npolicy: p\nversion: 1\n---\n```terms\nfact user.limit: number\n```\n")
    event = f'{{"kind": "fact", "id": "1", "name": "user.limit", "value": {value}}}\n'
    command = [sys.executable, "-m", "obverse.cli", "decide", str(page)]
    done = subprocess.run(command, input=event, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "[D101]" in done.stderr
