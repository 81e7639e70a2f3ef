"""`not shown` must not pass for `the same` where nothing could have been shown: twelve prompts of a small policy, say."""

from __future__ import annotations

from typing import Literal

import pytest
from tests.stability.test_compare import One, run

from obverse.stability.compare import compare
from obverse.stability.findings import Counted

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
