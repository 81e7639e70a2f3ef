"""Random policies of the workshop and random scenarios for them: what a finding claims of all steps is tried on many.

The conditions come from a short list, so that rules meet, cover and contradict each other often. Seeded.
"""

from __future__ import annotations

import json
from random import Random

import msgspec

from obverse.core.events import AnyEvent, Call, Fact, Message, Reply, Result, Step
from obverse.policy.checked import Checked
from obverse.solver.answers import Scenario

from .planted import workshop

START = 1_767_607_200_000
_EITHER = (
    "customer.verified", "customer.blocked", "once call verify", "once call verify within 1h", "once find_order",
    "last message has message.says_yes", "last message has message.is_a_threat", "once message",
)  # fmt: skip
_OF = {
    "refund": ("amount > 100", "amount > 50", "amount <= 60", "amount >= 100", "note is present", 'note = "ok"',
               "count(call refund) > 1", 'last find_order(id: id) has state = "open"'),
    "cancel": ('id = "a"', 'id starts with "a"', "once call cancel", "once find_order(id: id)",
               'last find_order(id: id) has state = "open"', "last find_order(id: id) has total > 50"),
    "reply": ("reply.apologises", "reply.names_a_price", "length(text) > 5", 'text contains "x"'),
}  # fmt: skip
_KINDS = ("forbid", "forbid", "forbid", "stop", "ask", "warn", "require", "permit", "limit")
JUDGED = ("message.says_yes", "message.is_a_threat", "reply.apologises", "reply.names_a_price")


def random_policy(random: Random) -> Checked:
    """Three to six rules about one act, sometimes one about any call, and a definition that they share."""
    act = random.choice(list(_OF))
    term = f"let usual = {_condition(random, act, 2)}" if act == "reply" else ""
    clauses = []
    for number in range(random.randint(3, 6)):
        attributes = random.choice(["", "", " level=clerk", " inviolable"])
        clauses.append(f"c{number}{attributes}: {_rule(random, act, uses_term=bool(term))}")
    return workshop(*clauses, terms=term)


def random_clauses(random: Random, number: int) -> list[str]:
    """So many clauses about one act, for the workshop."""
    act = random.choice(list(_OF))
    attributes = [random.choice(["", "", " level=clerk", " inviolable"]) for _ in range(number)]
    return [f"c{place}{said}: {_rule(random, act, uses_term=False)}" for place, said in enumerate(attributes)]


def _rule(random: Random, act: str, *, uses_term: bool) -> str:
    kind = random.choice(_KINDS)
    when = "usual" if uses_term and random.random() < 0.2 else _condition(random, act, random.randint(1, 2))
    unless = f" unless {_condition(random, act, 1)}" if random.random() < 0.3 else ""
    match kind:
        case "limit":
            return f"limit {act} to {random.randint(1, 2)} per {random.choice(['1h', '2h'])}"
        case "require":
            rest = f" when {_condition(random, act, 1)}" if random.random() < 0.7 else ""
            return f"require {when} for {act}{rest} trusting judge"
        case "permit" | "warn":
            return f"{kind} {act} when {when}"
        case "ask" if random.random() < 0.3:
            return f"ask {act} when {when} by 2 people trusting judge"
        case _:
            return f"{kind} {act} when {when}{unless} trusting judge"


def _condition(random: Random, act: str, size: int) -> str:
    atoms = [random.choice((*_OF[act], *_OF[act], *_EITHER)) for _ in range(size)]
    parts = [f"not ({atom})" if random.random() < 0.3 else f"({atom})" for atom in atoms]
    return random.choice([" and ", " or "]).join(parts)


def random_scenario(random: Random, act: str) -> Scenario:
    """A history of up to five things, with gaps, and a step of this act."""
    pick = random.choice
    history: list[AnyEvent] = []
    time = START
    for number in range(random.randint(0, 5)):
        time += pick([0, 60_000, 3_600_000, 3_700_000])
        history += _thing(random, f"e{number}", time)
    time += pick([0, 60_000, 3_600_000])
    event: Call | Reply
    if act == "reply":
        labels = {
            name: pick([True, False]) for name in ("reply.apologises", "reply.names_a_price") if random.random() < 0.9
        }
        event = Reply(
            id="step", time=time, turn=99, text=pick(["x", "a longer text", "another x text", ""]), labels=labels
        )
    else:
        event = Call(id="step", time=time, turn=99, call_id="cs", tool=act, arguments=_arguments(random, act))
    return Scenario(history=tuple(history), step=Step(event=event, turn=(event,)))


def _arguments(random: Random, tool: str) -> str:
    found: dict[str, object] = {"id": random.choice(["a", "ab", "b"])}
    if tool == "refund":
        found["amount"] = random.choice([10, 50, 55, 60, 100, 101, 500])
        if random.random() < 0.5:
            found["note"] = random.choice(["ok", "none"])
    if random.random() < 0.05:
        found.pop(random.choice(list(found)))
    return json.dumps(found)


def _thing(random: Random, name: str, time: int) -> list[AnyEvent]:
    pick = random.choice
    kind = pick(["message", "message", "verify", "find", "find", "fact", "fact", "own"])
    if kind == "message":
        labels = {one: pick([True, False]) for one in JUDGED[:2] if random.random() < 0.9}
        return [Message(id=name, time=time, text="hello", labels=labels)]
    if kind == "fact":
        return [
            Fact(id=name, time=time, name=pick(["customer.verified", "customer.blocked"]), value=pick([True, False]))
        ]
    if kind == "verify":
        return [Call(id=name, time=time, call_id=name, tool="verify", arguments=_arguments(random, "verify"))]
    if kind == "own":
        tool = pick(["refund", "cancel"])
        return [Call(id=name, time=time, call_id=name, tool=tool, arguments=_arguments(random, tool))]
    call = Call(id=name, time=time, call_id=name, tool="find_order", arguments=_arguments(random, "find_order"))
    order = {"state": pick(["open", "shipped"]), "total": pick([10, 60]), "paid": 1, "items": []}
    result = Result(id=f"{name}r", time=time, call_id=name, tool="find_order", output=json.dumps(order))
    return [call, msgspec.structs.replace(result, failed=True) if random.random() < 0.1 else result]
