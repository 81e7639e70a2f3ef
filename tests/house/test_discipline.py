"""Input is never asserted, nothing is caught blindly, no warning is silenced without a reason."""

from __future__ import annotations

import pytest

from discipline import asserts, blind_excepts, silenced
from house import ROOT, Module, modules, tracked

PYTHON = [path.relative_to(ROOT) for path in tracked() if path.suffix == ".py"]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name or "front")
def test_a_module_asserts_no_input_and_catches_nothing_blindly(module: Module) -> None:
    assert asserts(module) + blind_excepts(module) == []


def test_each_silenced_warning_names_its_rule_and_its_reason() -> None:
    assert [found for path in PYTHON for found in silenced(str(path), (ROOT / path).read_text())] == []


def test_an_assert_is_found() -> None:
    assert asserts(Module(name="core.x", text="def f(n):\n    assert n > 0, 'negative'\n")) != []


def test_an_assert_that_names_its_invariant_passes_and_so_do_public_doubles() -> None:
    assert asserts(Module(name="core.x", text="# INVARIANT: parsed above\nassert tree\n")) == []
    assert asserts(Module(name="testing.x", text="assert tree\n")) == []


@pytest.mark.parametrize("caught", ["", " Exception", " BaseException as e", " (KeyError, Exception)"])
def test_a_blind_except_is_found(caught: str) -> None:
    assert blind_excepts(Module(name="core.x", text=f"try:\n    f()\nexcept{caught}:\n    pass\n")) != []


def test_a_named_boundary_and_a_narrow_except_pass() -> None:
    named = (
        "try:\n    f()\nexcept Exception as e:  # boundary: a plug-in; recorded as an error of the trial\n    g(e)\n"
    )
    assert blind_excepts(Module(name="core.x", text=named)) == []
    assert blind_excepts(Module(name="core.x", text="try:\n    f()\nexcept KeyError:\n    pass\n")) == []
    rollback = "try:\n    f()\nexcept BaseException:\n    undo()\n    raise\n"
    assert blind_excepts(Module(name="core.x", text=rollback)) == []


NOQA, IGNORE = "# noqa", "# type: ignore"


@pytest.mark.parametrize(
    "comment", [NOQA, f"{NOQA}: S311", f"{NOQA} # why not", IGNORE, f"{IGNORE}[misc]", f"{IGNORE} # untyped package"]
)
def test_a_warning_silenced_without_rule_or_reason_is_found(comment: str) -> None:
    assert silenced("x.py", f"x = 1  {comment}\n") != []


@pytest.mark.parametrize(
    "comment", [f"{NOQA}: S311  # seeded, not for secrets", f"{IGNORE}[import-untyped]  # the wheel ships no types"]
)
def test_a_warning_silenced_with_rule_and_reason_passes(comment: str) -> None:
    assert silenced("x.py", f"x = 1  {comment}\n") == []
