"""What commands print is plain, exact and harmless to the terminal."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from obverse.cli.output import console, json_text, note, one_line, say


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    value: Decimal
    of: str


def test_a_record_becomes_an_object_and_a_decimal_stays_exact() -> None:
    assert json_text(Amount(value=Decimal("12.50"), of="fare")) == '{\n  "value": 12.50,\n  "of": "fare"\n}'


def test_a_name_that_is_not_utf_8_is_escaped() -> None:
    text = json_text(Amount(value=Decimal("12.5"), of="\udcff.md"))
    assert json.loads(text) == {"value": 12.5, "of": "\udcff.md"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain – ü", "plain – ü"), ("a\nb\tc", r"a\nb\tc"), ("\x1b[31m", r"\x1b[31m"), ("a\u202eb", r"a\u202eb")],
)
def test_control_characters_are_made_visible(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_data_goes_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("data")
    note("remark")
    assert capsys.readouterr() == ("data\n", "remark\n")


def test_without_a_terminal_a_console_prints_no_colour_and_takes_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("[red]rule[/red] :smile: 12", style="bold")
    assert capsys.readouterr().out == "[red]rule[/red] :smile: 12\n"
