"""What others may rely on is a list; it changes only in sight."""

from __future__ import annotations

import difflib

import obverse
from house import SOURCE, Module, modules
from surface import LIST, surface


def test_the_surface_is_the_one_that_is_listed() -> None:
    listed, found = LIST.read_text().splitlines(), surface(modules()).splitlines()
    changes = [line for line in difflib.unified_diff(listed, found, lineterm="", n=0) if line[0] in "+-"][2:]
    assert changes == [], "run `make surface` if these changes are meant"


def test_the_front_lists_what_it_offers_and_offers_what_it_lists() -> None:
    assert obverse.__all__ == sorted(obverse.__all__)
    assert [name for name in obverse.__all__ if not hasattr(obverse, name)] == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (SOURCE / "py.typed").is_file()


def test_a_new_name_shows_and_a_private_one_does_not() -> None:
    text = "import json\nfrom typing import Any\nA, B = 1, 2\nC: int = 3\n_D = 4\ndef e(): ...\nclass F: ...\n"
    assert surface([Module(name="core.x", text=text)]) == "".join(f"core.x.{name}\n" for name in "ABCFe")
    assert surface([Module(name="core._x", text=text)]) == ""
    assert surface([Module(name="core.x", text='__all__ = ["json"]\nimport json\ndef f(): ...\n')]) == "core.x.json\n"
