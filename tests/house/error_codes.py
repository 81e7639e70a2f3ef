"""Every error code that the source raises has a line in docs/errors.md.

    python tests/house/error_codes.py      write the page again; what people wrote in its last column stays,
                                           and so does their text where the message is put together at run time

A code is a letter and three digits, as a string of its own; where it is the `code=` of a call, the line shows the
class and the message with its values as `…`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from house import ROOT, Module, modules

PAGE = ROOT / "docs" / "errors.md"
CODE = re.compile(r"[A-Z]\d{3}")
LINE = re.compile(r"^\| `?(?P<code>[A-Z]\d{3})`? \|(?P<message>.*)\|(?P<advice>[^|]*)\|$", re.MULTILINE)
HEAD = """# Errors

Every error of Obverse is one line: where, code, what is wrong, and often a hint. The code never changes its meaning.
Written by `make errors` from the source; the last column is written by people and kept.

| code | what it says | what to do |
|---|---|---|
"""


@dataclass(frozen=True, kw_only=True, order=True)
class Raised:
    """One place that names a code."""

    code: str
    message: str
    where: str


def raised(modules: Iterable[Module]) -> list[Raised]:
    """Every place of the source that names a code, sorted."""
    found = [
        Raised(code=code, message=message, where=module.name) for module in modules for code, message in _in(module)
    ]
    return sorted(found)


def codes_of(page: str) -> dict[str, str]:
    """Code → what to do, as the page says."""
    return {line["code"]: line["advice"].strip() for line in LINE.finditer(page)}


def differences(page: str, found: Iterable[Raised]) -> list[str]:
    """Codes of the source without a line, lines without a code in the source, lines that come twice."""
    listed, used = [line["code"] for line in LINE.finditer(page)], {one.code for one in found}
    return [
        *(f"`{code}` has no line in docs/errors.md; run `make errors`" for code in sorted(used - {*listed})),
        *(f"`{code}` stands in docs/errors.md, but nothing raises it" for code in sorted({*listed} - used)),
        *(f"`{code}` stands twice in docs/errors.md" for code in sorted({*listed}) if listed.count(code) > 1),
    ]


def page(found: Iterable[Raised], old: str) -> str:
    """The page, with the advice of the old one."""
    advice = codes_of(old)
    messages: dict[str, list[str]] = {}
    for one in found:
        known = messages.setdefault(one.code, [])
        if one.message and one.message not in known:
            known.append(one.message)
    before = {line["code"]: line["message"].strip() for line in LINE.finditer(old)}
    rows = [
        f"| `{code}` | {'; '.join(said) or before.get(code, '')} | {advice.get(code, '')} |\n"
        for code, said in sorted(messages.items())
    ]
    return HEAD + "".join(rows)


def _in(module: Module) -> Iterator[tuple[str, str]]:
    in_calls = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            for code in [*node.args, *(keyword.value for keyword in node.keywords)]:
                if _is_code(code):
                    in_calls.add(id(code))
                    said = (_template(argument) for argument in node.args if argument is not code)
                    yield code.value, next((text for text in said if re.search(r"\w", text)), "")
    for node in ast.walk(module.tree):
        if _is_code(node) and id(node) not in in_calls:
            yield node.value, ""


def _is_code(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(CODE.fullmatch(node.value))


def _template(node: ast.expr) -> str:
    """The text of a message with `…` for its values; empty where it is put together elsewhere."""
    match node:
        case ast.Constant(value=str(text)):
            return text.replace("|", "\\|")
        case ast.JoinedStr(values=parts):
            return "".join(_template(part) if isinstance(part, ast.Constant) else "…" for part in parts)
        case _:
            return ""


if __name__ == "__main__":
    PAGE.write_text(page(raised(modules()), PAGE.read_text() if PAGE.exists() else ""))
