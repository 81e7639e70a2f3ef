"""Obverse turns a written policy over: into proofs, into tests, into claims that hold."""

from obverse.core.version import VERSION as __version__

__all__ = ["__version__"]
