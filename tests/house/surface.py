"""The public names of each room, as surface.txt lists them, so that a change of the surface is a visible difference.

    python tests/house/surface.py          write the list again

Public is what a module defines at its top without an underscore, in a module without one; `__all__` where there is one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from house import Module, modules

LIST = Path(__file__).with_name("surface.txt")


def surface(modules: Iterable[Module]) -> str:
    """One line per public name: `policy.parse.parse`, sorted."""
    lines = {
        f"{module.name or 'obverse'}.{name}"
        for module in modules
        if not any(part.startswith("_") for part in module.name.split("."))
        for name in _public(module.tree)
    }
    return "".join(f"{line}\n" for line in sorted(lines))


def _public(tree: ast.Module) -> set[str]:
    listed = _all(tree)
    return listed if listed is not None else {name for name in _defined(tree.body) if not name.startswith("_")}


def _all(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names) | ast.Tuple(elts=names)):
                return {str(ast.literal_eval(name)) for name in names}
    return None


def _defined(body: Iterable[ast.stmt]) -> set[str]:
    names: set[str] = set()
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.If(body=inner, orelse=other) if "TYPE_CHECKING" not in ast.unparse(node.test):
                names |= _defined(inner) | _defined(other)
    return names


if __name__ == "__main__":
    LIST.write_text(surface(modules()))
