"""How commands print: data on stdout, everything else on stderr; nothing rests on colour.

Not a place for layout of one command: that stands in the command's own file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console

_F = TypeVar("_F", bound=Callable[..., Any])
_LONGEST = 2000  # characters of one line on stderr; a message may quote a value of any size


def json_option(command: _F) -> _F:
    """The flag `--json`, which arrives as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")(command)


def print_json(value: object) -> None:
    """One JSON document on stdout; records become objects, exact decimals become numbers."""
    click.echo(json_text(value))


def json_text(value: object) -> str:
    """The document that `print_json` prints, indented by two."""
    try:
        data = msgspec.json.Encoder(decimal_format="number").encode(value)
    except UnicodeEncodeError:  # a lone surrogate, as in the name of a file that is not UTF-8: JSON can only escape it
        return json.dumps(msgspec.to_builtins(value, builtin_types=(Decimal,), str_keys=True), indent=2, default=float)
    return msgspec.json.format(data, indent=2).decode()


def say(line: str = "") -> None:
    """One line of data for people, on stdout."""
    click.echo(line)


def note(line: str) -> None:
    """One line about the work, on stderr."""
    click.echo(line, err=True)


def one_line(text: str) -> str:
    """The text with every control character made visible: what a file contains must not steer the terminal."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}… ({len(shown)} characters)"


def console(*, stderr: bool = False) -> Console:
    """A rich console that measures the terminal; without one it prints plain text."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


@contextmanager
def when_interrupted(advice: str) -> Iterator[None]:
    """Around long work: after Ctrl-C, the one line on stderr says `advice`, such as how to resume."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(advice)
        raise
