"""The parts of the compiled monitor on their own: what is read quickly, and values of which nothing is in doubt."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.laws.test_monitor_laws import policy

from obverse.core.verdicts import Truth
from obverse.policy import text
from obverse.policy.compiled import plain
from obverse.policy.compiled.plain import computed, equal, plain_number, plain_text
from obverse.policy.compiled.program import Program
from obverse.policy.compiled.reading import arguments_of, reader_of
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_arguments, typed
from obverse.policy.types import BoolType, EnumType, ListType, NumberType, TextType, TimeType, Type

NAMES = st.sampled_from(("to", "amount", "to\u200b", "a:b", '":', "memo"))
TEXTS = st.one_of(
    st.sampled_from(("A", "А", "a@b.example", "é", "e\u0301", "x:y", '":', "\ud800", "\n", "")), st.text(max_size=6)
)
NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from((0, 10**399, 10**400, -(10**400), 2**64, Decimal("0.1"), Decimal("1e400"), Decimal("1E-401"))),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=2)),
    max_leaves=6,
)


def written(pairs: list[tuple[str, Any]], space: str, ascii_only: bool) -> str:
    """An object with these members, in which a name may come twice."""

    def one(value: Any) -> str:
        match value:
            case Decimal():
                return str(value)
            case list():
                return f"[{', '.join(map(one, value))}]"
            case dict():
                return written([*value.items()], space, ascii_only)
        return json.dumps(value, ensure_ascii=ascii_only)

    members = (f"{json.dumps(name, ensure_ascii=ascii_only)}{space}:{space}{one(value)}" for name, value in pairs)
    return f"{{{','.join(members)}}}"


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4), st.sampled_from(("", " ", "\n\t")), st.booleans(), st.data())
@settings(max_examples=200, deadline=None)
def test_what_is_read_quickly_is_read_as_the_reference_reads_it(
    pairs: list[tuple[str, Any]], space: str, ascii_only: bool, data: st.DataObject
) -> None:
    whole = written(pairs, space, ascii_only)
    cut = data.draw(st.integers(0, len(whole)))
    broken = (
        whole[:cut] + data.draw(st.sampled_from(("", '"', ",", "0", "}", "\\", "\x00", "[" * 70, "NaN"))) + whole[cut:]
    )
    for raw in (whole, broken):
        wanted, found = read_arguments(raw), arguments_of(raw)
        assert repr(found) == repr(None if isinstance(wanted, Unknown) else wanted)


@pytest.mark.parametrize(
    "raw",
    ["", "{}", " {} ", "[]", "null", "{", '{"a": 1, "a": 1}', '{"a": 01}', '{"a": 1.}', '{"a": -0}', '{"a": -0.0}', '{"a": NaN}',
     '{"a": "\\ud800"}', '{"a": "\\ud83d\\ude00"}', '{"a": {"b": 1, "b": 2}}', '{"a": [{"b": 1, "b": 2}], "c": ""}', "\ufeff{}",
     '{"a" : 1, "a":2}', '{"a": ":", "a": 2}', '{"a": 1e400}', '{"a": 1e401}', f'{{"a": {"9" * 401}}}', f'{{"a": -{"9" * 400}}}',
     f'{{"a": {"[" * 63}{"]" * 63}}}', f'{{"a": {"[" * 64}{"]" * 64}}}', f'{{"a": {"[" * 5000}{"]" * 5000}}}', '{"a": 1}{"a": 1}',
     '{"\\u0061": 1, "a": 2}', f'{{"a": "{"x" * 500}", "b": [{"9" * 401}]}}'],
)  # fmt: skip
def test_arguments_that_two_programs_might_read_in_two_ways(raw: str) -> None:
    wanted, found = read_arguments(raw), arguments_of(raw)
    assert repr(found) == repr(None if isinstance(wanted, Unknown) else wanted)


TYPES: tuple[Type, ...] = (
    TextType(), TextType(folded=True), NumberType(), NumberType(integer=True), NumberType(from_text=True), BoolType(), TimeType(),
    EnumType(values=("A", "basic", "А")), ListType(item=TextType()), ListType(item=NumberType()),
)  # fmt: skip


@given(VALUES, st.sampled_from(TYPES))
@settings(max_examples=200, deadline=None)
@example(True, NumberType())
@example("e\u0301", TextType())
def test_a_plain_value_is_the_value(value: Any, kind: Type) -> None:
    found, wanted = reader_of(kind, 0)(value), typed(value, kind, 0, "x")
    if isinstance(wanted, Unknown):
        assert found is None
    elif isinstance(found, int | Decimal) and not isinstance(found, bool):
        assert Fraction(found) == wanted
    elif isinstance(found, str):
        assert found == wanted
    elif isinstance(found, bool):
        assert found is wanted


@given(TEXTS, TEXTS)
@settings(max_examples=200, deadline=None)
def test_two_plain_texts_are_equal_or_differ_for_certain(left: str, right: str) -> None:
    one, other = plain_text(left), plain_text(right)
    if one is not None and other is not None:
        assert text.same(one, other) is Truth.of(one == other)
        for op in ("starts with", "ends with", "contains"):
            assert plain.tested(op, one, other) is (text.test(op, one, other) is Truth.TRUE)  # type: ignore[arg-type]  # an operator


HOSTS = (
    "alice@acme.com",
    "alice@acme.com.evil.example",
    "a@xn--acme-x.com",
    "Alice@ACME.com",
    "https://acme.com/x",
    "a@b@acme.com",
    "acme.com.",
    "a@127.1",
)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("domain", ["acme.com", ".acme.com", "com", "acme.com.", "127.0.0.1"])
def test_a_domain_is_told_as_the_reference_tells_it(host: str, domain: str) -> None:
    assert plain.tested("at domain", host, domain) is {Truth.TRUE: True, Truth.FALSE: False}.get(
        text.test("at domain", host, domain)
    )


@given(NUMBERS, NUMBERS, st.sampled_from(("+", "-", "*", "/")))
@settings(max_examples=150, deadline=None)
def test_numbers_are_computed_exactly(left: Any, right: Any, op: str) -> None:
    one, other = plain_number(left), plain_number(right)
    if one is None or other is None:
        return
    found = computed(op, one, other)
    if found is not None:
        exact = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b}
        assert Fraction(found) == exact[op](Fraction(one), Fraction(other))
        assert equal(found, found) is True


def test_code_is_written_when_a_tool_is_first_called_or_beforehand() -> None:

    program = Program(policy("forbid pay when amount > 5"))
    assert program.sources == {}
    program.prepare()
    assert program.sources.keys() == {None, "look", "pay", "cancel", "ping"}
    assert "amount" in program.sources["pay"]
