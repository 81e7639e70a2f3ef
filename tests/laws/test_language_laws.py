"""Laws of the text side: printing and reading are inverse, formatting changes no meaning, no bytes bring it down."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from obverse.core.errors import UntrustedInputError
from obverse.policy import ast
from obverse.policy.check import check, policy_digest
from obverse.policy.faults import Faults
from obverse.policy.format import format_document
from obverse.policy.parse import parse
from obverse.policy.print import layout, text_of
from obverse.policy.statements import split
from obverse.policy.syntax import parse_statement
from obverse.policy.tools import read_tools
from obverse.testing.strategies import checked_policies, document_of, policies
from obverse.testing.trees import rules, terms

ENOUGH = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

DOCUMENT = """---
policy: fuzzed
version: 3
default: {calls: ask-unknown-tools, replies: allow}
levels: [platform, developer]
timezone: "+09:30"
---
# Fuzzed

```terms
tool look(id: text) -> (cabin: one of "basic", "business", booked: time, flights: list of (number: text)) effect read
tool pay(to: text, amount: number from text, memo: text optional) "Pay somebody." effect money asks "Pay {to}."
fact user.tier: one of "gold", "silver" from host   # vouched for
judged message.says_yes "The user agrees." yes "Yes." no "No."
let large(a) = a > 100 or a < -1.50
```

## One {#one level=platform severity=high inviolable}

Prose with `code` and a # sign.

```rule
# first comment
forbid pay(to: t) when last look(id: t) has (cabin = "basic" and booked within 24h of now) unless large(amount)
limit sum(amount) of pay to 500 per 7d by to says "Not \\"now\\"."

require not reply.refuses for reply when any x in ["a", "b"]: x like "a*" or x at domain "acme.com"
ask any call with effect money when count(call pay where stamp > time "2026-01-01" within 1h30m) >= 2 by 2 people
warn reply when no call pay since message where not message.says_yes
```
"""


def read_back(kind: str, text: str) -> ast.Node | None:
    faults = Faults("printed")
    cut = split("rule" if kind == "rule" else "terms", 1, tuple(text.split("\n")))
    node = parse_statement("rule" if kind == "rule" else "terms", cut.statements[0], 0, faults)
    faults.stop()
    return node


@given(rules())
@ENOUGH
def test_reading_a_printed_rule_gives_the_rule(rule: ast.Rule) -> None:
    assert read_back("rule", layout(rule)) == rule
    assert read_back("rule", text_of(rule)) == rule


@given(terms())
@ENOUGH
def test_reading_a_printed_term_gives_the_term(term: ast.Term) -> None:
    assert read_back("terms", layout(term)) == term
    assert read_back("terms", text_of(term)) == term


@given(policies())
@ENOUGH
def test_reading_a_written_policy_gives_the_policy(policy: ast.Policy) -> None:
    assert parse(document_of(policy)) == policy


@given(policies())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_formatting_twice_is_formatting_once_and_keeps_the_digest(policy: ast.Policy) -> None:
    document = document_of(policy)
    loose = document.replace("\nforbid ", "\n   forbid   ").replace(" when ", "\n          when  ")
    once = format_document(loose)
    assert format_document(once) == once
    assert policy_digest(parse(loose)) == policy_digest(parse(once)) == policy_digest(policy)


@given(checked_policies())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_resolved_condition_has_a_text(checked: object) -> None:
    for rule in checked.rules:  # type: ignore[attr-defined]  # a Checked
        for node in ast.walk(rule.fires):
            assert text_of(node)


def survives(data: bytes | str) -> None:
    """Nothing but the parser's own error class comes out, and each error has a code and one line."""
    for use in (lambda: check(parse(data)), lambda: format_document(data)):
        try:
            use()
        except UntrustedInputError as error:
            for one in getattr(error, "errors", (error,)):
                assert one.code.startswith("P"), one
                assert "\n" not in str(one)
                assert one.message.isprintable()


@given(st.binary(max_size=400))
@example(b"")
@example(b"\xff\xfe")
@example(b"---\npolicy: x\n---\n# A {#a}\n```rule\nforbid \x00\n```")
@ENOUGH
def test_any_bytes_are_a_policy_or_an_error_of_ours(data: bytes) -> None:
    survives(data)


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_mutation_of_a_policy_is_a_policy_or_an_error_of_ours(data: st.DataObject) -> None:
    text = DOCUMENT
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        piece = data.draw(st.sampled_from(PIECES) | st.text(max_size=4))
        text = text[:start] + piece + text[end:]
    survives(text)


PIECES = (
    "", "(", ")", '"', "`", "{", "}", "```", "---", "\n", "\n\n", "not ", "any x in ", " and ", " has ", "where ", "within 1h ",
    ": ", ",", "#", "- [ ]", "> ", "{#b}", "0", "9" * 400, 'time "x"', "\\", "\u202e", "\ud800", "&a [*a]", "!!python/x ", "=",
)  # fmt: skip


@given(
    st.binary(max_size=300)
    | st.sampled_from(("[{}]", '{"tools": 1}', "[" * 5000, '{"a": {"type": "object", "properties": 1}}'))
)
@ENOUGH
def test_any_bytes_are_tools_or_an_error_of_ours(data: bytes | str) -> None:
    try:
        read_tools(data if isinstance(data, bytes) else data.encode())
    except UntrustedInputError as error:
        assert error.code.startswith("P")  # noqa: PT017  # it may also be accepted


HEADER = "---\npolicy: x\n---\n```terms\ntool pay(a: number)\n{terms}\n```\n# A {{#a}}\n```rule\n{rule}\n```\n"
DEEP = {
    "parentheses": "forbid pay when " + "(" * 3_000 + "true" + ")" * 3_000,
    "negations": "forbid pay when " + "not " * 4_000 + "true",
    "sums": "forbid pay when a" + " + a" * 4_000 + " = 1",
    "quantifiers": "forbid pay when " + "any x in [1]: " * 1_000 + "true",
    "events": "forbid pay when " + "last message has " * 1_000 + "true",
    "lists": "forbid pay when " + "[" * 3_000 + "]" * 3_000 + " = []",
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_is_an_error_of_ours(name: str) -> None:
    survives(HEADER.format(terms="", rule=DEEP[name]))


def test_deep_nesting_outside_of_rules_is_an_error_of_ours() -> None:
    survives(HEADER.format(terms="fact f: " + "list of " * 2_000 + "text", rule="forbid pay"))
    survives("---\npolicy: " + "[" * 5_000 + "\n---\n")
    survives("---\npolicy: x\n---\n" + "> " * 5_000 + "x")


def test_definitions_that_grow_without_measure_are_an_error_of_ours() -> None:
    doubling = "\n".join(f"let d{n} = d{n + 1} and d{n + 1}" for n in range(40)) + "\nlet d40 = true"
    chain = "\n".join(f"let c{n} = not c{n + 1}" for n in range(500)) + "\nlet c500 = true"
    for terms_, name in ((doubling, "d0"), (chain, "c0")):
        with pytest.raises(UntrustedInputError, match="P218"):
            check(parse(HEADER.format(terms=terms_, rule=f"forbid pay when {name}")))
