"""Small rules of the text: no `assert` for input, no blind `except`, each silenced warning names its rule and reason."""

from __future__ import annotations

import ast
import io
import re
import tokenize

from house import Module

REASON = r"\S.*\w{3}"
SILENCED = re.compile(r"#\s*(?P<how>noqa|type:\s*ignore|pragma:\s*no cover|nosec|mypy:|ruff:\s*noqa)", re.IGNORECASE)
GIVEN = re.compile(
    rf"#\s*(?:noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|type:\s*ignore\[[a-z-]+(?:,\s*[a-z-]+)*\])\s*(?:#|:|-|—|–)\s*{REASON}"
)
BLIND = frozenset({"Exception", "BaseException"})


def asserts(module: Module) -> list[str]:
    """`assert` statements outside `testing`; `python -O` removes them, and they word no error.

    One that the type checker needs and no input can reach says so: `# INVARIANT: …` on its line or the one above.
    """
    if module.room == "testing":
        return []
    lines = module.text.splitlines()
    return [
        f"{module.name}:{node.lineno}: `assert` without an `# INVARIANT:`"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assert)
        and "# INVARIANT:" not in " ".join(lines[max(node.lineno - 2, 0) : node.end_lineno])
    ]


def blind_excepts(module: Module) -> list[str]:
    """Bare `except:`, and `except Exception` without a comment that names the boundary: `# boundary: …`.

    A handler that ends with a bare `raise`, such as a rollback, swallows nothing.
    """
    lines = module.text.splitlines()
    wrong = []
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler) or _raises_on(node):
            continue
        if node.type is None:
            wrong.append(f"{module.name}:{node.lineno}: a bare `except`")
        elif BLIND & {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} and not re.search(
            rf"# boundary: {REASON}", " ".join(lines[max(node.lineno - 2, 0) : node.lineno])
        ):
            wrong.append(f"{module.name}:{node.lineno}: `except {ast.unparse(node.type)}` without `# boundary: …`")
    return wrong


def _raises_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return handler.type is not None and isinstance(last, ast.Raise) and last.exc is None


def silenced(name: str, text: str) -> list[str]:
    """Comments that silence a tool without naming the rule and a reason: `# noqa: S311  # seeded, not for secrets`."""
    return [
        f"{name}:{token.start[0]}: `{token.string}` names no rule or no reason"
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and SILENCED.search(token.string) and not GIVEN.search(token.string)
    ]
