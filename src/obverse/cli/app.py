"""The boundary: whatever a command raises becomes one line and one exit code here, and nowhere else.

1. An error of ours is worded by itself: `path:line:col: [CODE] message (hint: …)`, one line each.
2. A wrong call is worded like the others, though click found it.
3. What the system refuses (no such file, no space) is one line too.
4. Ctrl-C says how to go on; a closed pipe says nothing.
5. Everything else is a fault of Obverse: one line that says so, the traceback only under `--debug`.

With `--json` the error is an object on stdout as well: `{"error": {code, message, hint, at}, "errors": [...]}`.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence

import click
import msgspec

from obverse.cli.commands import obverse
from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import note, one_line, print_json
from obverse.core.errors import EvidenceError, ManyErrors, MisuseError, ObverseError, UnavailableError

_SHOWN = 20  # errors of one input that are listed on a terminal; --json has all


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an error stands in its source."""

    source: str | None = None
    line: int | None = None
    column: int | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One error as `--json` shows it."""

    code: str
    message: str
    hint: str | None = None
    at: Place | None = None


def main(arguments: Sequence[str] | None = None, *, group: click.Group = obverse) -> int:
    """The exit code of `obverse ARGUMENTS`, after everything that it had to say was written."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _print_whatever_comes()
    try:
        if "_OBVERSE_COMPLETE" in os.environ:  # the shell asks for completions, in click's own protocol
            group.main(arguments, prog_name="obverse")
        try:
            return _finished(_run(group, arguments))
        except BrokenPipeError:
            raise
        except BaseException as error:  # boundary: named and reported below, none is lost
            return _finished(_reported(error, arguments))
    except BrokenPipeError:  # (4)
        _discard_output()
        return ExitCode.CLOSED_PIPE


def _run(group: click.Group, arguments: list[str]) -> int:
    try:
        # a copy: click consumes the list
        with group.make_context("obverse", [*arguments]) as context:
            answer = group.invoke(context)
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code
    return ExitCode.HOLDS if answer is None else ExitCode(answer)


def _finished(code: int) -> int:
    """The code, once stdout has taken everything: a full disk shows itself only here."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard_output()
        return _report(error, [])
    return code


def _discard_output() -> None:
    """Python flushes stdout once more at exit: give it something that takes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reported(error: BaseException, arguments: list[str]) -> int:
    """The exit code of this error, even where stdout does not take the object that tells of it."""
    try:
        return _report(error, arguments)
    except BrokenPipeError:
        raise
    except OSError as another:
        _discard_output()
        told = isinstance(error, OSError) and error.errno == another.errno
        return ExitCode.USAGE if told else _report(another, [])


def _report(error: BaseException, arguments: list[str]) -> int:
    """The exit code of this error, after it was told."""
    match error:
        case KeyboardInterrupt() | click.Abort():  # (4)
            advice = "; ".join(getattr(error, "__notes__", ()))
            note(f"interrupted{': ' if advice else ''}{advice}")
            return ExitCode.INTERRUPTED
        case SystemExit():
            raise error
        case click.exceptions.NoArgsIsHelpError():
            note(error.format_message())
            return ExitCode.USAGE
        case ManyErrors():
            problems: list[ObverseError] = list(error.errors)
        case ObverseError():
            problems = [error]
        case click.ClickException():
            problems = [_of_a_wrong_call(error)]
        case OSError():
            problems = [_of_the_system(error)]
        case UnicodeEncodeError():  # a word of the command line that is no text: half a character, bytes of another encoding
            problems = [MisuseError("a word that is no UTF-8", code="U005", hint="write it in UTF-8")]
        case _:
            return _crash(error, arguments)
    _tell(problems, arguments)
    return ExitCode.UNVERIFIED if isinstance(error, EvidenceError) else ExitCode.USAGE


def _tell(problems: Sequence[ObverseError], arguments: list[str]) -> None:
    for problem in problems[:_SHOWN]:
        note(one_line(str(problem)))
    if len(problems) > _SHOWN:
        note(f"and {len(problems) - _SHOWN} more errors (--json lists them all)")
    if "--json" in arguments:
        shown = [_shown(problem) for problem in problems]
        print_json({"error": shown[0], "errors": shown})


def _shown(error: ObverseError) -> Problem:
    at = None
    if error.at is not None:
        at = Place(source=error.source, line=error.at.line, column=error.at.column)
    elif error.source is not None:
        at = Place(source=error.source)
    return Problem(code=error.code, message=error.message, hint=error.hint, at=at)


def _of_a_wrong_call(error: click.ClickException) -> ObverseError:
    """(2) click's finding in our words: lower case, no full stop, what the user wrote in backticks."""
    text = " ".join(error.format_message().split())
    text, guess = (*re.split(r"\.? \(?Did you mean (?:one of: )?", text, maxsplit=1), "")[:2]
    guess = guess.rstrip(")")
    text = _in_backticks(text[:1].lower() + text[1:]).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"did you mean {_in_backticks(guess)}" if guess else None
    if hint is None and context is not None:
        hint = f"`{context.command_path} --help` shows what it takes"
    return MisuseError(text, code="U001", hint=hint)


def _in_backticks(text: str) -> str:
    return re.sub(r"(?<!\w)'(.*?)'(?!\w)", r"`\1`", text)


def _of_the_system(error: OSError) -> ObverseError:
    """(3) what the system refuses, with the file that it is about."""
    reason = (error.strerror or str(error) or "the system refused").lower()
    named = "" if error.filename is None else f": `{os.fsdecode(error.filename)}`"
    if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError | PermissionError):
        return MisuseError(f"{reason}{named}", code="U002")
    return UnavailableError(f"{reason}{named}", code="U003", hint="what was recorded before stays")


def _crash(error: BaseException, arguments: list[str]) -> int:
    """(5) it is ours; the class is named, since it helps whoever mends it."""
    text = f"a fault of Obverse itself: {type(error).__name__}: {error}".strip()
    _tell([ObverseError(text, code="U999", hint="`obverse --debug …` shows where; please report it")], arguments)
    if arguments[:1] == ["--debug"]:
        traceback.print_exception(error)
    return ExitCode.CRASH


def _print_whatever_comes() -> None:
    """Let no character that the terminal's encoding lacks stop a report."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
