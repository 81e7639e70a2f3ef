from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from obverse.core.errors import UnavailableError, UntrustedInputError
from obverse.judges.encoder import LAYERS, WIDTH, Encoder
from obverse.judges.wordpiece import WordPiece

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "un",
    "##able",
    "able",
    "i",
    "can",
    "'",
    "t",
    "cafe",
    "抱",
    "##s",
    ".",
    "$",
]
WORDS = WordPiece(PIECES)


def pieces(text: str, limit: int = 64) -> list[str]:
    return [PIECES[number] for number in WORDS.ids(text, limit=limit)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I can't", ["i", "can", "'", "t"]),
        ("unable ables", ["un", "##able", "able", "##s"]),
        ("Café\u200b.", ["cafe", "."]),
        ("抱抱", ["抱", "抱"]),
        ("xyz i", ["[UNK]", "i"]),
        ("i" * 101, ["[UNK]"]),
        ("\0i\t\ncan\u2028$", ["i", "can", "$"]),
        ("", []),
    ],
)
def test_a_text_is_cut_into_the_longest_known_pieces(text: str, expected: list[str]) -> None:
    assert pieces(text) == ["[CLS]", *expected, "[SEP]"]


def test_a_long_text_is_cut_and_still_closed() -> None:
    assert pieces("i " * 1000, limit=5) == ["[CLS]", "i", "i", "i", "[SEP]"]


def test_a_vocabulary_without_the_special_pieces_is_refused() -> None:
    with pytest.raises(UntrustedInputError, match="has no `\\[CLS\\]`"):
        WordPiece(["[UNK]", "a"])


def tensors(seed: int = 7) -> dict[str, np.ndarray]:
    """Random weights of the right shape and a tiny vocabulary."""
    rng = np.random.default_rng(seed)
    shapes = {
        "embeddings.word_embeddings.weight": (len(PIECES), WIDTH),
        "embeddings.position_embeddings.weight": (64, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= {f"{at}{part}.weight": (WIDTH, WIDTH), f"{at}{part}.bias": (WIDTH,)}
        shapes |= {f"{at}intermediate.dense.weight": (4 * WIDTH, WIDTH), f"{at}intermediate.dense.bias": (4 * WIDTH,)}
        shapes |= {f"{at}output.dense.weight": (WIDTH, 4 * WIDTH), f"{at}output.dense.bias": (WIDTH,)}
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{at}{part}.weight": (WIDTH,), f"{at}{part}.bias": (WIDTH,)}
    return {name: rng.normal(0, 0.05, shape).astype("<f4") for name, shape in shapes.items()}


def folder_of(tmp_path: Path, weights: dict[str, np.ndarray]) -> Path:
    header, body, at = {}, b"", 0
    for name, value in weights.items():
        data = value.tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + len(data)]}
        body, at = body + data, at + len(data)
    text = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    return tmp_path


def test_a_vector_has_length_one_and_is_the_same_every_time(tmp_path: Path) -> None:
    encoder = Encoder.read(folder_of(tmp_path, tensors()))
    first, again = encoder.encode("i can't"), encoder.encode("i can't")
    assert first.shape == (WIDTH,)
    assert float(np.linalg.norm(first)) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(first, again)
    assert not np.allclose(first, encoder.encode("unable"))


def test_the_identity_of_an_encoder_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = Encoder.read(folder_of(tmp_path / "a", tensors(1)))
    other = Encoder.read(folder_of(tmp_path / "b", tensors(2)))
    assert one.identity != other.identity


def test_no_folder_is_told_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no encoder in"):
        Encoder.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        struct.pack("<Q", 2**60),
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"null",
        struct.pack("<Q", 30) + b'{"a":{"dtype":"F32","shape":1}}',
    ],
)
def test_bytes_that_are_no_weights_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(data)
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    with pytest.raises(UntrustedInputError):
        Encoder.read(tmp_path)


def test_the_real_encoder_finds_the_nearer_text_nearer(encoder: Encoder) -> None:
    asked = encoder.encode("How do I make pancakes?")
    near = encoder.encode("Whisk flour, eggs and milk and fry the batter in butter.")
    far = encoder.encode("The tides come from the pull of the moon.")
    assert asked @ near > 0.4
    assert asked @ far < 0.2
