"""`obverse cases --mutation`: the JSON that scripts stand on, the table for people, and what Ctrl-C leaves."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from obverse.cases.files import read_cases
from obverse.cli.app import main
from obverse.cli.mutation_lines import until_interrupted

POLICY = """---
policy: till
version: 2
---
# Till

```terms
tool get_order(id: text) -> (total: number)   effect read
tool refund(id: text, amount: integer)        effect money
```

## Refunds  {#refunds}

An order is looked up, and a refund above 100 needs two people.

```rule
forbid refund(id: o) unless once get_order(id: o)
ask refund when amount > 100 by 2 people
ask refund when amount > 100 and amount > 20
```
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.md"
    path.write_text(POLICY)
    return path


def test_json_keeps_the_contract(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", str(policy), "--mutation", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["mutation"]
    assert said.keys() >= {"killed", "equivalent", "alive", "undecided", "operators", "mutants", "cases", "smallest"}
    assert (said["alive"], said["undecided"]) == (0, 0)
    assert said["equivalent"] > 0  # dropping the third rule changes nothing, nor does its second condition
    assert said["killed"] + said["equivalent"] == len(said["mutants"])
    for mutant in said["mutants"]:
        assert mutant["state"] in ("killed", "equivalent")
        assert all(mutant["mutant"] in said["cases"][case] for case in mutant["killers"])


def test_without_the_option_nothing_is_said_of_it(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["cases", str(policy), "--json"])
    assert "mutation" not in json.loads(capsys.readouterr().out)


def test_the_file_holds_the_added_cases(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cases.jsonl"
    assert main(["cases", str(policy), "--mutation", "-o", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    names = {case.id for case in read_cases(out.read_bytes())}
    assert said["mutation"]["added"]
    assert names >= {*said["mutation"]["added"], *said["mutation"]["smallest"]["cases"]}
    assert len(names) == said["cases"]


def test_people_see_the_score_by_operator_and_which_case_kills_what(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cases", str(policy), "--mutation"]) == 0
    text = capsys.readouterr().out
    assert "mutants           " in text
    assert "mutants that are not proved equivalent are killed" in text
    assert "kill as much: no fewer of them do; whatever the cases," in text
    assert "such as refunds/2: people" in text


def test_the_first_interruption_lets_work_end_in_order_and_the_second_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with until_interrupted() as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert "what was found is kept" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
