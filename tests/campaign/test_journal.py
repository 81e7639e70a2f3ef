"""The journal: durable before it counts, one process at a time, one plan; damaged or full, it says so in one line."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from obverse.campaign.journal import NAME, Journal, begun_times, open_journal, read_plan, read_trials
from obverse.campaign.records import Trial
from obverse.campaign.run import RUN, read_run
from obverse.core.errors import MisuseError, ObverseError, UntrustedInputError
from obverse.core.verdicts import Outcome
from obverse.testing.runs import desk_run, execute


def trial(key: str, outcome: Outcome = Outcome.KEPT) -> Trial:
    return Trial(key=key, case="c", round=0, outcome=outcome, reason="for the test")


def within(folder: Path, work: Callable[[Journal], Coroutine[Any, Any, None]], *, resume: bool = False) -> None:
    journal = open_journal(folder, desk_run().plan, resume=resume)
    try:
        asyncio.run(work(journal))
    finally:
        journal.close()


def test_the_plan_stands_in_it_before_anything_is_asked(tmp_path: Path) -> None:
    open_journal(tmp_path, desk_run().plan, resume=False).close()
    assert read_plan(tmp_path)[0] == desk_run().plan
    assert begun_times(tmp_path) == {}


def test_what_was_begun_and_what_was_answered_are_told_apart(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        await asyncio.gather(*(journal.begin(key) for key in "abc"))
        await journal.answer(trial("b"))
        # another reader, of the same file: it is durable as soon as it is said to be
        assert [found.key for found in read_trials(tmp_path)] == ["b"]

    within(tmp_path, work)
    within(tmp_path, lambda journal: journal.begin("c"), resume=True)
    assert begun_times(tmp_path) == {"a": 1, "b": 1, "c": 2}
    assert list(read_trials(tmp_path)) == [trial("b")]


def test_a_thousand_writes_at_once_are_all_there(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        async def both(number: int) -> None:
            await journal.begin(str(number))
            await journal.answer(trial(str(number)))

        await asyncio.gather(*(both(number) for number in range(1000)))

    within(tmp_path, work)
    assert {found.key for found in read_trials(tmp_path)} == {str(number) for number in range(1000)}


def test_a_second_run_in_the_same_folder_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    execute(desk_run(rounds=2), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(MisuseError, match="already holds a run") as caught:
        execute(desk_run(rounds=2), tmp_path)
    assert caught.value.code == "R101"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_two_runs_at_work_in_one_folder_are_one_too_many(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, desk_run().plan, resume=False)
    with pytest.raises(MisuseError, match="another run is at work") as caught:
        open_journal(tmp_path, desk_run().plan, resume=True)
    assert caught.value.code == "R105"
    journal.close()
    open_journal(tmp_path, desk_run().plan, resume=True).close()


def test_a_resumed_run_of_another_plan_is_refused_and_says_what_changed(tmp_path: Path) -> None:
    execute(desk_run(rounds=2), tmp_path)
    with pytest.raises(MisuseError, match=r"another plan: `sampling`, `seed` changed") as caught:
        execute(desk_run(rounds=2, seed=8), tmp_path, resume=True)
    assert caught.value.code == "R102"


def test_a_folder_in_which_nothing_was_planned_yet_takes_a_run(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / NAME).close()  # what a kill in the first millisecond leaves
    (tmp_path / NAME).touch()
    assert execute(desk_run(rounds=2), tmp_path).complete


def test_a_path_that_looks_like_a_url_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "a?b=c#d%20e"
    assert execute(desk_run(rounds=2), folder).complete
    assert read_run(folder).complete


def overwritten(folder: Path) -> None:
    (folder / NAME).write_bytes(b"no database " * 1000)


def cut(folder: Path) -> None:
    data = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(data[: len(data) // 2])


def answer_garbled(folder: Path) -> None:
    with sqlite3.connect(folder / NAME) as connection:
        connection.execute("UPDATE trials SET answer = x'ff00' WHERE rowid = 3")
    connection.close()


def plan_garbled(folder: Path) -> None:
    with sqlite3.connect(folder / NAME) as connection:
        connection.execute("UPDATE meta SET value = '{}' WHERE key = 'plan'")
    connection.close()


def emptied(folder: Path) -> None:
    with sqlite3.connect(folder / NAME) as connection:
        connection.execute("DROP TABLE trials")
    connection.close()


DAMAGES = [overwritten, cut, answer_garbled, plan_garbled, emptied]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_an_error_of_one_line_to_whoever_reads_it(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    execute(desk_run(rounds=2), tmp_path)
    damage(tmp_path)
    with pytest.raises(UntrustedInputError, match="the journal in") as caught:
        read_run(tmp_path)
    assert (caught.value.code, str(caught.value).count("\n")) == ("R104", 0)


@pytest.mark.parametrize("damage", DAMAGES[:-1])
def test_a_damaged_journal_is_no_journal_to_go_on_with(damage: Callable[[Path], None], tmp_path: Path) -> None:
    execute(desk_run(rounds=2), tmp_path)
    damage(tmp_path)
    with pytest.raises(ObverseError) as caught:
        execute(desk_run(rounds=2), tmp_path, resume=True)
    assert (caught.value.code, str(caught.value).count("\n")) == ("R104", 0)


def test_a_folder_without_a_journal_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UntrustedInputError) as caught:
        read_run(tmp_path / "nowhere")
    assert caught.value.code == "R103"


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 3}', b"\xff"])
def test_a_run_without_what_it_stands_on_is_refused(content: bytes, tmp_path: Path) -> None:
    execute(desk_run(rounds=2), tmp_path)
    (tmp_path / RUN).write_bytes(content)
    with pytest.raises(UntrustedInputError) as caught:
        read_run(tmp_path)
    assert (caught.value.code, str(caught.value).count("\n")) == ("R109", 0)


def test_a_policy_that_was_changed_afterwards_is_found(tmp_path: Path) -> None:
    execute(desk_run(rounds=2), tmp_path)
    kept = (tmp_path / RUN).read_bytes()
    assert b"A saver booking is not cancelled." in kept
    (tmp_path / RUN).write_bytes(kept.replace(b"is not cancelled.", b"may be cancelled."))
    with pytest.raises(UntrustedInputError, match="not those of the plan") as caught:
        read_run(tmp_path)
    assert caught.value.code == "R108"


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ObverseError) as caught:
        execute(desk_run(rounds=2), tmp_path / "file")
    assert (caught.value.code, str(caught.value).count("\n")) == ("R106", 0)
