"""The repository as the checks of the house read it: its modules, their rooms, the arrows, the tracked files."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "obverse"


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file of ours: `name` is dotted below `obverse` (`policy.ast`), and empty for the front."""

    name: str
    text: str

    @property
    def room(self) -> str:
        return self.name.partition(".")[0] or "front"

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    def __hash__(self) -> int:
        return hash(self.name)


@cache
def modules() -> tuple[Module, ...]:
    """Every module under src/obverse, in the order of their names."""
    return tuple(Module(name=_dotted(path), text=path.read_text()) for path in sorted(SOURCE.rglob("*.py")))


@cache
def layers() -> dict[str, dict[str, Any]]:
    """layers.toml."""
    return tomllib.loads((ROOT / "layers.toml").read_text())


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository: those that git tracks or would add; without git, all but caches."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listing.returncode == 0:
        found = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        hidden = {".venv", ".git", "__pycache__", "runs"}
        found = [path for path in ROOT.rglob("*") if not hidden & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in set(found) if path.is_file()))


def pages() -> list[Path]:
    """The pages that a reader is meant to trust: README and docs."""
    return [path for path in tracked() if path.suffix == ".md" and (path == ROOT / "README.md" or "docs" in path.parts)]


def _dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
