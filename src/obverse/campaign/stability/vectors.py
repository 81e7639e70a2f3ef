"""Vectors of answers, kept beside the run: so that its figures of meaning can be computed again without the encoder.

    Encoder ─embed→ KeptVectors ─save→ vectors.npz ─read→ KeptVectors without an encoder

Not evidence: whoever has the encoder can compute them again from the answers, and compare.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from obverse.core.errors import UntrustedInputError
from obverse.core.files import write_whole

NAME: Final = "vectors.npz"
LARGEST: Final = 2 << 30

_Floats = NDArray[np.float32]


class Encodes(Protocol):
    """An encoder of sentences: `judges.encoder.Encoder`."""

    @property
    def identity(self) -> str: ...

    def encode(self, text: str) -> _Floats: ...


class LacksVectorError(LookupError):
    """A text whose vector is neither kept nor can be computed here."""


class KeptVectors:
    """Unit vectors of texts: from the store, else from the encoder, and then stored. Implements `ports.Embeds`."""

    def __init__(
        self, identity: str, vectors: dict[str, _Floats] | None = None, encoder: Encodes | None = None
    ) -> None:
        self.identity = identity
        self._vectors = dict(vectors or {})
        self._encoder = encoder

    def embed(self, texts: Sequence[str]) -> _Floats:
        """One row for each text.

        Raises:
            LacksVectorError: a vector is missing, and there is no encoder.
        """
        for text in texts:
            if (name := _name(text)) not in self._vectors:
                if self._encoder is None:
                    raise LacksVectorError(name)
                self._vectors[name] = np.asarray(self._encoder.encode(text), dtype=np.float32)
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        return np.stack([self._vectors[_name(text)] for text in texts])

    def save(self, folder: Path) -> None:
        """Write them into the folder, in the order of their names: the same vectors make the same file."""
        if not self._vectors:
            return
        names = sorted(self._vectors)
        out = io.BytesIO()
        np.savez(
            out,
            identity=np.array(self.identity),
            names=np.array(names),
            vectors=np.stack([self._vectors[n] for n in names]),
        )
        write_whole(folder / NAME, out.getvalue())


def read_vectors(folder: Path, encoder: Encodes | None = None) -> KeptVectors | None:
    """The vectors that are kept in the folder, with this encoder behind them if it is the same; None without either.

    Raises:
        UntrustedInputError: the file is none of ours.
    """
    path = folder / NAME
    if not path.is_file():
        return None if encoder is None else KeptVectors(encoder.identity, encoder=encoder)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        with np.load(path, allow_pickle=False) as held:
            identity, names, vectors = (
                str(held["identity"]),
                held["names"],
                np.asarray(held["vectors"], dtype=np.float32),
            )
        if vectors.ndim != 2 or len(names) != len(vectors) or not np.isfinite(vectors).all():
            raise ValueError("names and vectors do not fit")
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
        # not numpy's own words: they advise to load it as a pickle
        raise UntrustedInputError(
            f"`{path}` holds no vectors of ours", code="B511", hint="remove it: it is computed again"
        ) from error
    same = encoder if encoder is not None and encoder.identity == identity else None
    return KeptVectors(identity, dict(zip(map(str, names), vectors, strict=True)), same)


def _name(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
