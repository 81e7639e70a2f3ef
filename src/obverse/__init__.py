"""Obverse turns a written policy over: into proofs, into tests, into claims that hold."""

from obverse.core.version import VERSION

__all__ = ["__version__"]

__version__ = VERSION
