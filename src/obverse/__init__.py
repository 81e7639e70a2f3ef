"""Obverse turns a written policy over: into proofs, into tests, into claims that hold."""

__version__ = "0.1.0"
__all__ = ["__version__"]
