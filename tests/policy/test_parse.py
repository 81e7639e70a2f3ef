"""From text to `Policy`: documents, front matter, statements; and the errors, each with its code, place and hint."""

from __future__ import annotations

import time

import pytest

from obverse.core.errors import ManyErrors, Span, UntrustedInputError
from obverse.policy import ast
from obverse.policy.parse import parse
from obverse.policy.types import EnumType, ListType, MapType, NumberType, RecordType, TextType

FRONT = "---\npolicy: p\n---\n"
TERMS = "```terms\ntool pay(to: text, amount: number) effect money\ntool look(id: text) -> (n: number)\n```\n"


def rules_of(*lines: str) -> tuple[ast.Rule, ...]:
    return parse(f"{FRONT}{TERMS}# A {{#a}}\n```rule\n" + "\n".join(lines) + "\n```\n").clauses[0].rules


def condition(text: str) -> ast.Expr:
    found = rules_of(f"forbid pay when {text}")[0].when
    assert found is not None
    return found


def errors_of(text: str | bytes) -> list[UntrustedInputError]:
    with pytest.raises(ManyErrors) as caught:
        parse(text)
    return list(caught.value.errors)


def name(*path: str) -> ast.Name:
    return ast.Name(path=path)


# --- documents ----------------------------------------------------------------------------------------------------------


def test_a_document_becomes_clauses_with_prose_levels_and_flags() -> None:
    policy = parse(
        "---\npolicy: air\nversion: 3\nlevels: [platform, developer]\ntimezone: '-05:00'\n"
        "default: {replies: deny, turn: allowed-part}\n---\n"
        "# Air\n\nHello.\n\n## Paid  {#paid.first level=platform severity=critical inviolable}\n\nPay  first.\n\n\n"
        "### Why\nSo.\n\n## Free {#free}\n\n# Appendix\n\nBye.\n"
    )
    paid, free = policy.clauses
    assert (policy.name, policy.version, policy.timezone) == ("air", "3", "-05:00")
    assert policy.default == ast.Defaults(replies="deny", turn="allowed-part")
    assert (paid.id, paid.title, paid.level, paid.severity, paid.inviolable) == (
        "paid.first", "Paid", "platform", "critical", True,
    )  # fmt: skip
    assert paid.prose == "Pay  first.\n\n### Why\nSo."
    assert (free.level, free.severity, free.inviolable, free.prose, free.rules) == (
        "developer",
        "medium",
        False,
        "",
        (),
    )
    assert policy.prose == "# Air\n\nHello.\n\n# Appendix\n\nBye."


def test_a_clause_without_a_level_has_the_first_one_where_developer_is_none() -> None:
    assert parse("---\npolicy: p\nlevels: [law, house]\n---\n# A {#a}\n").clauses[0].level == "law"


def test_places_are_places_of_the_document() -> None:
    rule = parse(
        f"{FRONT}\n# A {{#a}}\n\n```rule\n# why\n\n  forbid reply\n     when text = 'x'\n```".replace("'", '"')
    )
    assert rule.clauses[0].at == Span(line=5, column=1, end_line=5, end_column=9)
    found = rule.clauses[0].rules[0]
    assert found.at == Span(line=10, column=3, end_line=11, end_column=21)
    assert found.when is not None
    assert found.when.at == Span(line=11, column=11, end_line=11, end_column=21)


def test_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    text = f"{FRONT}{TERMS}# A {{#a}}\n```rule\nforbid pay\n```\n"
    assert parse(text.replace("\n", "\r\n")) == parse(text)
    assert parse(b"\xef\xbb\xbf" + text.encode()) == parse(text)


def test_rules_in_comments_and_in_other_fences_are_prose() -> None:
    policy = parse(
        f"{FRONT}# A {{#a}}\n<!--\n```rule\nforbid x\n```\n-->\n````markdown\n```rule\nforbid y\n```\n````\n"
    )
    assert policy.clauses[0].rules == ()


def test_tools_come_from_the_file_that_is_named() -> None:
    text = f'{FRONT}```terms\nterms from "t.json"\n```\n'
    policy = parse(text, files={"t.json": b'[{"name": "pay", "parameters": {"type": "object"}}]'}.__getitem__)
    assert [tool.name for tool in policy.imported] == ["pay"]
    assert isinstance(policy.terms[0], ast.ImportTerm)
    assert policy.terms[0].digest is not None


DOCUMENT_ERRORS = {
    "not UTF-8": (b"---\npolicy: \xff\n---\n", "P100", 2),
    "UTF-16": ("policy".encode("utf-16"), "P100", 1),
    "a null character": (f"{FRONT}\0", "P100", 4),
    "too large": (b"x" * 1_000_001, "P101", None),
    "no front matter": ("# A {#a}\n", "P102", 1),
    "front matter that is no YAML": ("---\npolicy: [\n---\n", "P102", 3),
    "front matter that is a list": ("---\n- policy\n---\n", "P102", 2),
    "a key twice": ("---\npolicy: a\npolicy: b\n---\n", "P102", 3),
    "front matter too deep": ("---\npolicy: a\nlevels: [[a]]\n---\n", "P102", 3),
    "an unknown key": ("---\npolicy: a\nlevel: [a]\n---\n", "P103", 3),
    "an unknown default": ("---\npolicy: a\ndefault: {reply: allow}\n---\n", "P103", 3),
    "no such default": ("---\npolicy: a\ndefault: {replies: maybe}\n---\n", "P104", 3),
    "no name": ("---\nversion: 1\n---\n", "P104", 1),
    "a wrong time zone": ("---\npolicy: a\ntimezone: Europe/Berlin\n---\n", "P104", 3),
    "levels twice": ("---\npolicy: a\nlevels: [a, a]\n---\n", "P104", 3),
    "an unknown attribute": (f"{FRONT}# A {{#a sevrity=low}}\n", "P105", 4),
    "an unknown severity": (f"{FRONT}# A {{#a severity=hihg}}\n", "P105", 4),
    "an unknown level": (f"{FRONT}# A {{#a level=devloper}}\n", "P105", 4),
    "no id": (f"{FRONT}# A {{level=user}}\n", "P105", 4),
    "an id that is none": (f"{FRONT}# A {{#1}}\n", "P105", 4),
    "an id twice": (f"{FRONT}# A {{#a}}\n# B {{#a}}\n", "P106", 5),
    "a rule outside": (f"{FRONT}```rule\nforbid reply\n```\n", "P107", 4),
    "a misspelled block": (f"{FRONT}# A {{#a}}\n```rul\nforbid reply\n```\n", "P108", 5),
    "a block in a list": (f"{FRONT}# A {{#a}}\n- x\n\n  ```rule\n  forbid reply\n  ```\n", "P108", 7),
    "a block that never ends": (f"{FRONT}# A {{#a}}\n```rule\nforbid reply\n", "P109", 5),
    "a file that cannot be read": (f'{FRONT}```terms\nterms from "t.json"\n```\n', "P119", 5),
}


@pytest.mark.parametrize("case", DOCUMENT_ERRORS)
def test_a_faulty_document_is_refused_with_its_place(case: str) -> None:
    text, code, line = DOCUMENT_ERRORS[case]
    first = errors_of(text)[0]
    assert (first.code, first.at.line if first.at else None) == (code, line)
    assert first.source == "policy.md"


# --- statements ---------------------------------------------------------------------------------------------------------


def test_a_statement_goes_on_over_lines_and_ends_where_the_next_begins() -> None:
    rules = rules_of("forbid pay", 'when to = "a"  # here', "# between", "   unless amount = 1", "", "warn pay")
    assert [rule.kind for rule in rules] == ["forbid", "warn"]
    assert rules[0].unless is not None


def test_every_kind_of_rule_has_its_parts() -> None:
    forbid, ask, require, limit, permit, warn, stop = rules_of(
        'forbid pay(to: t), look when t = "a" unless amount > 5 says "No." trusting judge',
        "ask any call with effect money by 2 people when amount > 1",
        "require amount < 5 for pay when true",
        "limit sum(amount) of pay to 12.50 per 1h30m by to",
        "permit reply unless false",
        "warn any call",
        "stop reply",
    )
    assert forbid.heads == (
        ast.Head(kind="tool", tool="pay", binders=(("to", "t"),)),
        ast.Head(kind="tool", tool="look"),
    )
    assert (forbid.says, forbid.trusting_judge, forbid.unless is not None) == ("No.", True, True)
    assert (ask.people, ask.heads) == (2, (ast.Head(kind="any", effect="money"),))
    assert require.requirement == ast.Compare(op="<", left=name("amount"), right=ast.Number(value=5))
    assert limit.to is not None
    assert (str(limit.to.value), limit.per, limit.by, limit.amount) == (
        "12.50", ast.Duration(ms=5_400_000), name("to"), name("amount"),
    )  # fmt: skip
    assert permit.unless == ast.Boolean(value=False)
    assert (warn.heads, stop.heads) == ((ast.Head(kind="any"),), (ast.Head(kind="reply"),))


MESSAGE, PAY = ast.Pattern(kind="message"), ast.Pattern(kind="result", tool="pay")
A, B, C, X = name("a"), name("b"), name("c"), name("x")
CONDITIONS: dict[str, ast.Expr] = {
    "a or b and not c": ast.Or(items=(A, ast.And(items=(B, ast.Not(body=C))))),
    "(a or b) and c": ast.And(items=(ast.Or(items=(A, B)), C)),
    "a and (b and c)": ast.And(items=(A, B, C)),
    "1 + 2 * a - 3 < 5": ast.Compare(
        op="<",
        left=ast.Arith(
            op="-",
            left=ast.Arith(
                op="+",
                left=ast.Number(value=1),
                right=ast.Arith(op="*", left=ast.Number(value=2), right=A),
            ),
            right=ast.Number(value=3),
        ),
        right=ast.Number(value=5),
    ),
    "a = -5": ast.Compare(op="=", left=A, right=ast.Number(value=-5)),
    "insured": name("insured"),
    "a.b.c": name("a", "b", "c"),
    "`and` = `get-user`.x": ast.Compare(op="=", left=name("and"), right=name("get-user", "x")),
    "a not in b": ast.Not(body=ast.In(item=A, over=B)),
    'a in ["x", 1]': ast.In(item=A, over=ast.Listing(items=(ast.Text(value="x"), ast.Number(value=1)))),
    'a starts with "\\u00e9\\n"': ast.TextTest(op="starts with", subject=A, pattern=ast.Text(value="é\n")),
    'a at domain "x.org"': ast.TextTest(op="at domain", subject=A, pattern=ast.Text(value="x.org")),
    "a within 24h of now": ast.Within(left=A, span=ast.Duration(ms=86_400_000), right=ast.Now()),
    "a is present": ast.Present(body=A),
    "turn has text or turn.calls > 1": ast.Or(
        items=(ast.TurnHasText(), ast.Compare(op=">", left=ast.TurnCalls(), right=ast.Number(value=1)))
    ),
    "any x in a: b and c or x": ast.Quantified(
        kind="any", variable="x", over=A, body=ast.Or(items=(ast.And(items=(B, C)), X))
    ),
    "a and all x in b: c": ast.And(items=(A, ast.Quantified(kind="all", variable="x", over=B, body=C))),
    "count(x in a: b) = sum(x in a: x)": ast.Compare(
        op="=",
        left=ast.CountIn(variable="x", over=A, body=B),
        right=ast.SumIn(variable="x", over=A, body=X),
    ),
    "length(a) = count(call pay where b within 1h)": ast.Compare(
        op="=",
        left=ast.Length(body=A),
        right=ast.CountEvents(event=ast.Pattern(kind="call", tool="pay"), where=B, within=ast.Duration(ms=3_600_000)),
    ),
    "sum(a of call pay) > 1": ast.Compare(
        op=">", left=ast.SumEvents(value=A, event=ast.Pattern(kind="call", tool="pay")), right=ast.Number(value=1)
    ),
    "once pay within 5m": ast.Once(event=PAY, within=ast.Duration(ms=300_000)),
    "once message where a within 5m of b within 1h": ast.Once(
        event=MESSAGE,
        where=ast.Within(left=A, span=ast.Duration(ms=300_000), right=B),
        within=ast.Duration(ms=3_600_000),
    ),
    "last pay(to: a, amount: 1 + 1) failed has b and c": ast.And(
        items=(
            ast.Last(
                event=ast.Pattern(
                    kind="result",
                    tool="pay",
                    failed=True,
                    arguments=(
                        ast.Binding(name="to", value=A),
                        ast.Binding(
                            name="amount",
                            value=ast.Arith(op="+", left=ast.Number(value=1), right=ast.Number(value=1)),
                        ),
                    ),
                ),
                has=B,
            ),
            C,
        )
    ),
    "previous any event": ast.Previous(event=ast.Pattern(kind="any")),
    "previous fact user.tier has a": ast.Previous(event=ast.Pattern(kind="fact", fact="user.tier"), has=A),
    "a = b since message where c": ast.Since(body=ast.Compare(op="=", left=A, right=B), event=MESSAGE, where=C),
    "not a since message": ast.Not(body=ast.Since(body=A, event=MESSAGE)),
    "no denied pay since approval": ast.Since(
        absent=ast.Pattern(kind="denied", tool="pay"), event=ast.Pattern(kind="approval")
    ),
    "once any result with effect money failed": ast.Once(event=ast.Pattern(kind="result", effect="money", failed=True)),
    "large(a, 1h)": ast.Use(name="large", arguments=(A, ast.Duration(ms=3_600_000))),
    'time "2024-05-15T15:00:00Z" < now': ast.Compare(op="<", left=ast.Time(ms=1_715_785_200_000), right=ast.Now()),
    "(a).b": ast.Member(base=A, name="b"),
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition_is_read_as_it_is_meant(text: str) -> None:
    assert condition(text) == CONDITIONS[text]


def test_a_time_without_an_offset_is_in_the_time_zone_of_the_policy() -> None:
    text = f"---\npolicy: p\ntimezone: '+02:00'\n---\n{TERMS}# A {{#a}}\n```rule\nforbid pay when now < time \"2024-05-15\"\n```"
    when = parse(text).clauses[0].rules[0].when
    assert isinstance(when, ast.Compare)
    assert when.right == ast.Time(ms=1_715_724_000_000)


def test_terms_are_read_with_their_types() -> None:
    policy = parse(
        FRONT + "```terms\n"
        'tool t(a: one of "x", "y", b: list of (c: integer from text optional), d: map of number) -> text folded\n'
        '  "What it does." effect read, write asks "One {b}.", "Two."\n'
        "fact a.b: number from host\n"
        "fact c: number from text from host\n"
        'judged reply.rude "It is rude." yes "You fool." no "Dear Sir," yes "Go away."\n'
        "let f(x, y) = x = y\n"
        "effect t, u.v: money\n"
        "result u: (a: bool)\n"
        'asks u: "Do it."\n```\n'
    )
    tool, fact, other, judged, let, effect, result, asks = policy.terms
    assert isinstance(tool, ast.Tool)
    assert [field.type for field in tool.parameters] == [
        EnumType(values=("x", "y")),
        ListType(item=RecordType(fields=(tool.parameters[1].type.item.fields[0],))),  # type: ignore[union-attr]  # a list of records
        MapType(item=NumberType()),
    ]
    assert tool.returns == TextType(folded=True)
    assert (tool.description, tool.effects, tool.asks) == ("What it does.", ("read", "write"), ("One {b}.", "Two."))
    assert fact == ast.FactTerm(name="a.b", type=NumberType(), origin="host")
    assert other == ast.FactTerm(name="c", type=NumberType(from_text=True), origin="host")
    assert judged == ast.JudgedTerm(
        subject="reply", name="rude", definition="It is rude.", yes=("You fool.", "Go away."), no=("Dear Sir,",)
    )
    assert let == ast.LetTerm(
        name="f", parameters=("x", "y"), body=ast.Compare(op="=", left=name("x"), right=name("y"))
    )
    assert effect == ast.EffectTerm(tools=("t", "u.v"), effect="money")
    assert isinstance(result, ast.ResultTerm)
    assert asks == ast.AsksTerm(tool="u", phrases=("Do it.",))


STATEMENT_ERRORS = {
    "forbd pay": ("P110", 11, 1, "did you mean `forbid`?"),
    "tool x()": ("P110", 11, 1, "put it in `terms`"),
    "forbid pay when a == 1": ("P110", 11, 19, "write `=`"),
    "forbid pay when a && b": ("P110", 11, 19, "write `and`"),
    "forbid pay when 'a' = b": ("P110", 11, 17, 'write `"`'),
    "forbid pay when (a": ("P111", 11, 19, None),
    "forbid pay when in = 1": ("P110", 11, 17, "if `in` is a name here, write it in backticks"),
    "forbid pay whn a": ("P110", 11, 12, "did you mean `when`?"),
    "forbid pay when a within 5h": ("P110", 11, 19, "write `TIME within DURATION of TIME`"),
    'forbid pay when a = "x': ("P110", 11, 21, "a text ends on its line, with another quotation mark"),
    'forbid pay when a = "\\x"': ("P112", 11, 21, None),
    f"forbid pay when a = {'9' * 400}": ("P113", 11, 21, None),
    "ask pay by 0 people": ("P113", 11, 12, None),
    'forbid pay when now < time "x"': ("P114", 11, 28, 'write it as `time "2026-05-15T15:00:00Z"`'),
    f"limit pay to 1 per {'9' * 20}d": ("P114", 11, 20, None),
    'forbid pay when a says "x" when b': ("P116", 11, 28, "join the conditions by `and`"),
    "limit pay to 5 when a": ("P116", 11, 16, "write `forbid … when count(call … where …) >= N`"),
    "permit pay trusting judge": ("P116", 11, 12, "`permit` takes `when`, `unless`"),
    "forbid pay(to: a.b)": ("P117", 11, 16, None),
    "forbid pay(to: a, to: b)": ("P118", 11, 8, None),
    "forbid pay when " + "a " * 15_000: ("P115", 11, 1, "split it, or use `let`"),
    "forbid pay when " + "not " * 60 + "a": ("P115", 11, 1, "give its parts names with `let`"),
}  # fmt: skip


@pytest.mark.parametrize("text", STATEMENT_ERRORS, ids=lambda text: text[:40])
def test_a_faulty_statement_is_refused_with_place_and_hint(text: str) -> None:
    code, line, column, hint = STATEMENT_ERRORS[text]
    (error,) = errors_of(f"{FRONT}{TERMS}# A {{#a}}\n\n```rule\n{text}\n```\n")
    assert error.at is not None
    assert (error.code, error.at.line, error.at.column) == (code, line, column)
    assert hint is None or error.hint == hint


def test_one_fault_does_not_hide_the_others() -> None:
    faults = errors_of(
        f"---\npolicy: p\nversin: 1\n---\n{TERMS}# A {{#a level=x}}\n```rule\nforbid pay whn a\nfrbid pay\nwarn pay\n"
        "forbid pay when (\n```\n# B {#a}\n"
    )
    assert [error.code for error in faults] == ["P103", "P105", "P110", "P110", "P111", "P106"]
    assert [error.at.line for error in faults if error.at] == [3, 9, 11, 12, 14, 16]


def test_a_file_full_of_faults_is_given_up() -> None:
    faults = errors_of(f"{FRONT}# A {{#a}}\n```rule\n" + "forbid\n" * 5_000 + "```\n")
    assert len(faults) == 200


@pytest.mark.parametrize(
    "line", ["# A" + " " * 300_000 + "x", "# " + "{" * 300_000, "> " * 100_000, "`" * 300_000, "[a" * 100_000]
)
def test_a_document_that_is_made_to_be_slow_is_not(line: str) -> None:
    start = time.perf_counter()
    assert parse(FRONT + line).clauses == ()
    assert time.perf_counter() - start < 5
