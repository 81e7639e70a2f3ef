"""Random conditions and random small scenarios over one policy: what the encoding is compared with the evaluator on.

Built as trees, not as text, so that every operator comes at every depth; seeded, so that a failure can be had again.
"""

from __future__ import annotations

import json
from random import Random

from obverse.core.events import AnyEvent, Call, Denied, Fact, Message, Reply, Result, Step
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.types import BoolType, EnumType, Field, ListType, NumberType, RecordType, TextType, TimeType
from obverse.solver.answers import Act, Scenario

START = 1_767_607_200_000
TEXTS = ("a", "ab", "b@x.org", "c@y.x.org")
CABINS = ("basic", "economy")
ORDER = RecordType(
    fields=(
        Field(name="cabin", type=EnumType(values=CABINS)),
        Field(name="owner", type=TextType()),
        Field(name="price", type=NumberType()),
        Field(name="booked", type=TimeType()),
        Field(name="items", type=ListType(item=TextType())),
    )
)
TOOLS = (
    ast.Tool(name="get", parameters=(Field(name="id", type=TextType()),), returns=ORDER, effects=("read",)),
    ast.Tool(
        name="pay",
        parameters=(
            Field(name="to", type=TextType()),
            Field(name="amount", type=NumberType()),
            Field(name="memo", type=TextType(), optional=True),
        ),
        effects=("money",),
    ),
    ast.Tool(name="note", parameters=(Field(name="lines", type=ListType(item=TextType())),), returns=TextType()),
)
FACTS = (
    ast.FactTerm(name="verified", type=BoolType()),
    ast.FactTerm(name="tier", type=EnumType(values=("low", "high"))),
)
JUDGED = (
    ast.JudgedTerm(subject="message", name="yes", definition="the user agrees"),
    ast.JudgedTerm(subject="reply", name="rude", definition="the reply is rude"),
)
POLICY = ast.Policy(name="random", version="1", terms=(*TOOLS, *FACTS, *JUDGED))
CHECKED = Checked(
    name="random",
    version="1",
    digest="sha256:random",
    source=POLICY,
    default=ast.Defaults(),
    levels=POLICY.levels,
    timezone_minutes=0,
    tools={tool.name: tool for tool in TOOLS},
    facts={fact.name: fact for fact in FACTS},
    judged={judged.full_name: judged for judged in JUDGED},
    clauses=(),
    rules=(),
)
PAY, ANSWER = Act(kind="call", tool="pay"), Act(kind="reply")


class Conditions:
    """Random conditions about a call of `pay`, or about a reply."""

    def __init__(self, random: Random, act: Act) -> None:
        self.random = random
        self.act = act

    def condition(self, depth: int, scope: tuple[ast.Pattern, ...] = (), locals_: tuple[str, ...] = ()) -> ast.Expr:
        """A condition of at most this depth, inside these patterns."""
        pick = self.random.choice
        leaves = [self._texts, self._numbers, self._fact, self._turn]
        if scope:
            leaves += [self._of_event] * 3
        if locals_:
            leaves += [lambda s: ast.Compare(op="=", left=ast.Local(name=locals_[0]), right=self.text(s))] * 2
        if depth <= 0:
            return pick(leaves)(scope)
        kinds = [
            "leaf",
            "not",
            "and",
            "or",
            "once",
            "last",
            "previous",
            "since",
            "count",
            "sum",
            "any",
            "within",
            "limit",
        ]
        kind = pick(kinds)
        if kind in ("once", "last", "previous", "since", "count", "sum") and len(scope) >= 2:
            kind = "leaf"
        match kind:
            case "not":
                return ast.Not(body=self.condition(depth - 1, scope, locals_))
            case "and" | "or":
                items = tuple(self.condition(depth - 1, scope, locals_) for _ in range(2))
                return ast.And(items=items) if kind == "and" else ast.Or(items=items)
            case "any":
                over = self.listing(scope)
                body = self.condition(depth - 1, scope, ("x",))
                return ast.Quantified(kind=pick(["any", "all"]), variable="x", over=over, body=body)
            case "within":
                if not scope or scope[0].kind != "result" or scope[0].tool != "get":
                    return ast.Compare(op=pick(["<", ">="]), left=self.number(scope), right=self.number(scope))
                booked = ast.EventPart(depth=0, part="value", name="booked")
                return ast.Within(left=ast.Now(), span=ast.Duration(ms=pick([60_000, 3_600_000])), right=booked)
            case "limit":
                return self._limit() if not scope else self._numbers(scope)
            case "leaf":
                return pick(leaves)(scope)
        event = self.pattern(scope)
        inner = (event, *scope)
        window = pick([None, None, ast.Duration(ms=60_000)])
        match kind:
            case "once":
                where = pick([None, self.condition(depth - 1, inner)])
                return ast.Once(event=event, where=where, within=window)
            case "last":
                where = pick([None, None, self.condition(depth - 1, inner)])
                return ast.Last(event=event, where=where, has=self.condition(depth - 1, inner))
            case "previous":
                return ast.Previous(event=event, has=pick([None, self.condition(depth - 1, inner)]))
            case "since":
                if pick([True, False]):
                    return ast.Since(absent=self.pattern(scope), event=event)
                anything = (ast.Pattern(kind="any"), *scope)
                return ast.Since(body=self.condition(depth - 1, anything), event=event)
            case "count":
                count = ast.CountEvents(
                    event=event, where=pick([None, self.condition(depth - 1, inner)]), within=window
                )
                return ast.Compare(op=pick(["=", ">", "<="]), left=count, right=ast.Number(value=pick([0, 1, 2])))
        paid = ast.Pattern(kind="call", tool="pay")
        value = ast.EventPart(depth=0, part="argument", name="amount")
        total = ast.SumEvents(value=value, event=paid, within=window)
        return ast.Compare(op=pick([">", "<="]), left=total, right=ast.Number(value=pick([0, 3, 100])))

    def pattern(self, scope: tuple[ast.Pattern, ...]) -> ast.Pattern:
        """Which events are meant, sometimes bound to a text from outside."""
        pick = self.random.choice
        kind = pick(["message", "reply", "call", "result", "result", "denied", "proposed", "fact", "any"])
        bound = (ast.Binding(name="id", value=self.text(scope)),)
        match kind:
            case "result":
                failed = pick([False, False, True])
                return ast.Pattern(kind="result", tool="get", arguments=pick([(), bound]), failed=failed)
            case "call":
                return pick(
                    [
                        ast.Pattern(kind="call", tool="get", arguments=pick([(), bound])),
                        ast.Pattern(kind="call", tool="pay"),
                        ast.Pattern(kind="call", effect="money"),
                    ]
                )
            case "denied" | "proposed":
                return ast.Pattern(kind=kind, tool="pay")
            case "fact":
                return ast.Pattern(kind="fact", fact="verified")
            case _:
                return ast.Pattern(kind=kind)

    def text(self, scope: tuple[ast.Pattern, ...]) -> ast.Expr:
        """A text."""
        choices: list[ast.Expr] = [ast.Text(value=self.random.choice(TEXTS))]
        choices += [ast.Argument(name="to")] * 2 if self.act.kind == "call" else [ast.StepPart(part="text")]
        if scope:
            depth = self.random.randrange(len(scope))
            choices += [
                ast.EventPart(depth=depth, part="argument", name=self.random.choice(["id", "to"])),
                ast.EventPart(depth=depth, part="value", name=self.random.choice(["owner", "cabin"])),
            ]
        return self.random.choice(choices)

    def number(self, scope: tuple[ast.Pattern, ...]) -> ast.Expr:
        """A number."""
        choices: list[ast.Expr] = [ast.Number(value=self.random.choice([0, 1, 2, 100])), ast.Argument(name="amount")]
        choices += [ast.Length(body=self.text(scope)), ast.Length(body=self.listing(scope))]
        if scope:
            choices.append(ast.EventPart(depth=0, part="value", name="price"))
        found = self.random.choice(choices)
        if self.random.random() < 0.2:
            other = self.random.choice(choices)
            return ast.Arith(op=self.random.choice(["+", "-"]), left=found, right=other)
        return found

    def listing(self, scope: tuple[ast.Pattern, ...]) -> ast.Expr:
        """A list of texts."""
        listed = ast.Listing(items=tuple(ast.Text(value=text) for text in TEXTS[:2]))
        return self.random.choice([listed, ast.EventPart(depth=0, part="value", name="items")] if scope else [listed])

    def _texts(self, scope: tuple[ast.Pattern, ...]) -> ast.Expr:
        match self.random.randrange(4):
            case 0:
                return ast.Compare(op=self.random.choice(["=", "!="]), left=self.text(scope), right=self.text(scope))
            case 1:
                return ast.In(item=self.text(scope), over=self.listing(scope))
            case 2:
                return ast.Present(body=self.random.choice([ast.Argument(name="memo"), self.text(scope)]))
        op, pattern = self.random.choice(
            [
                ("starts with", "a"),
                ("contains", "x"),
                ("like", "*.org"),
                ("at domain", "x.org"),
                ("matches", "[a-c]+"),
            ]
        )
        return ast.TextTest(op=op, subject=self.text(scope), pattern=ast.Text(value=pattern))

    def _numbers(self, scope: tuple[ast.Pattern, ...]) -> ast.Expr:
        op = self.random.choice(["=", "<", ">=", "!="])
        return ast.Compare(op=op, left=self.number(scope), right=self.number(scope))

    def _fact(self, _: tuple[ast.Pattern, ...]) -> ast.Expr:
        tier = ast.Compare(op="=", left=ast.FactValue(name="tier"), right=ast.Text(value="high"))
        return self.random.choice([ast.FactValue(name="verified"), tier])

    def _turn(self, _: tuple[ast.Pattern, ...]) -> ast.Expr:
        many = ast.Compare(op=">", left=ast.TurnCalls(), right=ast.Number(value=1))
        rude = ast.JudgedAnswer(name="reply.rude", depth=None)
        return self.random.choice([many, ast.TurnHasText(), rude])

    def _of_event(self, scope: tuple[ast.Pattern, ...]) -> ast.Expr:
        depth = self.random.randrange(len(scope))
        match self.random.randrange(4):
            case 0:
                return ast.JudgedAnswer(name=self.random.choice(["message.yes", "reply.rude"]), depth=depth)
            case 1:
                cabin = ast.EventPart(depth=depth, part="value", name="cabin")
                return ast.Compare(op="=", left=cabin, right=ast.Text(value="basic"))
            case 2:
                tool = ast.EventPart(depth=depth, part="tool")
                return ast.Compare(op="=", left=tool, right=ast.Text(value="pay"))
        return ast.EventPart(depth=depth, part="failed")

    def _limit(self) -> ast.Expr:
        pick = self.random.choice
        return ast.Exceeds(
            heads=(ast.Head(kind="tool", tool="pay"),),
            to=ast.Number(value=pick([1, 2])),
            per=pick([None, ast.Duration(ms=60_000)]),
            by=pick([None, ast.Argument(name="to")]),
            amount=pick([None, ast.Argument(name="amount")]),
        )


class Scenarios:
    """Random scenarios that lie within the bound of three rounds: at most three things happened."""

    def __init__(self, random: Random, act: Act) -> None:
        self.random = random
        self.act = act

    def scenario(self) -> Scenario:
        """A history of up to three things, and a step."""
        history: list[AnyEvent] = []
        time = START
        for number in range(self.random.randrange(4)):
            time += self.random.choice([0, 30_000, 60_000, 61_000])
            history += self._thing(number, time)
        events = tuple(self._with_id(event, f"e{number}") for number, event in enumerate(history))
        return Scenario(history=events, step=self._step(time + self.random.choice([0, 30_000, 60_000, 61_000])))

    def _thing(self, number: int, time: int) -> list[AnyEvent]:
        pick = self.random.choice
        match pick(["message", "reply", "get", "pay", "denied", "fact"]):
            case "message":
                return [
                    Message(id="", time=time, text="hello", labels=pick([{}, {"message.yes": pick([True, False])}]))
                ]
            case "reply":
                return [Reply(id="", time=time, text="hello", labels={"reply.rude": pick([True, False])})]
            case "get":
                call = Call(
                    id="", time=time, call_id=f"c{number}", tool="get", arguments=json.dumps({"id": pick(TEXTS)})
                )
                return [call, self._result(call)] if pick([True, True, False]) else [call]
            case "pay":
                return [Call(id="", time=time, call_id=f"c{number}", tool="pay", arguments=self._arguments())]
            case "denied":
                return [Denied(id="", time=time, call_id=f"c{number}", tool="pay", arguments=self._arguments())]
        name, value = pick([("verified", True), ("verified", False), ("tier", "high"), ("tier", "low")])
        return [Fact(id="", time=time, name=name, value=value)]

    def _result(self, call: Call) -> Result:
        pick = self.random.choice
        order = {
            "cabin": pick(CABINS),
            "owner": pick(TEXTS),
            "price": pick([0, 1, 2.5, 100]),
            "booked": pick(["2026-01-05T09:59:30Z", "2026-01-05T08:00:00Z"]),
            "items": list(self.random.sample(TEXTS, self.random.randrange(3))),
        }
        failed = pick([False, False, False, True])
        output = "error" if failed else json.dumps(order)
        return Result(id="", time=call.time, call_id=call.call_id, tool="get", output=output, failed=failed)

    def _arguments(self) -> str:
        pick = self.random.choice
        found: dict[str, object] = {"to": pick(TEXTS), "amount": pick([0, 1, 2, 2.5, 100])}
        if pick([True, False]):
            found["memo"] = pick(TEXTS)
        return json.dumps(found)

    def _step(self, time: int) -> Step:
        pick = self.random.choice
        event: Call | Reply
        if self.act.kind == "reply":
            event = Reply(id="step", time=time, turn=9, text=pick(TEXTS), labels={"reply.rude": pick([True, False])})
        else:
            event = Call(id="step", time=time, turn=9, call_id="c9", tool="pay", arguments=self._arguments())
        beside = [Call(id="also", time=time, turn=9, call_id="c8", tool="get", arguments='{"id": "a"}')] * pick(
            [0, 0, 1]
        )
        return Step(event=event, turn=(event, *beside))

    def _with_id(self, event: AnyEvent, id: str) -> AnyEvent:
        import msgspec

        return msgspec.structs.replace(event, id=id)
