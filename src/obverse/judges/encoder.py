"""A sentence encoder on numpy alone: all-MiniLM-L6-v2, a text in, a unit vector of 384 numbers out.

Not a general runtime: one architecture (BERT, six layers, mean pooling), read from the folder of the original release
(`model.safetensors`, `vocab.txt`, `config.json`). In f32 and one text at a time, so that a text's vector does not depend
on what else was in the batch; machines differ in the last bits only (int8 kernels differ in the second digit between
processors with and without VNNI). No torch and no onnxruntime; 128 tokens take about 40 ms of one core.

The folder comes in as a path: who fetches it, and checks its digest, is `targets.catalogue`.
"""

from __future__ import annotations

import hashlib
import json
import struct
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it ships no types

from obverse.core.errors import UnavailableError, UntrustedInputError
from obverse.judges.wordpiece import WordPiece

Vector = NDArray[np.float32]

LAYERS = 6
HEADS = 12
WIDTH = 384
LONGEST = 512
_EPSILON = np.float32(1e-12)
_ROOT_HALF = np.float32(0.5**0.5)
_HEADER_LIMIT = 1_000_000


class Encoder:
    """The network and its vocabulary. `identity` is the digest of both files."""

    def __init__(self, *, weights: dict[str, Vector], words: WordPiece, identity: str) -> None:
        self.identity = identity
        self._weights = weights
        self._words = words
        # Several BLAS threads on matrices this small spin against each other: ten times slower on a busy machine. The
        # limit is the process's, so one text at a time sets and restores it.
        self._pool = ThreadpoolController()
        self._turn = threading.Lock()

    @classmethod
    def read(cls, folder: Path) -> Encoder:
        """The encoder in this folder.

        Raises:
            UnavailableError: a file is missing.
            UntrustedInputError: a file is not what its name says.
        """
        try:
            model = (folder / "model.safetensors").read_bytes()
            vocabulary = (folder / "vocab.txt").read_bytes()
        except OSError as fault:
            raise UnavailableError(
                f"no encoder in `{folder}`: {fault.strerror}", code="J100", hint="obverse models fetch minilm-l6-v2"
            ) from fault
        hash_ = hashlib.sha256(model)
        hash_.update(vocabulary)
        return cls(
            weights=_tensors(model),
            words=WordPiece(vocabulary.decode("utf-8", errors="replace").splitlines()),
            identity=f"sha256:{hash_.hexdigest()}",
        )

    def encode(self, text: str, *, limit: int = 128) -> Vector:
        """The unit vector of the first `limit` tokens of the text; the same on every call."""
        ids = np.array(self._words.ids(text, limit=min(limit, LONGEST)))
        with self._turn, self._pool.limit(limits=1, user_api="blas"):
            x = self._embed(ids)
            for layer in range(LAYERS):
                x = self._layer(x, f"encoder.layer.{layer}.")
        mean: Vector = x.mean(axis=0, dtype=np.float32)
        unit: Vector = mean / np.linalg.norm(mean)
        return unit

    def _embed(self, ids: NDArray[np.int64]) -> Vector:
        table = self._weights
        x = table["embeddings.word_embeddings.weight"][ids]
        x = x + table["embeddings.position_embeddings.weight"][: len(ids)]
        return self._norm(x + table["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")

    def _layer(self, x: Vector, at: str) -> Vector:
        query, key, value = (self._by_head(self._linear(x, f"{at}attention.self.{part}")) for part in _ATTENTION)
        weight = query @ key.transpose(0, 2, 1) / np.float32((WIDTH // HEADS) ** 0.5)
        weight = np.exp(weight - weight.max(axis=-1, keepdims=True))
        weight /= weight.sum(axis=-1, keepdims=True)
        mixed = (weight @ value).transpose(1, 0, 2).reshape(len(x), WIDTH)
        x = self._norm(x + self._linear(mixed, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
        hidden = self._linear(x, f"{at}intermediate.dense")
        gate = erf(hidden * _ROOT_HALF)  # GELU, exact: as the weights were trained
        gate += 1
        hidden *= gate
        hidden *= np.float32(0.5)
        return self._norm(x + self._linear(hidden, f"{at}output.dense"), f"{at}output.LayerNorm")

    def _linear(self, x: Vector, name: str) -> Vector:
        product: Vector = x @ self._weights[f"{name}.weight"].T
        return product + self._weights[f"{name}.bias"]

    def _norm(self, x: Vector, name: str) -> Vector:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _EPSILON)
        normed: Vector = centred / spread * self._weights[f"{name}.weight"]
        return normed + self._weights[f"{name}.bias"]

    @staticmethod
    def _by_head(x: Vector) -> Vector:
        return x.reshape(len(x), HEADS, WIDTH // HEADS).transpose(1, 0, 2)


_ATTENTION = ("query", "key", "value")


def _tensors(data: bytes) -> dict[str, Vector]:
    """The f32 tensors of a safetensors file: a length, a JSON header with shapes and offsets, raw numbers."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        if length > _HEADER_LIMIT:
            raise ValueError("the header is too long")
        header = json.loads(data[8 : 8 + length])
        body = memoryview(data)[8 + length :]
        tensors = {
            name: np.frombuffer(body[slice(*entry["data_offsets"])], dtype="<f4").reshape(entry["shape"])
            for name, entry in header.items()
            if name != "__metadata__" and entry["dtype"] == "F32"
        }
        shape = tensors["embeddings.word_embeddings.weight"].shape[1], tensors[_LAST].shape
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as fault:
        raise UntrustedInputError(f"not the weights of a MiniLM encoder: {fault}", code="J102") from fault
    if shape != (WIDTH, (WIDTH,)):
        raise UntrustedInputError(f"an encoder of another shape: `{shape}`", code="J102")
    return tensors


_LAST = f"encoder.layer.{LAYERS - 1}.output.LayerNorm.bias"
