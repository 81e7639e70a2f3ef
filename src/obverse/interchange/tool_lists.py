"""`import_tools`: the start of a policy, with the tools of a list declared and everything that has effects still to be ruled.

The tools are read by `policy.tools` (MCP tool lists, OpenAI functions, JSON Schema). A policy can also name the file itself,
by `terms from "tools.json"`; this is for who wants to go on by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

from obverse.interchange.cedar_import import Imported
from obverse.policy import ast
from obverse.policy.print import layout, literal


def import_tools(tools: Sequence[ast.Tool], *, name: str = "imported") -> Imported:
    """A document that declares these tools and has a person approve each call that has effects, until it says better."""
    lines = ["---", f"policy: {literal(name)}", 'version: "1"', "---", "", "```terms"]
    lines += [layout(tool) for tool in tools]
    lines += ["```", "", "## To be written {#to-be-written}", ""]
    lines += ["Until there are rules for them, a person approves each call of a tool that may have effects.", ""]
    careful = tuple(ast.Head(kind="tool", tool=tool.name) for tool in tools if tool.effects != ("read",))
    if careful:
        lines += ["```rule", layout(ast.Rule(kind="ask", heads=careful)), "```", ""]
    return Imported(text="\n".join(lines), policies=tuple(tool.name for tool in tools), left_out=())
