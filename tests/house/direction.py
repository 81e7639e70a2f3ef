"""Who imports whom: arrows between rooms, private names, relative and late imports, cycles, names that say nothing.

Each check takes modules and gives a list of sentences; an empty list is a pass.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from house import Module

SAYS_NOTHING = frozenset({"utils", "util", "common", "misc", "manager", "helpers", "helper"})


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported dotted name, such as `obverse.core.errors.Span`."""

    name: str
    line: int
    late: bool
    """Inside a function: run when it is called."""
    typing_only: bool
    """Under `if TYPE_CHECKING:`: never run."""
    relative: bool = False


def imports(tree: ast.AST, *, late: bool = False, typing_only: bool = False) -> Iterator[Import]:
    """Every import of this tree, at any depth."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import():
                for alias in node.names:
                    yield Import(name=alias.name, line=node.lineno, late=late, typing_only=typing_only)
            case ast.ImportFrom():
                for alias in node.names:
                    name = f"{node.module or ''}.{alias.name}"
                    yield Import(
                        name=name, line=node.lineno, late=late, typing_only=typing_only, relative=bool(node.level)
                    )
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from imports(node, late=True, typing_only=typing_only)
            case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
                for inner in node.body:
                    yield from imports(ast.Module([inner], []), late=late, typing_only=True)
                for inner in node.orelse:
                    yield from imports(ast.Module([inner], []), late=late, typing_only=typing_only)
            case _:
                yield from imports(node, late=late, typing_only=typing_only)


def wrong_arrows(module: Module, may: Mapping[str, Sequence[str]]) -> list[str]:
    """Imports of rooms that layers.toml does not allow, of names with an underscore, and relative ones."""
    if module.room not in may:
        return [f"{module.name}: the room `{module.room}` is not listed in layers.toml"]
    wrong = []
    for found in imports(module.tree):
        where = f"{module.name}:{found.line}"
        if found.relative:
            wrong.append(f"{where}: a relative import hides its room")
            continue
        first, *rest = found.name.split(".")
        if first != "obverse":
            continue
        other, *inner = rest or ["front"]
        other = other if other in may else "front"
        if other != module.room and other not in may[module.room]:
            wrong.append(f"{where}: `{module.room}` must not import `{other}`")
        elif other != module.room and any(part.startswith("_") for part in inner):
            wrong.append(f"{where}: `{found.name}` is private to `{other}`")
    return wrong


def wrong_order(may: Mapping[str, Sequence[str]]) -> list[str]:
    """Arrows of layers.toml itself that point downwards or to a room that it does not list."""
    above: set[str] = set()
    wrong = []
    for room, others in may.items():
        wrong += [f"`{room}` lists `{other}`, which does not stand above it" for other in others if other not in above]
        above.add(room)
    return wrong


def wrong_late_imports(module: Module, packages: Iterable[str]) -> list[str]:
    """Imports inside functions of what is neither listed as late nor, in `cli` and the front, a room."""
    allowed = {*packages, *(["obverse"] if module.room in {"cli", "front"} else [])}
    return [
        f"{module.name}:{found.line}: `{found.name}` is imported inside a function"
        for found in imports(module.tree)
        if found.late and not found.typing_only and found.name.split(".")[0] not in allowed
    ]


def meaningless_names(names: Iterable[str]) -> list[str]:
    """Modules whose name says nothing, and therefore gathers everything."""
    return [f"`{name}` says nothing" for name in names if SAYS_NOTHING & set(name.split("."))]


def cycles(modules: Iterable[Module]) -> list[list[str]]:
    """Groups of modules that import each other, at whatever depth; names for the type checker alone do not count."""
    by_name = {module.name: module for module in modules}
    graph = {name: _imported_modules(module, by_name) for name, module in by_name.items()}
    reach = {name: _reachable(name, graph) for name in graph}
    groups = {frozenset({name, *(n for n in reach[name] if name in reach[n])}) for name in graph if name in reach[name]}
    return sorted(sorted(group) for group in groups)


def _imported_modules(module: Module, by_name: Mapping[str, Module]) -> set[str]:
    found = set()
    for one in imports(module.tree):
        first, *rest = one.name.split(".")
        if first != "obverse" or one.typing_only:
            continue
        # the longest prefix that is a module: `policy.ast.Rule` → `policy.ast`
        prefixes = (".".join(rest[:end]) for end in range(len(rest), -1, -1))
        found.add(next((prefix for prefix in prefixes if prefix in by_name), ""))
    return found - {module.name}


def _reachable(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += graph.get(name, ())
    return seen
