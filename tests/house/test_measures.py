"""The page of measures is what the result files say, and every result names the command that writes it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_measures_is_what_the_results_say() -> None:
    spec = importlib.util.spec_from_file_location("measures", ROOT / "tools" / "measures.py")
    # INVARIANT: the file is there, so it has a loader
    assert spec is not None and spec.loader is not None  # noqa: PT018  # one fact
    measures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measures)
    assert (ROOT / "docs" / "measures.md").read_text() == measures.page(), "run `python tools/measures.py`"


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks" / "results").glob("*.json")), ids=lambda file: file.name)
def test_a_result_names_a_command_that_exists(file: Path) -> None:
    command = json.loads(file.read_text())["command"].split()
    assert command[0] == "python"
    assert (ROOT / command[1]).is_file()
