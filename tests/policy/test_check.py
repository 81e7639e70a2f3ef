"""From `Policy` to `Checked`: what names mean, which types agree, what is refused; each error with its hint."""

from __future__ import annotations

import pytest

from obverse.core.errors import ManyErrors, UntrustedInputError
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.checked import REFUSES, Checked
from obverse.policy.parse import parse
from obverse.policy.print import text_of

TERMS = """
tool pay(to: text, amount: number, kind: one of "gift", "debt", memo: text optional) effect money
tool refund(to: text, amount: number) effect money
tool look(id: text) -> (cabin: text, id: text, booked: time, flights: list of (no: text, legs: list of (km: number))) effect read
tool size(of: map of number, tags: list of text, j: json, on: bool, at: time, d: duration)
tool raw(id: text) -> list of text effect read
fact user.tier: one of "gold", "silver"
fact user.profile: (name: text, age: integer)
judged message.agrees "The user agrees."
judged message.angry "The user is angry."
judged reply.rude "It is rude."
judged thought.plans "It plans."
let large(a) = a > 100
let agreed = message.agrees
let both(a, b) = large(a) and large(b)
let known(x) = any one in ["a", "b"]: one = x
let after(x) = last look has id = x
"""


def checked(*rules: str, terms: str = TERMS) -> Checked:
    text = "\n".join(rules)
    return check(parse(f"---\npolicy: p\n---\n```terms\n{terms}\n```\n# A {{#a}}\n```rule\n{text}\n```\n"))


def fires(rule: str) -> ast.Expr:
    return checked(rule).rules[0].fires


def errors_of(*rules: str, terms: str = TERMS) -> list[UntrustedInputError]:
    with pytest.raises(ManyErrors) as caught:
        checked(*rules, terms=terms)
    return list(caught.value.errors)


# --- names --------------------------------------------------------------------------------------------------------------

ARG, PART = ast.Argument, ast.EventPart


def eq(left: ast.Expr, right: ast.Expr) -> ast.Compare:
    return ast.Compare(op="=", left=left, right=right)


LOOK = ast.Pattern(kind="result", tool="look")
RESOLVED: dict[str, ast.Expr] = {
    "forbid pay when to = memo": eq(ARG(name="to"), ARG(name="memo")),
    "forbid pay(to: who) when who = to": eq(ARG(name="to"), ARG(name="to")),
    "forbid pay, refund when amount = args.amount": eq(ARG(name="amount"), ARG(name="amount")),
    "forbid any call with effect money when to = tool": eq(ARG(name="to"), ast.StepPart(part="tool")),
    "forbid reply when text = reply.text": eq(ast.StepPart(part="text"), ast.StepPart(part="text")),
    'forbid reply when user.profile.name = "x"': eq(
        ast.Member(base=ast.FactValue(name="user.profile"), name="name"), ast.Text(value="x")
    ),
    "forbid look when last look has id = args.id": ast.Last(
        event=LOOK, has=eq(PART(depth=0, part="value", name="id"), PART(depth=0, part="argument", name="id"))
    ),
    "forbid pay when last look(id: to) has cabin = to": ast.Last(
        event=ast.Pattern(kind="result", tool="look", arguments=(ast.Binding(name="id", value=ARG(name="to")),)),
        has=eq(PART(depth=0, part="value", name="cabin"), ARG(name="to")),
    ),
    "forbid pay when last look has once call pay where to = cabin": ast.Last(
        event=LOOK,
        has=ast.Once(
            event=ast.Pattern(kind="call", tool="pay"),
            where=eq(PART(depth=0, part="argument", name="to"), PART(depth=1, part="value", name="cabin")),
        ),
    ),
    "forbid pay when once call pay where to = args.to": ast.Once(
        event=ast.Pattern(kind="call", tool="pay"),
        where=eq(PART(depth=0, part="argument", name="to"), PART(depth=0, part="argument", name="to")),
    ),
    "forbid pay(to: t) when once denied pay where to = t": ast.Once(
        event=ast.Pattern(kind="denied", tool="pay"),
        where=eq(PART(depth=0, part="argument", name="to"), ARG(name="to")),
    ),
    "forbid pay when last raw has memo in value": ast.Last(
        event=ast.Pattern(kind="result", tool="raw"),
        has=ast.In(item=ARG(name="memo"), over=PART(depth=0, part="value")),
    ),
    "forbid pay when once fact user.tier where value = user.tier": ast.Once(
        event=ast.Pattern(kind="fact", fact="user.tier"),
        where=eq(PART(depth=0, part="value"), ast.FactValue(name="user.tier")),
    ),
    "forbid pay when last message has (message.agrees and message.text = to)": ast.Last(
        event=ast.Pattern(kind="message"),
        has=ast.And(
            items=(
                ast.JudgedAnswer(name="message.agrees", depth=0),
                eq(PART(depth=0, part="text"), ARG(name="to")),
            )
        ),
    ),
    "forbid pay when message.angry": ast.Last(
        event=ast.Pattern(kind="message"), has=ast.JudgedAnswer(name="message.angry", depth=0)
    ),
    "forbid pay when thought.plans": ast.Last(
        event=ast.Pattern(kind="thought"), has=ast.JudgedAnswer(name="thought.plans", depth=0)
    ),
    "forbid pay when reply.rude": ast.Last(
        event=ast.Pattern(kind="reply"), has=ast.JudgedAnswer(name="reply.rude", depth=0)
    ),
    "forbid reply when reply.rude": ast.JudgedAnswer(name="reply.rude", depth=None),
    "forbid reply when reply.refuses": ast.JudgedAnswer(name=REFUSES, depth=None),
    "forbid pay when last message has once reply where message.angry": ast.Last(
        event=ast.Pattern(kind="message"),
        has=ast.Once(event=ast.Pattern(kind="reply"), where=ast.JudgedAnswer(name="message.angry", depth=1)),
    ),
    "forbid pay when large(amount)": ast.Compare(op=">", left=ARG(name="amount"), right=ast.Number(value=100)),
    "forbid pay when both(amount, amount + 1) and to = memo": ast.And(
        items=(
            ast.Compare(op=">", left=ARG(name="amount"), right=ast.Number(value=100)),
            ast.Compare(
                op=">",
                left=ast.Arith(op="+", left=ARG(name="amount"), right=ast.Number(value=1)),
                right=ast.Number(value=100),
            ),
            eq(ARG(name="to"), ARG(name="memo")),
        )
    ),
    "forbid pay when last message has agreed": ast.Last(
        event=ast.Pattern(kind="message"), has=ast.JudgedAnswer(name="message.agrees", depth=0)
    ),
    "forbid pay when last look has after(cabin)": ast.Last(
        event=LOOK,
        has=ast.Last(
            event=LOOK, has=eq(PART(depth=0, part="value", name="id"), PART(depth=1, part="value", name="cabin"))
        ),
    ),
    "forbid pay when any one in [to]: known(one)": ast.Quantified(
        kind="any",
        variable="one",
        over=ast.Listing(items=(ARG(name="to"),)),
        body=ast.Quantified(
            kind="any",
            variable="one_2",
            over=ast.Listing(items=(ast.Text(value="a"), ast.Text(value="b"))),
            body=eq(ast.Local(name="one_2"), ast.Local(name="one")),
        ),
    ),
}


@pytest.mark.parametrize("rule", RESOLVED)
def test_a_name_means_what_is_nearest(rule: str) -> None:
    assert fires(rule) == RESOLVED[rule]


def test_a_body_binds_tighter_than_and() -> None:
    (error,) = errors_of("forbid pay when once approval where by = to and stamp < now")
    assert (error.code, error.message) == ("P202", "unknown name `stamp`")


# --- rules --------------------------------------------------------------------------------------------------------------

FIRES = {
    "forbid pay": "true",
    "forbid pay when amount > 1 and amount < 5 unless amount = 3": "amount > 1 and amount < 5 and not amount = 3",
    "forbid pay unless not amount = 3": "amount = 3",
    "require amount < 5 for pay when amount > 1": "amount > 1 and not amount < 5",
    "limit pay, refund to 2 per 24h by to": "count of pay, refund per 24h by to > 2",
    "limit sum(amount) of pay to 12.50": "sum of amount of pay > 12.5",
    "ask pay when flag(amount)": "amount > 1",
}


@pytest.mark.parametrize("rule", FIRES)
def test_a_rule_becomes_one_condition(rule: str) -> None:
    found = checked(rule, terms=TERMS + "let flag(a) = a > 1").rules[0]
    assert text_of(found.fires) == FIRES[rule]
    assert (found.id, found.clause) == ("a/1", "a")


def test_what_a_rule_excepts_is_kept_beside_what_it_fires_on() -> None:
    found = checked("forbid pay when amount > 1 unless amount = 3", "require amount < 5 for pay").rules
    assert [(text_of(rule.when) if rule.when else None, text_of(rule.exception or ast.Now())) for rule in found] == [
        ("amount > 1", "amount = 3"),
        (None, "amount < 5"),
    ]


def test_what_a_monitor_must_keep_is_told() -> None:
    policy = checked(
        "forbid pay when once look within 2h",
        "forbid pay unless once look(id: to)",
        "forbid pay when last look has id = to",
        "forbid pay when no call pay since message and count(call pay) > 3",
        "limit pay to 1 by to",
    )
    assert [(memory.rule, memory.keeps, memory.bounded) for memory in policy.memory] == [
        ("a/1", "the events of the last 2h: look", False),
        ("a/2", "one bit per value of id: look(id: to)", False),
        ("a/3", "one record: look", True),
        ("a/4", "one bit: message", True),
        ("a/4", "one number: call pay", True),
        ("a/5", "one number per value of to: pay", False),
    ]


def test_imported_tools_are_completed_by_terms() -> None:
    text = """---
policy: p
---
```terms
terms from "t.json"
effect pay, look: money
result look: (n: number)
asks pay: "Pay {to}."
```
# A {#a}
```rule
forbid any call with effect money when last look has n > 1
```
"""
    tools = b'[{"name": "pay", "parameters": {"properties": {"to": {"type": "string"}}}}, {"name": "look"}]'
    found = check(parse(text, files=lambda _: tools))
    assert found.tools["pay"].effects == ("money",)
    assert found.tools["pay"].asks == ("Pay {to}.",)
    assert found.tools["look"].returns is not None


# --- the digest ---------------------------------------------------------------------------------------------------------

BASE = "---\npolicy: p\n---\nHi.\n```terms\ntool pay(a: number)\n```\n# A {#a}\nSay.\n```rule\nforbid pay when a > 1.50\n```\n"
SAME_DIGEST = {
    "layout": ("when a > 1.50", "\n     when   a > (1.5)  # why"),
    "blank lines": ("Say.\n", "\n\nSay.  \n\n"),
    "front matter": ("policy: p", "version: 1\npolicy: 'p'"),
    "the word of the block": ("```rule", "```rules"),
}
OTHER_DIGEST = {
    "prose of a clause": ("Say.", "Says."),
    "prose outside": ("Hi.", "Ho."),
    "the title": ("# A", "# B"),
    "a level": ("{#a}", "{#a level=user}"),
    "a bound": ("1.50", "1.51"),
    "a type": ("a: number", "a: integer"),
    "how a predicate is read": ("```terms\n", '```terms\njudged reply.odd "It is odd." matches "x"\n'),
    "a default": ("policy: p", "policy: p\ndefault: {replies: deny}"),
}


def digest_of(change: tuple[str, str]) -> str:
    assert change[0] in BASE
    return check(parse(BASE.replace(*change))).digest


@pytest.mark.parametrize("name", SAME_DIGEST)
def test_the_digest_is_of_what_is_said_not_of_its_layout(name: str) -> None:
    assert digest_of(SAME_DIGEST[name]) == check(parse(BASE)).digest


@pytest.mark.parametrize("name", OTHER_DIGEST)
def test_the_digest_covers_everything_that_is_said(name: str) -> None:
    assert digest_of(OTHER_DIGEST[name]) != check(parse(BASE)).digest


# --- errors -------------------------------------------------------------------------------------------------------------

RULE_ERRORS = {
    "forbid pya": ("P200", "unknown tool `pya`", "did you mean `pay`?"),
    "forbid pay when once look2": ("P200", "unknown tool `look2`", "did you mean `look`?"),
    "forbid pay(too: t)": ("P201", "the tool `pay` has no argument `too`", "did you mean `to`?"),
    "forbid pay when once look(idd: to)": ("P201", "the tool `look` has no argument `idd`", "did you mean `id`?"),
    "forbid pay when amuont > 1": ("P202", "unknown name `amuont`", "did you mean `amount`?"),
    "forbid pay when last look has cabn = to": ("P202", "unknown name `cabn`", "did you mean `cabin`?"),
    "forbid pay when message.agree": ("P202", "unknown name `message.agree`", "did you mean `message.agrees`?"),
    "forbid pay when message.text = to": (
        "P202", "unknown name `message.text`", "inside `last message has (…)` its text is `text`",
    ),
    "forbid pay when look": ("P202", "unknown name `look`", "a tool's answer is asked for by `last TOOL(…) has …`"),
    'forbid pay, look when to = "x"': (
        "P203", "`to` is not the same argument of every tool that the rule is about", "write one rule for each of them",
    ),
    "forbid reply, pay when reply.rude": (
        "P203", "`reply.rude` is of the step in one head and of the past in another", None,
    ),
    "forbid any call with effect mony": ("P204", "no tool has the effect `mony`", "did you mean `money`?"),
    "forbid pay when lagre(amount)": ("P205", "unknown definition `lagre`", "did you mean `large`?"),
    "forbid pay when large(amount, 1)": ("P205", "the definition `large` takes 1, not 2", "large(a)"),
    "forbid pay when user.profile.nme = to": (
        "P206", "`user.profile` has no field `nme`", "did you mean `name`?",
    ),
    "forbid pay when to.x = to": ("P206", "`to` has no fields, it is a `text`", None),
    "forbid size when of.x = 1": (
        "P206", "`of` has no fields, it is a `map of number`", "test the keys of a map by `in`, its values by `any x in …`",
    ),
    "forbid pay when once fact user.teir": ("P207", "unknown fact `user.teir`", "did you mean `user.tier`?"),
    "forbid pay when amount = to": (
        "P210", "`=` cannot compare a `number` with a `text`",
        "a number in a text is read where its type is `number from text`",
    ),
    "forbid pay when to < memo": (
        "P210", "`<` cannot compare a `text` with a `text`", "only numbers, times and durations have an order",
    ),
    'forbid size when tags = "x"': (
        "P210", "`=` cannot compare a `list of text` with a `text`", "say `any x in LIST: …` or `all x in LIST: …`",
    ),
    "forbid size when j = 1": (
        "P210", "`=` cannot compare a `json` with a `number`", "a `json` can only be compared with another: declare its type",
    ),
    'forbid size when at < "2024-01-01"': (
        "P210", "`<` cannot compare a `time` with a `text`", 'write a time as `time "2026-05-15T15:00:00Z"`',
    ),
    "forbid size when at + at = at": ("P210", "`+` does not work on a `time` and a `time`", None),
    'forbid pay when 1 in ["a"]': ("P210", "`in` cannot look for a `number` in a `list of text`", None),
    'forbid pay when to in [1, "a"]': ("P210", "a list cannot hold a `number` and a `text`", None),
    "forbid pay when once look(id: amount)": ("P210", "`id` cannot be compared: a `text` with a `number`", None),
    "forbid pay when to": ("P211", "`to` is a `text`, not a condition", "compare it with something"),
    "forbid size when j": ("P211", "`j` is a `json`, not a condition", "declare its type"),
    'forbid pay when kind = "gfit"': ("P212", "`kind` is never `gfit`", "did you mean `gift`?"),
    'forbid pay when kind in ["gift", "dept"]': ("P212", "`kind` is never `dept`", "did you mean `debt`?"),
    'forbid pay when once call pay(kind: "gfit")': ("P212", "`kind` is never `gfit`", "did you mean `gift`?"),
    'forbid pay when user.tier != "glod"': ("P212", "`user.tier` is never `glod`", "did you mean `gold`?"),
    'forbid pay when amount contains "1"': ("P213", "`contains` tests texts, `amount` is a `number`", None),
    'forbid size when tags starts with "1"': (
        "P213", "`starts with` tests texts, `tags` is a `list of text`", "say `any x in LIST: x …`",
    ),
    "forbid pay when any x in to: x = 1": ("P214", "`to` is a `text`, not a list", None),
    "forbid pay when to in memo": ("P214", "`memo` is a `text`, not a list", "a part of a text is tested by `contains`"),
    "forbid pay when length(amount) > 1": ("P214", "`amount` is a `number`, it has no length", None),
    "forbid pay when to like memo": ("P215", "the pattern of `like` is not written out as a text", None),
    'forbid pay when to matches "(?=a)"': (
        "P215", "`(?=a)` is not in the safe subset of regular expressions: invalid perl operator: (?=",
        "no look-around and no back-references: matching is linear",
    ),
    'forbid pay when to matches "(a)\\\\1"': (
        "P215", "`(a)\\1` is not in the safe subset of regular expressions: invalid escape sequence: \\1", None,
    ),
    "forbid size when at within 5 of now": ("P216", "`5` is a `number`, not a duration", "write `TIME within DURATION of TIME`"),
    "limit sum(to) of pay to 5": ("P217", "`to` is a `text`, not a number", None),
    "forbid pay when sum(to of call pay) > 1": ("P217", "`to` is a `text`, not a number", None),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULE_ERRORS)
def test_a_rule_that_means_nothing_is_refused(rule: str) -> None:
    code, message, hint = RULE_ERRORS[rule]
    (error,) = errors_of(rule)
    assert (error.code, error.message) == (code, message)
    assert hint is None or error.hint == hint
    assert error.at is not None


TERM_ERRORS = {
    "tool pay()": ("P209", "the tool `pay` is declared twice"),
    "fact user.tier: text": ("P209", "the fact `user.tier` is declared twice"),
    "let large = true": ("P209", "the definition `large` is declared twice"),
    'judged reply.refuses "No."': ("P209", "the judged predicate `reply.refuses` is declared twice"),
    "result look: text": ("P209", "the result of `look` is declared twice"),
    "effect pya: money": ("P200", "unknown tool `pya`"),
    'asks pay: "Pay {who}."': ("P201", "the phrase `Pay {who}.` has a hole for `who`, no argument of `pay`"),
    "let a = not b\nlet b = c(1)\nlet c(x) = a": ("P208", "the definition `a` is cyclic: `a` → `b` → `c` → `a`"),
    'judged reply.odd "It is odd." matches "(?=odd)"': (
        "P215",
        "`(?=odd)` is not in the safe subset of regular expressions: invalid perl operator: (?=",
    ),
    'judged reply.odd "It is odd." matches "odd" yes "That is odd."': (
        "P220",
        "the pattern of `reply.odd` does not read the yes example `That is odd.` so",
    ),
    'judged reply.odd "It is odd." matches ".*odd.*" yes "odd" no "Hello.", "An oddity."': (
        "P220",
        "the pattern of `reply.odd` does not read the no example `An oddity.` so",
    ),
    "let self = self or true": ("P208", "the definition `self` is cyclic: `self` → `self`"),
}


@pytest.mark.parametrize("term", TERM_ERRORS)
def test_a_faulty_term_is_refused(term: str) -> None:
    (error,) = errors_of("forbid pay", terms=TERMS + term)
    assert (error.code, error.message) == TERM_ERRORS[term]


def test_several_faults_are_reported_in_one_go() -> None:
    faults = errors_of("forbid pya", "forbid pay when amuont > 1 and too = 1", "forbid pay when kind = 5")
    assert [error.code for error in faults] == ["P200", "P202", "P202", "P210"]


def test_a_faulty_term_hides_no_fault_of_what_does_not_rest_on_it() -> None:
    faults = errors_of(
        "forbid pay when c", "forbid pya", "forbid pay when to > 3", 'forbid twice when b = "3"',
        terms=TERMS + "let a = b\nlet b = a\nlet c = amount > 3 and a\nlet d = d\n"
        "tool twice(a: text)\ntool twice(b: text)\neffect pey: read",
    )  # fmt: skip
    assert [error.code for error in faults] == ["P208", "P208", "P209", "P200", "P200", "P210"]


# --- decision 10 --------------------------------------------------------------------------------------------------------

JUDGE_ALONE = (
    "forbid pay unless message.agrees",
    "forbid pay unless last message has message.agrees",
    "forbid pay unless amount < 5 or message.agrees",
    "forbid pay unless not message.angry",
    "forbid pay when not message.agrees",
    "forbid any call unless agreed",
    "require message.agrees for pay",
    "ask size unless message.agrees",
    "forbid pay unless count(message where message.agrees) > 0",
    "forbid pay when count(message where message.agrees) = 0",
    "forbid pay when 1 > count(message where message.agrees)",
    "forbid pay when (last message has message.agrees) = false",
    "forbid pay when not message.agrees or not message.angry",
    "forbid pay when last message has not message.agrees",
    "forbid pay when amount > 5 and (message.angry or message.agrees) != true",
    "forbid pay, refund unless once message where message.agrees within 5m",
)
NOT_ALONE = (
    "forbid pay unless message.agrees trusting judge",
    "forbid pay unless message.agrees and amount < 5",
    'forbid pay unless last message has (message.agrees and text contains "yes")',
    "forbid pay unless once approval",
    "forbid look unless message.agrees",
    "forbid any call with effect read unless message.agrees",
    "forbid reply unless message.agrees",
    "require not reply.rude for reply",
    "forbid pay when message.angry",
    "forbid pay when count(message where message.angry) > 1",
    "forbid pay when (last message has message.angry) = true",
    "forbid pay when not message.agrees or amount > 5",
    "warn pay unless message.agrees",
    "permit pay when message.agrees",
)


@pytest.mark.parametrize("rule", JUDGE_ALONE)
def test_a_judge_alone_never_allows_what_has_an_effect(rule: str) -> None:
    (error,) = errors_of(rule)
    assert error.code == "P219"


@pytest.mark.parametrize("rule", NOT_ALONE)
def test_a_judge_may_tighten_and_may_be_trusted_by_name(rule: str) -> None:
    assert len(checked(rule).rules) == 1


def test_a_predicate_that_a_pattern_reads_is_no_judge() -> None:
    read = 'judged message.nods "The user nods." matches ".*nod.*" yes "nods" no "shakes"\n'
    assert len(checked("forbid pay unless message.nods", terms=TERMS + read).rules) == 1
    (error,) = errors_of("forbid pay unless message.nods or message.agrees", terms=TERMS + read)
    assert error.code == "P219"
