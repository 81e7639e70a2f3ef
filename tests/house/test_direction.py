"""Imports go one way: layers.toml is true, and nothing goes round it."""

from __future__ import annotations

import pytest

from direction import SAYS_NOTHING, cycles, meaningless_names, wrong_arrows, wrong_late_imports, wrong_order
from house import Module, layers, modules

MAY = layers()["may_import"]
LATE = layers()["loaded_late"]["packages"]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name or "front")
def test_a_module_imports_only_what_its_room_may(module: Module) -> None:
    assert wrong_arrows(module, MAY) == []


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name or "front")
def test_a_module_imports_late_only_what_is_heavy_or_optional(module: Module) -> None:
    assert wrong_late_imports(module, LATE) == []


def test_the_arrows_of_layers_toml_point_upwards() -> None:
    assert wrong_order(MAY) == []


def test_no_modules_import_each_other() -> None:
    assert cycles(modules()) == []


def test_every_module_has_a_name_that_says_something() -> None:
    assert meaningless_names(module.name for module in modules()) == []


PLANTED = {
    "an arrow that is not listed": ("policy.x", "from obverse.solver.ask import ask", "must not import `solver`"),
    "an arrow inside a function": ("core.x", "def f():\n    import obverse.policy", "must not import `policy`"),
    "an arrow for the type checker": (
        "core.x", "if TYPE_CHECKING:\n    from obverse.policy.ast import Rule", "must not import `policy`",
    ),
    "the whole package": ("policy.x", "import obverse", "must not import `front`"),
    "a name of the front": ("policy.x", "from obverse import check", "must not import `front`"),
    "a private name": ("policy.x", "from obverse.core.canon import _plain", "is private to `core`"),
    "a private module": ("policy.x", "from obverse.core._inner import thing", "is private to `core`"),
    "a relative import": ("policy.x", "from . import ast", "hides its room"),
    "an unknown room": ("extras.x", "", "not listed"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "said"), PLANTED.values(), ids=PLANTED)
def test_a_wrong_arrow_is_found(name: str, text: str, said: str) -> None:
    assert said in "; ".join(wrong_arrows(Module(name=name, text=text), MAY))


def test_right_arrows_pass() -> None:
    text = "import ast\nfrom obverse.core.errors import Span\nfrom obverse.policy._inner import x\n"
    assert wrong_arrows(Module(name="policy.x", text=text), MAY) == []


def test_a_downward_arrow_in_layers_toml_is_found() -> None:
    assert wrong_order({"core": ["policy"], "policy": []}) == ["`core` lists `policy`, which does not stand above it"]


@pytest.mark.parametrize("imported", ["import json", "from obverse.policy.ast import Rule"])
def test_a_late_import_without_a_reason_is_found(imported: str) -> None:
    assert wrong_late_imports(Module(name="solver.x", text=f"def f():\n    {imported}\n"), ["z3"]) != []


@pytest.mark.parametrize(("name", "imported"), [("solver.x", "import z3"), ("cli.x", "from obverse.solver import ask")])
def test_a_late_import_of_a_heavy_package_or_of_a_room_by_a_command_passes(name: str, imported: str) -> None:
    assert wrong_late_imports(Module(name=name, text=f"def f():\n    {imported}\n"), ["z3"]) == []


def test_a_cycle_is_found_through_a_function_too() -> None:
    ring = [
        Module(name="a.x", text="from obverse.b.y import thing"),
        Module(name="b.y", text="def f():\n    import obverse.a.x"),
        Module(name="c", text="import obverse.a.x"),
    ]
    assert cycles(ring) == [["a.x", "b.y"]]


@pytest.mark.parametrize("word", sorted(SAYS_NOTHING))
def test_a_name_that_says_nothing_is_found(word: str) -> None:
    assert meaningless_names([f"policy.{word}"]) != []
