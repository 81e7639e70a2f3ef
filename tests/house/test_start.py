"""Starting is quick, and loads nothing that only some commands need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from house import ROOT, layers, modules

HEAVY = {*layers()["loaded_late"]["packages"], "lark", "re2", "yaml", "pydantic"}
ROOMS = set(layers()["may_import"]) - {"core", "cli", "front"}
IMPORT_LIMIT, HELP_LIMIT = 0.150, 0.250  # seconds
TRIES = 5  # the quickest counts: the code is no slower than its best

# Seconds of the processor, not of the wall: what else the machine does is not ours. benchmarks/ has the wall.
TIMED = """
import sys, time
before = time.process_time(); {work}
took = time.process_time() - before
print(took, *sorted({{name.split(".")[0] for name in sys.modules}}), sep="\\n")
print(*sorted(name for name in sys.modules if name.startswith("obverse.")), sep="\\n")
"""
IMPORT = TIMED.format(work="import obverse")
SHOW_HELP = TIMED.format(
    work="import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()):\n"
    "    from obverse.cli.app import main; assert main(['--help']) == 0"
)


def started(code: str) -> tuple[float, set[str]]:
    """Seconds and loaded modules, by a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    took, *names = done.stdout.split()
    return float(took), set(names)


def packages_of_others(code: str) -> set[str]:
    """Top-level packages that this code loads and that come neither from Python nor from us nor from the environment."""
    _, bare = started(TIMED.format(work="pass"))
    tops = {name.split(".")[0] for name in started(code)[1] - bare}
    return {name for name in tops if name not in sys.stdlib_module_names and name != "obverse"}


@pytest.mark.parametrize(("code", "limit"), [(IMPORT, IMPORT_LIMIT), (SHOW_HELP, HELP_LIMIT)], ids=["import", "help"])
def test_starting_is_quick(code: str, limit: float) -> None:
    assert min(started(code)[0] for _ in range(TRIES)) < limit


@pytest.mark.parametrize(("code", "kind"), [(IMPORT, "import"), (SHOW_HELP, "help")], ids=["import", "help"])
def test_starting_loads_only_the_listed_packages(code: str, kind: str) -> None:
    assert packages_of_others(code) <= set(layers()["loaded_at_start"][kind])


def test_help_loads_no_room_below_the_core() -> None:
    _, loaded = started(SHOW_HELP)
    assert {name.split(".")[1] for name in loaded if name.startswith("obverse.")} & ROOMS == set()


def test_a_heavy_module_would_be_seen() -> None:
    assert "yaml" in packages_of_others("import yaml\n" + IMPORT)


@pytest.mark.parametrize("room", sorted({module.room for module in modules()} - {"front"}))
def test_importing_a_room_alone_stays_light(room: str) -> None:
    _, loaded = started(TIMED.format(work=f"import obverse.{room}"))
    assert loaded & HEAVY == set(), f"`obverse/{room}/__init__.py` must not load these"


def test_the_whole_command_answers_in_time() -> None:
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'obverse.cli', '-h'], stdout=subprocess.DEVNULL, check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime)"
    )
    assert min(started(code)[0] for _ in range(TRIES)) < HELP_LIMIT
