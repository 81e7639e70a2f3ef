"""Policies that mean harm to the solver: every question has an answer in time, if only that there is none, and none a traceback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from obverse.cli.app import main
from obverse.cli.exit_codes import ExitCode
from obverse.core.errors import ManyErrors
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse
from obverse.solver.analyse import analyse, examine
from obverse.solver.answers import Act, Found, Goal, Undecided
from obverse.solver.find import Finder, find
from obverse.solver.findings import Analysis
from obverse.solver.settings import Settings

TERMS = """
tool get(id: text) -> (total: number, made: time, state: one of "a", "b")  effect read
tool pay(id: text, amount: number, to: text) effect money
fact v: bool
"""
PAY = Act(kind="call", tool="pay")
QUICK = Settings(timeout_ms=1_500, effort=400_000)


def written(rules: str, terms: str = "", files: Callable[[str], bytes] | None = None) -> Checked:
    text = f"---\npolicy: bad\n---\n# Bad\n\n```terms\n{TERMS}{terms}\n```\n\n## A {{#a}}\n\n```rule\n{rules}\n```\n"
    return check(parse(text, files=files) if files else parse(text))


def codes(analysis: Analysis) -> set[str]:
    return {finding.code for finding in analysis.findings}


HARD = {
    "numbers without a decimal": "forbid pay when amount * amount = 2",
    "thirds": "forbid pay when amount * 3 = 1",
    "a cubic": "forbid pay when amount * amount * amount + amount * amount = 12345678901234567890",
    "numbers of fifty digits": f"forbid pay when amount > {'9' * 50}.5 and amount < {'9' * 50}.75",
    "patterns that overlap": 'forbid pay when to matches "(a|aa)+b" and not to matches "(a|aa|aaa)*b"',
    "patterns without end": 'forbid pay when to matches "(.*a.*b.*c){1,40}" and to matches "(.*c.*b.*a){1,40}" and length(to) < 9',
    "a hundred tests of one text": "forbid pay when " + " and ".join(f'not to contains "x{n}"' for n in range(100)),
    "counts of counts": "forbid pay when count(call get where count(call pay where count(call get) > 3) > 2) > 4",
    "a limit of millions": "limit pay to 99999999 per 1h\nforbid pay when count(call get) > 9999999",
    "windows of ages": 'limit pay to 3 per 10000w\nforbid pay when once call get within 50000w and now < time "1971-01-01T00:00:00Z"',
    "dates before and after": 'forbid pay when last get has (made < time "0002-01-01T00:00:00Z" or made > time "9998-01-01T00:00:00Z")',
}


@pytest.mark.parametrize("rules", HARD.values(), ids=HARD)
def test_a_hard_question_ends_in_an_answer_or_in_its_reason(rules: str) -> None:
    started = time.monotonic()
    analysis = analyse(written(rules), settings=QUICK)
    assert time.monotonic() - started < 60
    assert all(one.reason for one in analysis.undecided)
    assert "S202" not in codes(analysis)


def test_numbers_are_exact_however_long() -> None:
    (rule,) = written(f"forbid pay when amount > {'9' * 50}.5 and amount < {'9' * 50}.75").rules
    found = find(written("forbid pay"), Goal(head=PAY, wishes=(rule.fires,)))
    assert isinstance(found, Found)


def test_a_date_of_birth_before_1970_is_a_date() -> None:
    checked = written('forbid pay when last get has made < time "1950-01-01T00:00:00Z"')
    assert codes(analyse(checked, settings=QUICK)) <= {"S217"}


def test_contradictory_definitions_are_findings_and_no_crash() -> None:
    terms = "let large = amount > 5\nlet small = not large\nlet both = large and small\n"
    analysis = analyse(written("forbid pay when both\nforbid pay unless both\npermit pay when large and small", terms))
    assert {"S201", "S202"} <= codes(analysis)


def test_definitions_that_double_are_refused_by_name_or_solved() -> None:
    def doubled(times: int) -> Checked:
        lets = [f"let d{n} = (d{n - 1} or amount > {n}) and (d{n - 1} or not v)" for n in range(1, times + 1)]
        return written(f"forbid pay when d{times}", "let d0 = amount > 1 and v\n" + "\n".join(lets))

    with pytest.raises(ManyErrors, match="P218"):
        doubled(30)
    assert "S201" not in codes(analyse(doubled(7), settings=QUICK))


def test_a_solver_without_memory_does_not_know() -> None:
    checked = written("forbid pay when amount > 5 and once call get\nforbid pay when amount > 9")
    analysis = analyse(checked, settings=Settings(memory_mb=1))
    assert analysis.undecided
    assert all("the solver ran out of memory" in one.reason for one in analysis.undecided)
    assert codes(analysis) <= {"S217"}


def test_a_finder_that_ran_out_of_memory_goes_on_with_the_next_goal() -> None:
    checked = written("forbid pay when amount > 5\nforbid pay when once call get")
    finder = Finder(checked, Settings(memory_mb=1))
    goals = [Goal(head=PAY, wishes=(rule.fires,)) for rule in checked.rules]
    assert all(isinstance(finder.find(goal), Undecided) for goal in goals)
    assert finder.gave_up


def test_ten_thousand_values_are_told_apart() -> None:
    schema = {
        "type": "object",
        "properties": {"code": {"enum": [f"value {n}" for n in range(10_000)]}},
        "required": ["code"],
    }
    tools = json.dumps([{"name": "tag", "inputSchema": schema}]).encode()
    rules = (
        'forbid tag when code starts with "value 99" and not code = "value 9999"\n'
        'forbid tag when code = "value 17" and code contains "8"'
    )
    checked = written(rules, 'terms from "tools.json"', lambda _: tools)
    started = time.monotonic()
    never = [one.rule for one in analyse(checked, settings=QUICK).findings if one.code == "S201"]
    assert never == ["a/2"]
    assert time.monotonic() - started < 60


def many(clauses: int) -> str:
    """So many clauses about one tool, so that every rule meets every other one."""
    lines = ["---", "policy: many", "---", "# Many", "", "```terms", TERMS, "```", ""]
    for n in range(clauses):
        rule = (
            f"permit pay when amount < {n} and v" if n % 5 == 0 else f"forbid pay when amount > {n} and once call get"
        )
        lines += [f"## C{n} {{#c{n}}}", "", "```rule", rule, "```", ""]
    return "\n".join(lines)


def test_a_budget_is_kept_and_what_was_not_asked_is_listed() -> None:
    checked = check(parse(many(200)))
    started = time.monotonic()
    examination = examine(
        checked, settings=QUICK, stop=lambda: "the budget was spent" if time.monotonic() - started > 2 else None
    )
    for _ in examination:
        pass
    analysis = examination.analysis()
    assert time.monotonic() - started < 20
    asked = len(analysis.undecided)
    assert asked > 0
    assert {one.reason for one in analysis.undecided} == {"not asked: the budget was spent"}


@pytest.mark.slow
def test_a_thousand_clauses_about_one_tool_end_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "many.md"
    path.write_text(many(1_000))
    started = time.monotonic()
    code = main(["check", str(path), "--budget", "5", "--no-cache", "--json"])
    assert time.monotonic() - started < 60
    said = json.loads(capsys.readouterr().out)
    assert code in (ExitCode.VIOLATED, ExitCode.UNDECIDED)
    assert said["undecided"]
    assert said["complete"] is True
