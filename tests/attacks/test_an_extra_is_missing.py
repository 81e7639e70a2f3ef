"""A package that is not installed costs what it is for, and nothing else: no run that was made, no figure, no exit code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from obverse.campaign.stability.run import read_stability
from obverse.cli.app import main
from obverse.cli.exit_codes import ExitCode
from obverse.cli.stability_files import exit_code
from obverse.stability.records import Settings
from obverse.testing.boundary_runs import desk_boundary, measure


@pytest.mark.parametrize("absent", [("vl_convert",), ("vl_convert", "altair", "torch", "transformers", "ray", "PIL")])
def test_without_the_packages_of_pictures_a_run_is_still_told_whole(
    absent: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    measure(desk_boundary(settings=Settings(ladders=("casing",), levels=1, per_rung=1, most=8)), run)
    found = read_stability(run)
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    code = main(["stability", "report", str(run)])
    out, err = capsys.readouterr()
    assert code == exit_code(found) != ExitCode.USAGE
    assert found.says in out
    assert err.count("no pictures beside the page") == 1
    page = (run / "report.html").read_text()
    assert "<table" in page
    assert not list(run.glob("*.png"))
    assert main(["stability", "compare", str(run), str(run), "-o", str(tmp_path / "both.html")]) == ExitCode.UNDECIDED
    assert (tmp_path / "both.html").is_file()
