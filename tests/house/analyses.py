"""The pages of `obverse check`: one for every code, an index of them, and what each page promises.

    python tests/house/analyses.py      write docs/analyses/README.md again, and the output that each page shows

A page has two blocks `policy`: the first has the finding, the second is mended and has it no more. The block `text` between
them is what `obverse check policy.md` prints of that finding in the first.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from pathlib import Path

from house import ROOT
from obverse.cli.app import main
from obverse.solver.findings import MEANINGS

FOLDER = ROOT / "docs" / "analyses"
INDEX = FOLDER / "README.md"
HEADINGS = ["## A policy that has it", "## What check says", "## How to mend it"]
POLICY = re.compile(r"^(`{4,})policy\n(.*?)^\1$", re.M | re.S)
SHOWN = re.compile(r"^```text\n(.*?)^```$", re.M | re.S)
HEAD = """# The analyses of `obverse check`

Each page has a policy with the finding, what `obverse check` says of it, and how to mend it; a test runs both. An *error* is a
policy that does not do what it says; a *warning* is something to look at; a *note* is worth knowing and may well be meant.
How the answers come about stands in [the design of the solver](../design/solver.md).

| code | severity | what it says |
|---|---|---|
"""


def pages() -> list[Path]:
    """Every page but the index."""
    return sorted(path for path in FOLDER.glob("*.md") if path != INDEX)


def index() -> str:
    """The index, from the table of meanings."""
    rows = (f"| [{code}]({code}.md) | {severity} | {says} |\n" for code, (severity, says) in MEANINGS.items())
    return HEAD + "".join(rows)


def printed(policy: str, folder: Path) -> str:
    """What `obverse check policy.md` prints of this policy, in this folder."""
    (folder / "policy.md").write_text(policy)
    said, here = io.StringIO(), Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(said):
            main(["check", "policy.md", "--no-cache"])
    finally:
        os.chdir(here)
    return said.getvalue()


def findings(said: str, code: str) -> list[str]:
    """The paragraphs of that output which are findings of this code."""
    paragraphs = [paragraph.strip("\n") for paragraph in said.split("\n\n")]
    return [paragraph for paragraph in paragraphs if re.match(rf"\w+ {code} ", paragraph)]


def faults(text: str, code: str, folder: Path) -> list[str]:
    """What is wrong with a page."""
    policies, shown = POLICY.findall(text), SHOWN.findall(text)
    if len(policies) != 2 or len(shown) != 1:
        return ["a page has two blocks ````policy and one block ```text"]
    found = findings(printed(policies[0][1], folder), code)
    left = findings(printed(policies[1][1], folder), code)
    wrong = []
    if not text.startswith(f"# {code}: {MEANINGS[code][1]}\n"):  # type: ignore[index]  # a test says that it is one
        wrong.append(f"the title is `# {code}: …` with the meaning of the code")
    if re.findall(r"^## .*$", POLICY.sub("", text), re.M) != HEADINGS:
        wrong.append(f"the headings are {HEADINGS}")
    if shown[0].strip("\n") != "\n\n".join(found):
        wrong.append(f"check says:\n{chr(10).join(found) or 'nothing'}")
    if left:
        wrong.append(f"the mended policy has it still:\n{left[0]}")
    return wrong


def refreshed(text: str, code: str, folder: Path) -> str:
    """The page with what check says now."""
    first = POLICY.search(text)
    if first is None:
        return text
    found = "\n\n".join(findings(printed(first[2], folder), code))
    return SHOWN.sub(lambda _: f"```text\n{found}\n```", text, count=1)


if __name__ == "__main__":
    INDEX.write_text(index())
    with tempfile.TemporaryDirectory() as there:
        for page in pages():
            page.write_text(refreshed(page.read_text(), page.stem, Path(there)))
