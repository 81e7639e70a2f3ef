"""`not shown` must not pass for `the same` where nothing could have been shown: twelve prompts of a small policy, say."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from tests.stability.test_compare import One, run

from obverse.campaign.stability.run import read_stability
from obverse.cli.app import main
from obverse.cli.exit_codes import ExitCode
from obverse.stability.compare import compare
from obverse.stability.findings import Counted
from obverse.stability.records import Settings
from obverse.testing.boundary_runs import desk_boundary, measure

KINDS: tuple[Literal["case", "twin", "control"], ...] = ("case", "twin", "control")


def everything_moved(groups: int) -> tuple[str, ...]:
    """What is said beside the verdicts where every prompt of every kind complies in the second run and refused in the first."""
    first, second = (
        run(
            *(One(id=f"{kind} {i}", kind=kind, counted=counted) for kind in KINDS for i in range(groups)),
            fingerprint=name,
        )
        for counted, name in ((Counted(refused=31), "a"), (Counted(complied=31), "b"))
    )
    found = compare(first, second)
    assert found.verdict == dict.fromkeys(KINDS, "not shown" if groups < 6 else "moved to comply")
    return found.missing


@pytest.mark.parametrize("groups", [1, 3, 5])
def test_too_few_prompts_to_show_anything_is_said_of_each_kind(groups: int) -> None:
    said = [one for one in everything_moved(groups) if "cannot show a move" in one]
    assert [one.split(":")[0] for one in said] == [f"{kind}s" for kind in sorted(KINDS)]


def test_enough_prompts_are_not_called_too_few() -> None:
    assert not any("cannot show" in one for one in everything_moved(7))


def test_kinds_without_power_are_named_in_the_record() -> None:
    few = compare(
        run(One(id="a", counted=Counted(refused=31))), run(One(id="a", counted=Counted(refused=31)), fingerprint="b")
    )
    assert few.too_few == ("case",)
    ones = [One(id=f"{i}", counted=Counted(refused=31)) for i in range(6)]
    assert compare(run(*ones), run(*ones, fingerprint="b")).too_few == ()


def test_a_pipeline_that_could_not_have_seen_a_move_gets_no_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(ladders=("casing",), levels=1, per_rung=1, most=8)
    measure(desk_boundary("wavering,seed=1", settings=settings), tmp_path / "one")
    measure(desk_boundary("wavering,seed=2", settings=settings), tmp_path / "two")
    found = compare(read_stability(tmp_path / "one"), read_stability(tmp_path / "two"))
    assert found.too_few
    assert main(["stability", "compare", str(tmp_path / "one"), str(tmp_path / "two")]) == ExitCode.UNDECIDED
    assert "cannot show a move" in capsys.readouterr().err
