"""From nodes to text: few parentheses, names in backticks where they must be, resolved nodes as an author would write them."""

from __future__ import annotations

import pytest

from obverse.core.errors import ManyErrors
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.format import format_document
from obverse.policy.parse import parse
from obverse.policy.print import duration_text, layout, literal, text_of, time_text
from obverse.testing.strategies import TERMS

FRONT = "---\npolicy: p\n---\n"


def canonical(rule: str) -> str:
    return text_of(parse(f"{FRONT}# A {{#a}}\n```rule\n{rule}\n```").clauses[0].rules[0])


AS_WRITTEN = (
    "forbid pay when a or b and not c",
    "forbid pay when (a or b) and c",
    "forbid pay when not (a and b)",
    "forbid pay when (1 + 2) * 3 - 4 / 5 = -6",
    "forbid pay when 1 - (2 - 3) = 2",
    "forbid pay when (any x in a: x or b) and c",
    "forbid pay when c and any x in a: x or b",
    "forbid pay when not any x in a: x",
    "forbid pay when last message has not a",
    "forbid pay when last message has (a and b) and c",
    "forbid pay when last message where (once pay) has a",
    "forbid pay when once pay where (once look) within 5m",
    "forbid pay when a since message where b",
    "forbid pay when (a since message) since reply",
    "forbid pay when (not a) since reply",
    "forbid pay when not a since reply",
    "forbid pay when previous message and previous reply has a",
    "forbid pay when once pay where a within 5m or once look",
    "forbid pay when last message where (previous reply) has a",
    "forbid pay when once pay where any x in a: once look and b",
    "forbid pay when a not in [1, 2]",
    "forbid pay when `last` = `a-b`.`c d` and args.last = p.last",
    "forbid `get-user`(in: x), files.read when once any call with effect read",
    "limit sum(a) of pay to 12.5 per 1h30m by to",
    'stop reply when text contains "\\u200b\\n" says "No."',
)


@pytest.mark.parametrize("rule", AS_WRITTEN)
def test_the_canonical_form_has_no_more_parentheses_than_it_needs(rule: str) -> None:
    assert canonical(rule) == rule


MENDED = {
    "forbid pay() when ((a))": "forbid pay when a",
    "ask pay by 2 people when a": "ask pay when a by 2 people",
    "ask pay by 1 people": "ask pay",
    "forbid pay when not (a in b)": "forbid pay when a not in b",
    "forbid pay when last result pay has a": "forbid pay when last pay has a",
    "limit pay to 5.00 per 72h": "limit pay to 5 per 3d",
    "forbid pay when a = 24h + 1440m + 0s": "forbid pay when a = 24h + 24h + 0s",
    'forbid pay when a = time "2024-05-15T17:00:00.5+02:00"': 'forbid pay when a = time "2024-05-15T15:00:00.500Z"',
}


@pytest.mark.parametrize("rule", MENDED)
def test_there_is_one_form_for_one_meaning(rule: str) -> None:
    assert canonical(rule) == MENDED[rule]


RESOLVED = {
    "forbid pay(to: who) when who = memo": "to = memo",
    'forbid pay when user.tier = "gold" and large(amount)': 'user.tier = "gold" and amount > 100',
    "forbid pay when message.says_yes": "last message has message.says_yes",
    "forbid reply when reply.gives_advice and text = reply.text": "reply.gives_advice and reply.text = reply.text",
    "forbid look(id: r) when last look(id: r) has (price > 5 and note = r)": (
        "last look(id: id) has (price > 5 and note = id)"
    ),
    "forbid cancel(id: r) when once call cancel where id = r": "once call cancel where id = args.id",
    "forbid look when last look has any p in people: p.age > 1 and p.name = args.id": (
        "last look has any p in people: p.age > 1 and p.name = id"
    ),
    "limit sum(amount) of pay to 5 per 24h by to": "sum of amount of pay per 24h by to > 5",
}


@pytest.mark.parametrize("rule", RESOLVED)
def test_what_is_resolved_reads_as_an_author_would_write_it(rule: str) -> None:
    found = check(parse(f"{FRONT}```terms\n{TERMS}```\n# A {{#a}}\n```rule\n{rule}\n```")).rules[0]
    assert text_of(found.fires) == RESOLVED[rule]


def test_small_texts() -> None:
    assert [duration_text(ms) for ms in (0, 1, 90_000, 86_400_000, 172_800_000, 90_061_001)] == [
        "0s", "1ms", "1m30s", "24h", "2d", "25h1m1s1ms",
    ]  # fmt: skip
    assert [time_text(ms) for ms in (0, -62_135_596_800_000)] == ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
    assert literal('a"\\\n\u202e😀\U000e0001') == '"a\\"\\\\\\n\\u202e😀\\udb40\\udc01"'
    assert text_of(ast.Clause(id="a", title="T", prose="", level="user")) == "T {#a}"


# --- documents ----------------------------------------------------------------------------------------------------------

LOOSE = """---
policy:  p      # stays
---
# Title   {#a}

Prose   stays   as it is.

```terms
  # above
  tool   pay( to:text,amount : number )   effect money   # beside

  # two
  # comments


  judged message.says_yes "The user agrees to what was proposed."   # goes above
     yes "Yes, please, do that."   no "Let me think about it first."   # this too
  # last
```

~~~rules
forbid pay
   when amount>100 and to = "somebody with a name that is far too long for one line" or to = "b"  # why
   # inside
   unless (amount = 5)
~~~
The end.
"""
TIGHT = """---
policy:  p      # stays
---
# Title   {#a}

Prose   stays   as it is.

```terms
# above
tool pay(to: text, amount: number) effect money  # beside

# two
# comments
# goes above
# this too
judged message.says_yes "The user agrees to what was proposed."
    yes "Yes, please, do that."
    no "Let me think about it first."
# last
```

~~~rules
# why
# inside
forbid pay
    when amount > 100 and to = "somebody with a name that is far too long for one line" or to = "b"
    unless amount = 5
~~~
The end.
"""


def test_a_document_keeps_its_prose_and_its_comments() -> None:
    assert format_document(LOOSE) == TIGHT
    assert format_document(TIGHT) == TIGHT


def test_a_faulty_document_is_not_rewritten() -> None:
    with pytest.raises(ManyErrors) as caught:
        format_document(LOOSE.replace("forbid pay", "forbid pay pay").replace("tool   pay", "tool"))
    assert [error.code for error in caught.value.errors] == ["P110", "P110"]


def test_a_short_statement_stands_on_one_line_and_a_long_one_on_several() -> None:
    rule = parse(f"{FRONT}# A {{#a}}\n```rule\nforbid pay when a unless b\n```").clauses[0].rules[0]
    assert layout(rule) == "forbid pay when a unless b"
    long = ast.Rule(kind="forbid", heads=rule.heads, when=ast.Text(value="x" * 90), unless=rule.unless)
    assert layout(long).split("\n") == ["forbid pay", f'    when "{"x" * 90}"', "    unless b"]


LONG = (
    'permit reply when message.asks_for_a_story or message.says_hello and not message.tells_of_harm and text != "and, or and"'
    " and (reply.is_frightening or reply.asks_where_from) and length(text) <= 4000"
)


def test_a_long_condition_is_broken_where_a_reader_would_break_it() -> None:
    rule = parse(f"{FRONT}# A {{#a}}\n```rule\n{LONG}\n```").clauses[0].rules[0]
    assert layout(rule).split("\n") == [
        "permit reply",
        "    when message.asks_for_a_story or message.says_hello and not message.tells_of_harm",
        '        and text != "and, or and" and (reply.is_frightening or reply.asks_where_from)',
        "        and length(text) <= 4000",
    ]
    assert parse(f"{FRONT}# A {{#a}}\n```rule\n{layout(rule)}\n```").clauses[0].rules[0] == rule
