"""The one-minute example in the docstring of the package runs as it stands there, and each public name is there."""

from __future__ import annotations

import doctest

import obverse


def test_the_example_of_the_front_runs() -> None:
    assert doctest.testmod(obverse).failed == 0


def test_each_public_name_leads_somewhere() -> None:
    assert all(getattr(obverse, name) is not None for name in obverse.__all__)
    assert sorted(obverse.__all__) == list(obverse.__all__)
