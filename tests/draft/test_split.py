"""Every character of a prose is in one piece, and the pieces are what a reader would call statements."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.core.errors import UntrustedInputError
from obverse.draft.pieces import Cut
from obverse.draft.split import LARGEST, read_prose, split

PAGE = """---
title: Refunds
---
# Refund desk

Welcome to the desk. We like our customers, e.g. those from Acme Inc. in Leeds.

## Money {#money}

Refunds above $100.50 need a colleague. Never refund an order twice (see sec. 4.
It is the law.) and "Say no. Always." is our motto.

The agent must not:

- share a card number
- change an address,
  unless the customer is verified
  1. by phone
  2. by mail

| tier | limit |
|------|------:|
| gold | at most 500 |
| basic | 100 |

> Quoted: an agent may
> wait. It should be patient.

    forbid refund(id: x);

    This indented paragraph of a plain text file must be read as well.

```rule
permit refund
```

<!-- a comment -->
<div>An agent shall not shout.</div>

[ref]: https://example.com

“Refund” means money that goes back.

* * *
"""


def texts(cut: Cut, kind: str | None = None) -> list[str]:
    return [one.plain for one in cut.statements if kind is None or one.kind == kind]


def uncovered(text: str, cut: Cut) -> str:
    """What is in no piece; and a fault where two pieces overlap or do not say what stands there."""
    taken = bytearray(len(text))
    for piece in (*cut.statements, *cut.others):
        assert text[piece.start : piece.end] == piece.text
        assert piece.text.strip() == piece.text != ""
        assert not any(taken[piece.start : piece.end]), piece
        taken[piece.start : piece.end] = b"\1" * (piece.end - piece.start)
        lines = text.split("\n")
        assert lines[piece.at.line - 1][piece.at.column - 1 :].startswith(piece.text.split("\n")[0])
        assert lines[piece.at.end_line - 1][: piece.at.end_column - 1].endswith(piece.text.split("\n")[-1])
    return "".join(character for place, character in enumerate(text) if not taken[place] and not character.isspace())


def test_a_page_is_split_into_what_a_reader_would_call_statements() -> None:
    cut = split(PAGE)
    assert texts(cut) == [
        "Welcome to the desk.",
        "We like our customers, e.g. those from Acme Inc. in Leeds.",
        "Refunds above $100.50 need a colleague.",
        'Never refund an order twice (see sec. 4. It is the law.) and "Say no. Always." is our motto.',
        "share a card number",
        "change an address, unless the customer is verified",
        "by phone",
        "by mail",
        "| gold | at most 500 |",
        "| basic | 100 |",
        "Quoted: an agent may wait.",
        "It should be patient.",
        "This indented paragraph of a plain text file must be read as well.",
        "<div>An agent shall not shout.</div>",
        "“Refund” means money that goes back.",
    ]
    assert uncovered(PAGE, cut) == ""


def test_what_is_no_statement_is_listed_with_its_kind() -> None:
    cut = split(PAGE)
    kinds = [(one.kind, one.text.split("\n")[0]) for one in cut.others if one.kind != "mark"]
    assert kinds == [
        ("front matter", "---"),
        ("heading", "# Refund desk"),
        ("heading", "## Money {#money}"),
        ("lead-in", "The agent must not:"),
        ("heading", "| tier | limit |"),
        ("code", "forbid refund(id: x);"),
        ("code", "```rule"),
        ("markup", "<!-- a comment -->"),
        ("reference", "[ref]: https://example.com"),
    ]


def test_a_statement_knows_what_it_stands_under() -> None:
    by_text = {one.plain: one for one in split(PAGE).statements}
    assert by_text["share a card number"].context == ("Refund desk", "Money {#money}", "The agent must not:")
    assert by_text["by phone"].context[-1].startswith("change an address")
    assert by_text["| basic | 100 |"].context[-1] == "| tier | limit |"
    assert by_text["share a card number"].kind == "normative", "it is under a lead-in that forbids"
    assert by_text["“Refund” means money that goes back."].kind == "definition"
    assert by_text["Welcome to the desk."].kind == "background"


def test_a_statement_keeps_its_name_when_it_moves_and_loses_it_when_its_words_or_context_change() -> None:
    def key(text: str, said: str) -> str:
        return next(one.key for one in split(text).statements if one.plain == said)

    before = key("# A\n\nOne may wait. Never run.\n", "Never run.")
    assert key("# A\n\nNew text.\n\nNever\nrun.\n", "Never run.") == before
    assert key("# B\n\nOne may wait. Never run.\n", "Never run.") != before
    twice = [one.key for one in split("# A\n\nNever run. Never run.\n").statements]
    assert twice[0] == before
    assert twice[1] != before


MARKS = st.sampled_from(
    ["# ", "- ", "  - ", "> ", "1. ", "```\n", "~~~rule\n", "    ", "\n", "\n\n", "| a | b |\n|--|--|\n", "***", "<b>", "<!-- ",
     "-->", "[x]: y\n", ". ", "e.g. ", '"', "(", ")", ":", "Never. ", "a must b", "\t", "===\n", "---\n", "é", "。", "\\", "&amp;"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(MARKS | st.text(max_size=6), max_size=40).map("".join))
def test_every_character_that_is_not_blank_is_in_exactly_one_piece(raw: str) -> None:
    text = raw.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").replace("\ud800", "")
    text = text.encode("utf-8", "ignore").decode()
    assert uncovered(text, split(text)) == ""


def test_lists_that_are_nested_deeper_than_markdown_is_read_lose_nothing() -> None:
    text = "\n".join("  " * depth + f"- item {depth} must stay" for depth in range(60))
    cut = split(text)
    assert uncovered(text, cut) == ""
    assert "item 59 must stay" in " ".join(texts(cut))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "F103"),
        (b" \n\t\n", "F103"),
        (b"--- *** ---", "F103"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "F102"),
        (b"never\0run", "F102"),
        (b"x" * (LARGEST + 1), "F101"),
    ],
    ids=["empty", "blank", "marks only", "binary", "null", "huge"],
)
def test_what_is_no_prose_is_refused_with_a_reason(data: bytes, code: str) -> None:
    with pytest.raises(UntrustedInputError) as refused:
        read_prose(data)
    assert refused.value.code == code


def test_line_ends_and_byte_order_marks_of_other_systems_are_read() -> None:
    assert read_prose("\ufeffNever run.\r\nWait.\r".encode()) == "Never run.\nWait.\n"
