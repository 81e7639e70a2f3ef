"""`obverse cases`: the JSON that scripts stand on, the table for people, the file."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from obverse.cases.files import read_cases
from obverse.cli.app import main

POLICY = """---
policy: till
version: 2
---
# Till

```terms
tool refund(id: text, amount: integer)   effect money
```

## Large refunds  {#large}

A refund above 100 needs a person.

```rule
ask refund when amount > 100
```

## Be kind  {#kind}

Nobody has written this down as a rule yet.
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.md"
    path.write_text(POLICY)
    return path


def test_json_keeps_the_contract(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", str(policy), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() >= {"policy", "cases", "digest", "coverage"}
    assert said["policy"]["name"] == "till"
    assert said["coverage"]["boundary"] == {"met": 3, "infeasible": 0, "open": 0}
    assert list(said["coverage"]) == ["clause", "rule", "condition", "mcdc", "boundary", "twin"]


def test_the_file_holds_the_cases_that_were_counted(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cases.jsonl"
    assert main(["cases", str(policy), "-o", str(out), "--json", "--seed", "7"]) == 0
    said = json.loads(capsys.readouterr().out)
    cases = list(read_cases(out.read_bytes()))
    assert len(cases) == said["cases"]
    assert {case.seed for case in cases} == {7}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.jsonl", "policy.md"]


def test_the_table_names_every_clause(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", str(policy)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("large") and "3/3" in line for line in lines)
    assert any(line.startswith("kind") and line.endswith("not formalised") for line in lines)


def test_a_file_that_cannot_be_written_is_one_line(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", str(policy), "-o", str(policy.parent / "none" / "cases.jsonl")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_old_file_stays_when_nothing_new_can_be_derived(policy: Path, tmp_path: Path) -> None:
    out = tmp_path / "cases.jsonl"
    out.write_text("old")
    policy.write_text(POLICY.replace("amount > 100", "amont > 100"))
    assert main(["cases", str(policy), "-o", str(out)]) == 2
    assert out.read_text() == "old"


def test_full_depth_counts_every_level_and_says_why_what_cannot_be_shown_cannot(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text(
        POLICY.replace("ask refund when amount > 100", "ask refund when amount > 100\nwarn refund when amount > 50")
    )
    assert main(["cases", str(policy), "--depth", "full", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said["coverage"])[-4:] == ["exception", "order", "pair", "t-way"]
    assert said["coverage"]["pair"] == {"met": 2, "infeasible": 1, "open": 0}
    (proof,) = [one for one in said["infeasible"] if one["level"] == "pair"]
    assert proof["because"] == ["`amount > 100` (of `large/1`)", "`large/2` does not fire"]
    assert said["size"].keys() >= {"cases", "lower_bound", "exact"}
    assert said["size"]["cases"] + said["size"]["reworded"] == said["cases"]


def test_the_size_stands_beside_what_is_the_least(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", str(policy)]) == 0
    assert "3 of them show what stands below, no fewer of those found do" in capsys.readouterr().out
    assert main(["cases", str(policy), "--keep-all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"]["lower_bound"] == 3


def test_every_proof_is_listed_when_asked_for(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = "\n".join(f"forbid refund when amount > {n} and amount < {n}" for n in range(20, 30))
    policy.write_text(POLICY.replace("ask refund when amount > 100", rules))
    main(["cases", str(policy)])
    few = capsys.readouterr().out
    main(["cases", str(policy), "--infeasible"])
    many = capsys.readouterr().out
    assert "--infeasible lists them" in few
    assert "--infeasible lists them" not in many
    assert many.count(": infeasible: ") > 12 >= few.count(": infeasible: ")


def test_the_lattice_is_a_picture_that_asks_for_nothing(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lattice.svg"
    assert main(["cases", str(policy), "--lattice", str(out), "--json"]) == 0
    root = ElementTree.fromstring(out.read_text())
    said = " ".join(text for node in root.iter() if (text := node.text))
    assert "3 met" in said
    assert "not asked for" in said  # order, pair and t-way at standard depth
    assert "MC/DC" in said
    assert "http" not in out.read_text().replace("http://www.w3.org/2000/svg", "")
    capsys.readouterr()


FACTORS = {
    "no file": (None, "no such file"),
    "no factors": ("factors: {mood: [glad]}", "`mood` is no factor"),
    "nothing left": (
        "factors: {turn: [first, later]}\nstrength: 1\nnever: [{turn: first}, {turn: later}]", "no row satisfies",
    ),
    "too many": (
        "strength: 3\nfactors: {" + ", ".join(
            f"f{n}: {{" + ", ".join(f'v{k}: "{{text}} {k}"' for k in range(12)) + "}" for n in range(8)
        ) + "}", "more than 20,000 combinations",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FACTORS)
def test_wrong_factors_are_refused_in_one_line_before_any_work(
    name: str, policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, said = FACTORS[name]
    file = tmp_path / "factors.yaml"
    if text is not None:
        file.write_text(text)
    assert main(["cases", str(policy), "--factors", str(file)]) == 2
    printed = capsys.readouterr()
    assert said in printed.err.lower() or said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not printed.out


def test_factors_mean_full_depth(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "factors.json"
    file.write_text('{"strength": 1, "factors": {"turn": ["first", "later"]}}')
    assert main(["cases", str(policy), "--factors", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["depth"] == "full"
    assert said["coverage"]["t-way"] == {"met": 2, "infeasible": 0, "open": 0}
