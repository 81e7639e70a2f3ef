"""From a name to a target."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from obverse.core.errors import MisuseError
from obverse.targets.open import open_target, schemes
from obverse.targets.protocol import Connection, Target
from obverse.targets.python_callable import PythonTarget

HERE = str(Path(__file__).parent)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("opneai:m", "did you mean `openai:`"),
        ("zzz:m", "known: `anthropic:`"),
        ("gpt-x", "`gpt-x` is not a target"),
        ("", "`` is not a target"),
        ("openai:", "needs the name of a model"),
        ("sim:perfect", "unknown target `sim:`"),
    ],
)
def test_what_names_no_target_is_refused_with_a_hint(spec: str, said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        open_target(spec, Connection(base_url="http://localhost/v1"))


def test_a_given_opener_adds_a_scheme() -> None:
    def opens(rest: str, connection: Connection, /) -> Target:
        return PythonTarget(rest, connection)

    spec = "mine:example_agents:simple"
    target = open_target(spec, Connection(python_path=(HERE,)), extra={"mine": opens})
    assert isinstance(target, Target)
    assert "mine" in schemes({"mine": opens})


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that claims `theirs:`, `openai:` and `broken:`."""
    info = tmp_path / "theirs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[obverse.targets]\ntheirs = theirs_targets:opens\nopenai = theirs_targets:opens\n"
        "broken = theirs_targets:NOTHING\nabsent = no_such_module:opens\n"
    )
    (tmp_path / "theirs_targets.py").write_text(
        "from obverse.targets.python_callable import PythonTarget as opens\nNOTHING = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return tmp_path


def test_an_installed_package_adds_a_scheme(plugin: Path) -> None:
    assert open_target("theirs:example_agents:simple", Connection(python_path=(HERE,))).name.startswith("python:")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("openai:m", "`openai:` is claimed by `obverse.targets.openai_chat:OpenAITarget`, `theirs_targets:opens`"),
        ("broken:m", "is not callable"),
        ("absent:m", "needs the package `no_such_module`"),
    ],
)
def test_a_bad_plugin_is_refused_with_the_reason(plugin: Path, spec: str, said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        open_target(spec)


def test_a_package_that_is_missed_on_opening_is_named_with_its_extra() -> None:
    def opens(rest: str, connection: Connection, /) -> Target:
        raise ModuleNotFoundError("no xllamacpp", name="xllamacpp")

    with pytest.raises(MisuseError, match=r"`xllamacpp`.*obverse\[local\]"):
        open_target("mine:m", extra={"mine": opens})


def test_naming_the_adapters_loads_none_of_them() -> None:
    code = (
        "import sys, obverse.targets.open, obverse.targets.agent; "
        "print([name for name in ('openai', 'anthropic', 'aiohttp', 'httpx2', 'inspect_ai') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
