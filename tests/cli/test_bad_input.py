"""Every command on every kind of bad input: one line, the exit code that is documented, no traceback, nothing written."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from obverse.cli.app import main
from obverse.cli.exit_codes import ExitCode

POLICY = """---
policy: till
---
# Till

```terms
tool pay(to: text, amount: number) effect money
```

## At most a hundred {#hundred}

```rule
forbid pay when amount > 100
```
"""
CHAT = json.dumps({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]})
CALL = {"kind": "call", "id": "e1", "call_id": "c1", "tool": "pay", "arguments": '{"to": "a", "amount": 5}'}
LARGER_THAN_MEMORY = 200_000_000

COMMANDS = {
    "check": ["check", "{policy}"],
    "fmt": ["fmt", "{policy}"],
    "fmt --write": ["fmt", "--write", "{policy}"],
    "cases": ["cases", "{policy}", "-o", "out.jsonl"],
    "run": ["run", "{policy}", "--target", "sim:perfect", "-o", "out"],
    "run --dry-run": ["run", "{policy}", "--target", "sim:perfect", "--dry-run"],
    "audit": ["audit", "{policy}", "log.jsonl", "-o", "out"],
    "decide": ["decide", "{policy}"],
}
POLICIES = {
    "missing": (None, "U002", "no such file or directory"),
    "a folder": ("folder", "U004", "is a folder"),
    "empty": (b"", "P102", "no front matter"),
    "binary": (bytes(range(256)), "P100", "not UTF-8 text"),
    "UTF-16": (POLICY.encode("utf-16"), "P100", "not UTF-8 text"),
    "Latin-1": ((POLICY + "é").encode("latin-1"), "P100", "not UTF-8 text"),
    "200 MB": (LARGER_THAN_MEMORY, "P101", "is larger than 1,000,000 bytes"),
    "a rule that is none": (POLICY.replace("forbid", "forbidden").encode(), "P", ""),
}
MEANS_NOTHING = {
    "an unknown tool": (POLICY.replace("forbid pay", "forbid pey").encode(), "P200", "did you mean `pay`?"),
    "a cyclic definition": (
        POLICY.replace("\n```\n\n##", "\nlet a = b\nlet b = a\n```\n\n##").encode(),
        "P208",
        "cyclic",
    ),
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a policy and a log that are in order, and stdin with one event."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "till.md").write_text(POLICY)
    (tmp_path / "log.jsonl").write_text(CHAT + "\n")
    (tmp_path / "folder").mkdir()
    _stdin(monkeypatch, json.dumps(CALL).encode())
    return tmp_path


def _stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def _lay(desk: Path, what: bytes | str | int | None) -> str:
    """The name of a policy that was made of this: bytes, a size, a folder, or nothing."""
    path = desk / "bad.md"
    if isinstance(what, str):
        return what
    if isinstance(what, int):
        path.touch()
        os.truncate(path, what)  # sparse: it takes no room
    elif what is not None:
        path.write_bytes(what)
    return path.name


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(("what", "code", "said"), POLICIES.values(), ids=POLICIES)
def test_a_bad_policy_is_one_line_and_nothing_is_written(
    what: bytes | str | int | None,
    code: str,
    said: str,
    command: list[str],
    desk: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = _lay(desk, what)
    before = _listing(desk)
    assert main([word.format(policy=name) for word in command]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"[{code}" in err
    assert said in err
    assert _listing(desk) == before


@pytest.mark.parametrize("command", [words for name, words in COMMANDS.items() if not name.startswith("fmt")])
@pytest.mark.parametrize(("what", "code", "said"), MEANS_NOTHING.values(), ids=MEANS_NOTHING)
def test_a_policy_that_means_nothing_is_refused_by_all_that_need_its_meaning(
    what: bytes, code: str, said: str, command: list[str], desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = _lay(desk, what)
    assert main([*[word.format(policy=name) for word in command], "--json"]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert said in err
    assert json.loads(out)["error"]["code"] == code


def test_a_byte_order_mark_is_no_fault(desk: Path) -> None:
    (desk / "bom.md").write_bytes(b"\xef\xbb\xbf" + POLICY.encode())
    assert main(["check", "bom.md"]) == ExitCode.HOLDS


RUN = ["run", "till.md", "--target", "sim:perfect", "-o", "out"]
WRONG_CALLS = {
    "an unknown flag": (["check", "till.md", "--frob"], "no such option `--frob`"),
    "no policy": (["cases"], "missing argument `POLICY`"),
    "two policies": (["check", "till.md", "till.md"], "unexpected extra argument"),
    "no target": (["run", "till.md"], "missing option `--target`"),
    "a scheme that is none": (["run", "till.md", "--target", "telnet:x"], "unknown target `telnet:`"),
    "an agent that is none": (["run", "till.md", "--target", "sim:nope"], "is no simulated agent"),
    "a clause that is none": (["run", "till.md", "--target", "sim:breaks=x,p=0.1"], "no clause `x`"),
    "a module that is none": (["run", "till.md", "--target", "python:no_such_module:x"], "cannot import"),
    "a model that is none": (["run", "till.md", "--target", "local:nope"], "unknown model `nope`"),
    "no address": (["run", "till.md", "--target", "openai:x", "--base-url", "nonsense"], "is no base URL"),
    "a key that is not there": ([*RUN, "--api-key-env", "OBVERSE_NO_SUCH_KEY"], "has no `OBVERSE_NO_SUCH_KEY`"),
    "errors again without a run": ([*RUN, "--retry-errors"], "goes with --resume"),
    "money without a price": ([*RUN, "--max-money", "5"], "needs a price"),
    "money that is none": ([*RUN, "--price", "a", "b"], "no amount of money"),
    "a time-out that is no number": (["check", "till.md", "--timeout", "nan"], "not a finite number"),
    "a time-out without end": (["check", "till.md", "--timeout", "inf"], "not a finite number"),
    "no rounds": ([*RUN, "--rounds", "0"], "not in the range"),
    "rounds without end": ([*RUN, "--rounds", "99999999999"], "not in the range"),
    "concurrency without end": ([*RUN, "--concurrency", "99999999999"], "not in the range"),
    "a rate of nothing": ([*RUN, "--rate", "0"], "not in the range"),
    "a rate that is no number": ([*RUN, "--rate", "nan"], "not a finite number"),
    "a time cap that is no number": ([*RUN, "--max-seconds", "nan"], "not a finite number"),
    "a negative temperature": ([*RUN, "--temperature", "-1"], "not in the range"),
    "a confidence of one": ([*RUN, "--confidence", "1"], "not in the range"),
    "a threshold that is no number": ([*RUN, "--max-violation", "nan"], "not a finite number"),
    "a seed that no endpoint takes": ([*RUN, "--seed", str(2**64)], "not in the range"),
    "an output that is a file": ([*RUN[:-1], "till.md"], "is a file"),
    "an output that is a folder": (["cases", "till.md", "-o", "folder"], "is a directory"),
    "an output in no folder": (["cases", "till.md", "-o", "gone/x.jsonl"], "gone/x.jsonl`"),
    "no transcripts": (["audit", "till.md"], "missing argument `FILE...`"),
    "a format that is none": (["audit", "till.md", "log.jsonl", "--format", "xml"], "is not one of"),
    "transcripts that are a folder": (["audit", "till.md", "folder"], "is a directory: `folder`"),
    "the second file is missing": (["audit", "till.md", "log.jsonl", "gone.jsonl", "-o", "out"], "`gone.jsonl`"),
    "no run": (["report", "folder"], "no journal in `folder`"),
    "no folder": (["report", "gone"], "no journal in `gone`"),
    "a run that is a file": (["report", "till.md"], "no journal in `till.md`"),
    "both ways to format": (["fmt", "--write", "--check", "till.md"], "exclude each other"),
    "an unknown model": (["models", "fetch", "nope"], "unknown model `nope`"),
    "an unknown model's folder": (["models", "path", "nope"], "unknown model `nope`"),
    "no such subcommand": (["models", "frob"], "no such command `frob`"),
}


@pytest.mark.parametrize(("call", "said"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_a_wrong_call_is_one_line_and_nothing_is_written(
    call: list[str], said: str, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _listing(desk)
    assert main([*call, "--json"]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line != "deriving the cases"]
    assert len(lines) == 1
    assert said in lines[0]
    assert json.loads(out)["error"]["message"] in lines[0]
    assert _listing(desk) == before
    assert not (desk / "out").exists()


EVENTS = {
    "garbage": b"garbage\n",
    "a web page": b"<!doctype html>\n",
    "random bytes": bytes(range(256)),
    "cut in the middle": json.dumps(CALL).encode()[:40],
    "a lone surrogate": b'{"kind": "message", "id": "e1", "text": "\\ud800"}\n',
    "deeply nested": b"[" * 100_000,
    "another kind of thing": b'{"kind": "pigeon", "id": "e1"}\n',
    "a line without end": b'{"kind": "message", "id": "e1", "text": "' + b"a" * 17_000_000,
}


@pytest.mark.parametrize("data", EVENTS.values(), ids=EVENTS)
def test_what_is_no_event_ends_a_filter_after_all_that_was_decided(
    data: bytes, desk: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    _stdin(monkeypatch, json.dumps(CALL).encode() + b"\n" + data)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO()))
    assert main(["decide", "till.md"]) == ExitCode.USAGE
    err = capfdbinary.readouterr().err
    assert err.count(b"\n") == 1
    assert err.startswith(b"stdin:2:1: [D101] ")


# --- what stands where the output goes ------------------------------------------------------------------------------------


def test_an_output_keeps_what_stood_there_until_it_is_whole(desk: Path) -> None:
    (desk / "cases.jsonl").write_text("before")
    (desk / "cases.jsonl").chmod(0o640)
    (desk / "link.jsonl").symlink_to("cases.jsonl")
    assert main(["cases", "till.md", "-o", "link.jsonl"]) in {ExitCode.HOLDS, ExitCode.UNDECIDED}
    assert (desk / "link.jsonl").is_symlink()
    assert (desk / "cases.jsonl").stat().st_mode & 0o777 == 0o640
    assert json.loads((desk / "cases.jsonl").read_text().splitlines()[0])["id"]


def test_a_device_is_written_to_and_never_replaced(desk: Path) -> None:
    before = Path("/dev/null").stat()
    assert main(["cases", "till.md", "-o", "/dev/null"]) in {ExitCode.HOLDS, ExitCode.UNDECIDED}
    assert Path("/dev/null").stat().st_ino == before.st_ino


def test_formatting_keeps_permissions_and_leaves_nothing_beside(desk: Path) -> None:
    path = desk / "till.md"
    path.write_text(POLICY.replace("amount > 100", "amount   >   100"))
    path.chmod(0o600)
    assert main(["fmt", "--write", "till.md"]) == ExitCode.HOLDS
    assert path.read_text() == POLICY
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(item.name for item in desk.iterdir()) == ["folder", "log.jsonl", "till.md"]


def test_a_full_disk_leaves_the_old_file_as_it_was(desk: Path) -> None:
    """`RLIMIT_FSIZE` stands for the full disk: a write beyond it fails as one does there."""
    import resource
    import signal

    (desk / "cases.jsonl").write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        assert main(["cases", "till.md", "-o", "cases.jsonl"]) == ExitCode.USAGE
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (desk / "cases.jsonl").read_text() == "before"
    assert sorted(item.name for item in desk.iterdir()) == ["cases.jsonl", "folder", "log.jsonl", "till.md"]
