"""Print the ten longest functions: advice, not law; nothing fails because a function is long."""

from __future__ import annotations

import ast

from house import Module, modules


def lengths(module: Module) -> list[tuple[int, str]]:
    """(lines without the docstring, place) of each function of this module."""
    return [
        (_length(node), f"{module.name}.{node.name}")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


if __name__ == "__main__":
    longest = sorted((found for module in modules() for found in lengths(module)), reverse=True)[:10]
    print("the ten longest functions (lines without docstring)")
    for lines, place in longest:
        print(f"{lines:5}  {place}")
