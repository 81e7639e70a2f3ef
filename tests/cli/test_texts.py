"""`obverse texts`: contexts, a writer that is a Python function, what is printed, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cases.texts import POLICY, library_suite

from obverse.cases.files import read_cases, write_cases
from obverse.cli.app import main

WRITER = """
import json

def faithful(messages):
    return "Just this, then. " + json.loads(messages[-1]["content"].removeprefix("Message: ")) + " Bye for now."

def liar(messages):
    return "Could you tell me something about the weather, please?"

def judge(messages):
    return "yes"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # no encoder: what is printed does not depend on it
    Path("policy.md").write_text(POLICY)
    Path("scribe.py").write_text(WRITER)
    Path("cases.jsonl").write_bytes(write_cases(library_suite().cases))
    return tmp_path


def texts(*options: str) -> int:
    """The command on the cases of the policy, which were derived once."""
    return main(["texts", "policy.md", "--cases", "cases.jsonl", *options])


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_json_keeps_the_contract(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["texts", "policy.md", "--json"]) == 0  # derives them itself
    found = said(capsys)
    assert found["cases"] == len(library_suite().cases)
    assert found.keys() >= {"policy", "cases", "digest", "realised", "rejected", "fallback", "diversity", "untold"}
    assert (found["realised"], found["fallback"], found["rejected"]) == (None, None, {})  # nobody was asked


def test_the_cases_are_told_in_the_context(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert texts("--in", "language=de,register=formal", "-o", "de.jsonl", "--json") == 0
    found = said(capsys)
    cases = list(read_cases(Path("de.jsonl").read_bytes()))
    assert len(cases) == found["cases"]
    assert {tuple(case.context.items()) for case in cases} == {(("language", "de"), ("register", "formal"))}
    assert list(found["diversity"]["after"]) == ["de"]  # type: ignore[index,call-overload]  # JSON


def test_families_vary_over_factors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert texts("--vary", "language", "--vary", "technique", "-o", "all.jsonl") == 0
    contexts = {tuple(sorted(case.context.items())) for case in read_cases(Path("all.jsonl").read_bytes())}
    assert len(contexts) > 4
    assert "before, en" in capsys.readouterr().out


def test_a_faithful_writer_words_the_cases(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = [
        "--writer",
        "python:scribe:faithful",
        "--labeller",
        "nearest",
        "-o",
        "out.jsonl",
        "--json",
    ]
    assert texts(*call) == 0
    found = said(capsys)
    assert found["realised"]
    assert found["messages"] == found["realised"] + found["fallback"]  # type: ignore[operator]  # numbers
    answers = Path("out.jsonl.answers").read_bytes()
    first = Path("out.jsonl").read_bytes()
    assert texts(*call) == 0
    assert (Path("out.jsonl.answers").read_bytes(), Path("out.jsonl").read_bytes()) == (answers, first)


def test_a_liar_words_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert texts("--writer", "python:scribe:liar", "--json") == 0
    found = said(capsys)
    assert (found["realised"], found["fallback"]) == (0, found["messages"])
    assert texts("--writer", "python:scribe:liar") == 0
    assert "rejected:" in capsys.readouterr().out


def test_a_target_may_label_but_not_its_own_texts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert texts("--writer", "python:scribe:liar", "--labeller", "python:scribe:judge") == 0
    same = ["--writer", "python:scribe:judge", "--labeller", "python:scribe:judge"]
    assert texts(*same) == 2
    assert "would also say whether" in capsys.readouterr().err
    assert texts(*same, "--same-model") == 0


BAD = {
    "no such register": (["--in", "register=rude"], "is no register"),
    "no such factor": (["--vary", "mood"], "is no factor"),
    "no value": (["--in", "polite"], "is no factor with a value"),
    "no such target": (["--writer", "oracle:x"], "unknown target"),
    "no cases": (["--cases", "policy.md"], "not a case"),
    "no answers": (["--writer", "python:scribe:liar", "--answers", "policy.md"], "holds no recorded answers"),
    "no key": (["--writer", "openai:x", "--api-key-env", "NOT_THERE"], "NOT_THERE"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_said_in_one_line(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, message = BAD[name]
    assert texts(*options) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_cases_of_another_policy_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.md").write_text(POLICY.replace("amount > 20", "amount > 30"))
    assert main(["texts", "other.md", "--cases", "cases.jsonl"]) == 2
    assert "of another policy" in capsys.readouterr().err


def test_what_cannot_be_told_is_counted_and_the_exit_code_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("english.md").write_text(POLICY.replace('"Wo wohnt die Person, die das Buch gerade hat?", ', ""))
    assert main(["texts", "english.md", "--in", "language=de", "--json"]) == 4
    assert "`message.asks_for_a_home_address` has no example in `de`" in said(capsys)["untold"]  # type: ignore[operator]  # JSON
