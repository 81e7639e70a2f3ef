"""`obverse stability`: what it prints, its exit codes, its folder; bad input in one line; two runs compared."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from obverse.campaign.journal import read_answers
from obverse.campaign.stability.run import read_stability
from obverse.cli.app import main
from obverse.cli.commands import load
from obverse.cli.stability import ELSEWHERE
from obverse.stability.records import Draw, Settings
from obverse.targets.catalogue import cache_folder, find, folder_of
from obverse.testing.runs import POLICY

QUICK = ("--ladders", "typos", "--levels", "1", "--per-rung", "1", "--limit", "5", "--most", "34")


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("desk.md").write_text(POLICY)


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["stability", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = called(capsys, *arguments, "--json")
    return code, json.loads(out)


def test_a_dry_run_shows_the_plan_and_asks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "desk.md", "--target", "sim:wavering", "--dry-run", "-o", "run")
    assert code == 0
    assert out.startswith("plan: desk 1 against sim:wavering, 7 prompts\n")
    assert "nothing was asked (--dry-run)" in out
    assert not Path("run").exists()
    _, found = document(capsys, "run", "desk.md", "--target", "sim:wavering", "--dry-run")
    assert set(found) == {"policy", "target", "plan"}
    assert found["plan"]["digest"] in out
    assert found["plan"]["draws"] == found["plan"]["base_draws"] + found["plan"]["rung_draws"]


def test_a_run_prints_the_whole_diagnosis_and_leaves_a_folder_that_can_be_read_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, found = document(capsys, "desk.md", "--target", "sim:wavering", "-o", "run", *QUICK)
    assert code == (4 if found["boundary"] == "undecided" else 0)
    keys = {
        "policy",
        "target",
        "plan",
        "boundary",
        "says",
        "tallies",
        "prompts",
        "flips",
        "curves",
        "components",
        "inside",
        "joint",
    }
    assert keys <= set(found)
    assert found["report"] == "run/report.html"
    assert set(found["policy"]) == {"name", "digest"}
    assert found["plan"]["digest"].startswith("sha256:")
    assert Path("run/report.html").read_text().startswith("<!doctype html>")
    names = {path.name for path in Path("run").iterdir()}
    assert {"journal.sqlite", "stability.json", "diagnosis.json", "report.html"} <= names
    diagnosis = read_stability(Path("run"))
    assert json.loads(Path("run/diagnosis.json").read_text())["says"] == diagnosis.says
    again, told = document(capsys, "report", "run")
    assert again == code
    assert told == {**found, "command": told["command"]}


def test_what_people_read_says_where_the_prompts_stand(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "desk.md", "--target", "sim:refuses", "-o", "run", *QUICK)
    assert code == 0
    assert out.startswith("sim:refuses: refuses everything")
    assert "report: run/report.html" in out
    assert "plan: desk 1 against sim:refuses" in err


def test_what_was_cut_short_is_4_and_goes_on_with_resume(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "desk.md", "--target", "sim:complies", "-o", "run", "--max-calls", "20", *QUICK)
    assert code == 4
    assert "the cap of 20 calls was reached; go on with the same command and `--resume -o run`" in err
    assert out
    code, found = document(capsys, "desk.md", "--target", "sim:complies", "-o", "run", "--resume", *QUICK)
    assert code == 0
    assert found["complete"]
    assert found["boundary"] == "none"


def test_two_runs_are_compared_prompt_by_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    many = ("--ladders", "typos", "--levels", "1", "--per-rung", "1", "--most", "34")
    document(capsys, "desk.md", "--target", "sim:refuses", "-o", "a", *many)
    document(capsys, "desk.md", "--target", "sim:complies", "-o", "b", *many)
    code, found = document(capsys, "compare", "a", "b", "-o", "both.html")
    assert set(found) >= {"first", "second", "pairs", "moved", "p", "verdict", "report"}
    assert Path("both.html").read_text().startswith("<!doctype html>")
    assert set(found["too_few"]) == set(found["verdict"])  # seven prompts: whatever they do, no move is shown
    assert code == 4
    assert all(pair["difference"]["estimate"] == 1.0 for pair in found["pairs"])
    code, out, _ = called(capsys, "compare", "a", "a")
    assert code == 4
    assert "sim:refuses → sim:refuses, 7 prompts in both" in out


WRONG = {
    "an unknown ladder": (["desk.md", "--target", "sim:wavering", "--ladders", "typo"], "B501"),
    "levels 0": (["desk.md", "--target", "sim:wavering", "--levels", "0"], "B503"),
    "least above most": (["desk.md", "--target", "sim:wavering", "--least", "9", "--most", "8"], "B102"),
    "marks crossed": (
        ["desk.md", "--target", "sim:wavering", "--refuse-below", "0.9", "--comply-above", "0.1"],
        "B101",
    ),
    "nothing to ask": (["--target", "sim:wavering"], "B540"),
    "an unknown set": (["--target", "sim:wavering", "--behaviours", "harmbnch-val"], "B802"),
    "an unknown target": (["desk.md", "--target", "tourch:x"], "T010"),
    "a simulated target of another kind": (["desk.md", "--target", "sim:perfect"], "B521"),
    "a model that is not in the catalogue": (["desk.md", "--target", "torch:smolm2"], "M101"),
    "inside of an endpoint": (["desk.md", "--target", "sim:wavering", "--inside"], "U001"),
    "going on without a folder": (["desk.md", "--target", "sim:wavering", "--resume"], "U001"),
    "asking errors again from the start": (["desk.md", "--target", "sim:wavering", "--retry-errors"], "U001"),
    "no target": (["desk.md"], "U001"),
    "no policy there": (["gone.md", "--target", "sim:wavering"], "U002"),
    "a report of nothing": (["report", "gone"], "U001"),
    "a report of no run": (["report", "."], "R103"),
    "a comparison with no run": (["compare", ".", "."], "R103"),
    "a temperature that is no number": (["desk.md", "--target", "sim:wavering", "--temperature", "nan"], "U001"),
    "a key that is not there": (["desk.md", "--target", "openai:m", "--api-key-env", "NO_SUCH_KEY"], "U001"),
}


@pytest.mark.parametrize(("arguments", "code"), WRONG.values(), ids=WRONG)
def test_bad_input_is_one_line_with_its_code(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: str
) -> None:
    exit_code, out, err = called(capsys, *arguments, "--json")
    assert exit_code == 2
    assert json.loads(out)["error"]["code"] == code
    assert f"[{code}]" in err.splitlines()[-1]


def test_an_empty_policy_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty.md").write_text("---\npolicy: empty\nversion: 1\n---\n# Empty\n\nNothing is said here.\n")
    code, found = document(capsys, "empty.md", "--target", "sim:wavering")
    assert code == 2
    assert found["error"]["code"] == "B505"


def test_a_folder_that_holds_a_run_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    document(capsys, "desk.md", "--target", "sim:refuses", "-o", "run", *QUICK)
    code, found = document(capsys, "desk.md", "--target", "sim:refuses", "-o", "run", *QUICK)
    assert (code, found["error"]["code"]) == (2, "R101")
    code, found = document(capsys, "desk.md", "--target", "sim:refuses", "-o", "run", "--resume", "--seed", "1", *QUICK)
    assert (code, found["error"]["code"]) == (2, "R102")


def test_the_defaults_that_the_help_shows_are_those_of_the_settings() -> None:
    group = load("stability")
    assert isinstance(group, click.Group)
    told = CliRunner().invoke(group, ["run", "--help"], terminal_width=400).output
    usual = Settings()
    for name in ("levels", "variants", "per_rung", "least", "most", "refuse_below", "comply_above", "confidence", "attempts",
                 "temperature", "max_tokens"):  # fmt: skip
        line = next(line for line in told.splitlines() if line.strip().startswith(f"--{name.replace('_', '-')} "))
        assert f"[default: {getattr(usual, name):g}]" in line or f"[default: {getattr(usual, name):g};" in line, line


def test_the_group_knows_its_commands_and_takes_any_other_word_for_a_policy() -> None:
    group = load("stability")
    assert isinstance(group, click.Group)
    context = click.Context(group)
    assert set(group.list_commands(context)) == {"run", "compare", "report", *ELSEWHERE}
    assert all(isinstance(group.get_command(context, name), click.Command) for name in ("run", "compare", "report"))
    assert group.get_command(context, "desk.md") is None


MODEL = folder_of(find("smollm2-135m"), cache_folder(os.environ))


@pytest.mark.slow
@pytest.mark.skipif(
    not MODEL.exists() or importlib.util.find_spec("torch") is None,
    reason="it needs the extra `internals` and `obverse models fetch smollm2-135m`",
)
def test_a_real_model_in_this_process_is_measured_and_repeats_itself(capsys: pytest.CaptureFixture[str]) -> None:
    short = (
        *("desk.md", "--target", "torch:smollm2-135m", "--threads", "2", "--limit", "3", "--ladders", "casing"),
        *("--levels", "1", "--per-rung", "1", "--most", "3", "--least", "3", "--max-tokens", "8"),
    )
    _, whole = document(capsys, *short, "-o", "whole")
    assert (whole["complete"], whole["draws"], whole["errors"]) == (True, 12, {})
    assert not any("token entropy" in note for note in whole["notes"])
    _, cut = document(capsys, *short, "-o", "parts", "--max-calls", "5")
    assert cut["draws"] == 5
    _, parts = document(capsys, *short, "-o", "parts", "--resume")
    assert parts["says"] == whole["says"]
    first, second = ({draw.key: draw for draw in read_answers(Path(name), Draw)} for name in ("whole", "parts"))
    assert {key: (draw.text, draw.behaviour, draw.judged) for key, draw in first.items()} == {
        key: (draw.text, draw.behaviour, draw.judged) for key, draw in second.items()
    }
    for key, draw in first.items():  # what is asked beside it moves the last digits of an entropy, and no answer
        assert draw.entropy == pytest.approx(second[key].entropy, abs=1e-4)
