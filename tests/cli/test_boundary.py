"""Whatever a command raises ends as one line and one exit code; nothing ends as a traceback."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from obverse.cli.app import main
from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import when_interrupted
from obverse.core.errors import EvidenceError, ManyErrors, MisuseError, Span, UnavailableError, UntrustedInputError

AT = Span(line=14, column=8, end_line=14, end_column=12)
UNKNOWN_TOOL = UntrustedInputError("unknown tool `x`", code="P104", at=AT, source="policy.md", hint="did you mean `y`?")
TWO = ManyErrors([UNKNOWN_TOOL, UntrustedInputError("no rule here", code="P105", source="policy.md")])
HOSTILE = UntrustedInputError("unknown word `\x1b[2J\nok\u202e`", code="P106")
REPORT_IT = "(hint: `obverse --debug …` shows where; please report it)"


def obverse_that(does: Callable[[], object]) -> click.Group:
    """A group with one command `work` that does this."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def work(*, as_json: bool) -> object:
        return does()

    return click.Group("obverse", commands=[work], params=[click.Option(["--debug"], is_flag=True)])


def obverse_that_raises(error: BaseException) -> click.Group:
    def fail() -> object:
        raise error

    return obverse_that(fail)


WORDED = {
    "bad input": (UNKNOWN_TOOL, 2, "policy.md:14:8: [P104] unknown tool `x` (hint: did you mean `y`?)"),
    "several errors": (
        TWO, 2, "policy.md:14:8: [P104] unknown tool `x` (hint: did you mean `y`?)\npolicy.md: [P105] no rule here",
    ),
    "misuse": (MisuseError("no such target", code="T001"), 2, "[T001] no such target"),
    "unavailable": (UnavailableError("the endpoint is down", code="T002"), 2, "[T002] the endpoint is down"),
    "evidence": (EvidenceError("a flipped byte", code="E001"), 5, "[E001] a flipped byte"),
    "text that would steer the terminal": (HOSTILE, 2, r"[P106] unknown word `\x1b[2J\nok\u202e`"),
    "a missing file": (
        FileNotFoundError(errno.ENOENT, "No such file or directory", "gone.md"), 2,
        "[U002] no such file or directory: `gone.md`",
    ),
    "a full disk": (
        OSError(errno.ENOSPC, "No space left on device"), 2,
        "[U003] no space left on device (hint: what was recorded before stays)",
    ),
    "Ctrl-C": (KeyboardInterrupt(), 130, "interrupted"),
    "Ctrl-C at a prompt": (click.Abort(), 130, "interrupted"),
    "a fault of ours": (
        ZeroDivisionError("division by zero"), 1,
        f"[U999] a fault of Obverse itself: ZeroDivisionError: division by zero {REPORT_IT}",
    ),
    "no memory": (
        MemoryError(), 1,
        f"[U999] a fault of Obverse itself: MemoryError: {REPORT_IT}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("error", "code", "line"), WORDED.values(), ids=WORDED)
def test_an_error_is_one_line_and_one_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["work"], group=obverse_that_raises(error)) == code
    assert capsys.readouterr() == ("", line + "\n")


@pytest.mark.parametrize("code", list(ExitCode))
def test_a_command_exits_with_the_code_that_it_returns(code: ExitCode) -> None:
    assert main(["work"], group=obverse_that(lambda: code)) == code


def test_a_command_that_returns_nothing_holds() -> None:
    assert main(["work"], group=obverse_that(lambda: None)) == ExitCode.HOLDS


def test_with_json_the_error_is_an_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["work", "--json"], group=obverse_that_raises(TWO)) == 2
    out, err = capsys.readouterr()
    shown = json.loads(out)
    at = {"source": "policy.md", "line": 14, "column": 8}
    assert shown["error"] == {"code": "P104", "message": "unknown tool `x`", "hint": "did you mean `y`?", "at": at}
    assert [error["code"] for error in shown["errors"]] == ["P104", "P105"]
    assert err.count("\n") == 2


def test_many_errors_do_not_flood_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    many = ManyErrors([UntrustedInputError(f"fault {n}", code="P105") for n in range(100)])
    assert main(["work", "--json"], group=obverse_that_raises(many)) == 2
    out, err = capsys.readouterr()
    assert err.splitlines()[-1] == "and 80 more errors (--json lists them all)"
    assert len(json.loads(out)["errors"]) == 100


def test_a_line_quotes_no_more_of_a_huge_value_than_a_reader_bears(capsys: pytest.CaptureFixture[str]) -> None:
    main(["work"], group=obverse_that_raises(UntrustedInputError(f"no `{'x' * 1_000_000}`", code="P105")))
    assert len(capsys.readouterr().err) < 3000


def test_after_an_interrupt_the_user_reads_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> object:
        with when_interrupted("the same command with `--resume` goes on"):
            raise KeyboardInterrupt

    assert main(["work"], group=obverse_that(work)) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "interrupted: the same command with `--resume` goes on\n"


def test_debug_shows_where_a_fault_of_ours_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "work"], group=obverse_that_raises(ZeroDivisionError())) == ExitCode.CRASH
    assert "Traceback" in capsys.readouterr().err


WRONG_CALLS = {
    "no command": (["frobnicate"], "[U001] no such command `frobnicate`"),
    "nearly a command": (["chek"], "[U001] no such command `chek` (hint: did you mean `check`?)"),
    "nearly two commands": (["cass"], "[U001] no such command `cass` (hint: did you mean `cases`?)"),
    "no option": (["--frob"], "[U001] no such option `--frob`"),
}


@pytest.mark.parametrize(("arguments", "begins"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_a_wrong_call_is_one_line_too(arguments: list[str], begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(begins)


def test_without_a_command_the_help_is_shown_and_it_counts_as_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("Usage: obverse")


def run(shell: str) -> subprocess.CompletedProcess[str]:
    """What happens to a real process under a real shell; `obverse` stands for ours."""
    script = f'obverse() {{ "{sys.executable}" -m obverse.cli "$@"; }}\n{shell}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, check=False, timeout=60, encoding="utf-8", errors="replace"
    )


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = run("set -o pipefail; obverse --help | true; echo ${PIPESTATUS[0]}")
    assert done.stderr == ""
    assert done.stdout in {"141\n", "0\n"}, "0 where everything fitted the pipe before its reader went"


def test_output_to_a_full_disk_is_one_line() -> None:
    done = run("obverse --help > /dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no space left" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_of_the_terminal_stops_an_error(encoding: str) -> None:
    done = run(f"PYTHONIOENCODING={encoding} obverse 'ünknown→'")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
