"""No room reads the clock, the environment, the network or a global random source, unless layers.toml says so."""

from __future__ import annotations

import pytest

from house import Module, layers, modules
from purity import touches

MAY = layers()["may_touch"]
NOBODY: dict[str, list[str]] = {kind: [] for kind in MAY}


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name or "front")
def test_a_module_touches_only_what_it_may(module: Module) -> None:
    assert touches(module, MAY) == []


def test_every_scope_of_layers_toml_exists() -> None:
    rooms = set(layers()["may_import"])
    names = {module.name for module in modules()}
    assert {scope for scopes in MAY.values() for scope in scopes} <= rooms | names


PLANTED = {
    "a clock": ("import time\ntime.time()", "clock"),
    "a clock under another name": ("from time import monotonic as tick\ntick()", "clock"),
    "a clock as a default": ("import time\ndef f(now=time.time): ...", "clock"),
    "a date": ("import datetime as dt\ndt.datetime.now(dt.UTC)", "clock"),
    "a date, imported": ("from datetime import datetime\ndatetime.now()", "clock"),
    "an environment variable": ("import os\nos.environ.get('HOME')", "environment"),
    "an environment variable, imported": ("from os import environ\nenviron['HOME']", "environment"),
    "the home": ("from pathlib import Path\nPath.home()", "environment"),
    "the platform": ("import platform\nplatform.node()", "environment"),
    "a socket": ("import socket", "network"),
    "a client, late": ("def f():\n    from urllib.request import urlopen", "network"),
    "a global draw": ("import random\nrandom.shuffle([])", "random"),
    "a global draw, imported": ("from random import choice\nchoice([1])", "random"),
    "a generator without a seed": ("import random\nrandom.Random()", "random"),
    "the system's randomness": ("import random\nrandom.SystemRandom(1)", "random"),
    "numpy's global draw": ("import numpy as np\nnp.random.rand(3)", "random"),
    "numpy without a seed": ("import numpy as np\nnp.random.default_rng()", "random"),
    "a random id": ("import uuid\nuuid.uuid4()", "random"),
    "a secret": ("import secrets\nsecrets.token_hex(8)", "random"),
}


@pytest.mark.parametrize(("text", "kind"), PLANTED.values(), ids=PLANTED)
def test_a_touch_of_the_world_is_found(text: str, kind: str) -> None:
    [found] = touches(Module(name="core.x", text=text), NOBODY)
    assert f"reads the {kind}" in found
    assert touches(Module(name="core.x", text=text), {**NOBODY, kind: ["core"]}) == []
    assert touches(Module(name="core.x", text=text), {**NOBODY, kind: ["core.y", "cor"]}) != []


HARMLESS = {
    "a seeded generator": "import random\nrandom.Random(7).random()",
    "a seeded numpy generator": "import numpy as np\nnp.random.default_rng(7).random()",
    "a time that came as a parameter": "def f(time): return time.time()",
    "a clock's type": "from datetime import datetime\ndatetime.fromisoformat('2026-01-01')",
    "a client for the type checker": "if TYPE_CHECKING:\n    import openai",
    "text about urls": "from urllib.parse import urlsplit\nurlsplit('')",
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_does_not_touch_the_world_passes(text: str) -> None:
    assert touches(Module(name="core.x", text=text), NOBODY) == []
