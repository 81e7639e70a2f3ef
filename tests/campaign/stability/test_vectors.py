"""Vectors that are kept beside a run: asked for once, read without the encoder, and refused where they are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from obverse.campaign.stability.vectors import NAME, KeptVectors, LacksVectorError, read_vectors
from obverse.core.errors import UntrustedInputError


class Letters:
    """An encoder: how often each of a few letters occurs."""

    def __init__(self, identity: str = "letters") -> None:
        self.identity = identity
        self.asked: list[str] = []

    def encode(self, text: str) -> NDArray[np.float32]:
        self.asked.append(text)
        counts = np.array([1 + text.count(letter) for letter in "aeiou"], dtype=np.float32)
        return counts / np.linalg.norm(counts)


def test_each_text_is_encoded_once_and_comes_back_in_order(tmp_path: Path) -> None:
    letters = Letters()
    kept = KeptVectors("letters", encoder=letters)
    first = kept.embed(["aa", "oo", "aa"])
    assert letters.asked == ["aa", "oo"]
    assert np.array_equal(first[0], first[2])
    kept.save(tmp_path)
    without = read_vectors(tmp_path)
    assert without is not None
    assert without.identity == "letters"
    assert np.array_equal(without.embed(["oo", "aa"]), first[[1, 0]])


def test_a_text_that_is_not_kept_is_missing_without_the_encoder_and_computed_with_it(tmp_path: Path) -> None:
    KeptVectors("letters", {}, Letters()).save(tmp_path)
    assert read_vectors(tmp_path) is None  # nothing was kept, and there is nobody to ask
    kept = KeptVectors("letters", encoder=Letters())
    kept.embed(["aa"])
    kept.save(tmp_path)
    without = read_vectors(tmp_path)
    assert without is not None
    with pytest.raises(LacksVectorError):
        without.embed(["ee"])
    again = read_vectors(tmp_path, Letters())
    assert again is not None
    assert again.embed(["ee"]).shape == (1, 5)


def test_another_encoder_does_not_mix_with_what_is_kept(tmp_path: Path) -> None:
    kept = KeptVectors("letters", encoder=Letters())
    kept.embed(["aa"])
    kept.save(tmp_path)
    other = read_vectors(tmp_path, Letters("other"))
    assert other is not None
    with pytest.raises(LacksVectorError):
        other.embed(["ee"])


def test_the_same_vectors_make_the_same_file(tmp_path: Path) -> None:
    written = []
    for texts in (["aa", "ee"], ["ee", "aa"]):
        kept = KeptVectors("letters", encoder=Letters())
        kept.embed(texts)
        kept.save(tmp_path)
        written.append((tmp_path / NAME).read_bytes())
    with np.load(tmp_path / NAME) as held:
        assert list(held["names"]) == sorted(held["names"])
    assert len(written[0]) == len(written[1])


def pickled(folder: Path) -> None:
    np.savez(folder / NAME, identity=np.array("x"), names=np.array(["a"], dtype=object), vectors=np.ones((1, 2)))


def not_finite(folder: Path) -> None:
    np.savez(folder / NAME, identity=np.array("x"), names=np.array(["a"]), vectors=np.array([[np.nan]]))


def too_few(folder: Path) -> None:
    np.savez(folder / NAME, identity=np.array("x"), names=np.array(["a", "b"]), vectors=np.ones((1, 2)))


def nothing(folder: Path) -> None:
    (folder / NAME).write_bytes(b"")


@pytest.mark.parametrize("broken", [pickled, not_finite, too_few, nothing], ids=lambda one: one.__name__)
def test_a_file_that_is_none_of_ours_is_one_line(tmp_path: Path, broken: object) -> None:
    assert callable(broken)
    broken(tmp_path)
    with pytest.raises(UntrustedInputError) as caught:
        read_vectors(tmp_path)
    assert caught.value.code == "B511"
    assert "\n" not in str(caught.value)
