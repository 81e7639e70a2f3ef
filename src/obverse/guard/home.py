"""The folder of a guard on this machine: where its policy, its log, its keys and its orders are.

    guard.toml     what follows, and the settings
    policy/        the policy, and the files that it reads terms from
    ledger/        the log; nobody but the guard writes it
    log.key        its private key, for its owner's eyes only
    guard.sqlite   requests for approval, and grants
    people/        who may approve, grant or stop: `NAME.json`, public keys alone
    control/       leases, and orders to stop, by anybody who may write there

Reads and makes files; no clock, no randomness. What is in force is what is read when the guard starts; `watch` looks for changes.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

import msgspec

from obverse.core.errors import MisuseError, UnavailableError, UntrustedInputError
from obverse.core.files import write_whole
from obverse.guard.settings import Settings
from obverse.ledger.keys import FileSigner, key_file, new_key, read_key_file
from obverse.ledger.log import Log
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.document import LARGEST
from obverse.policy.parse import parse
from obverse.policy.tools import LARGEST as LARGEST_TOOLS

CONFIGURATION: Final = "guard.toml"
FORM: Final = 1
_LARGEST_CONFIGURATION: Final = 262_144
_OWNER_ONLY: Final = stat.S_IRWXG | stat.S_IRWXO


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the guard takes the credentials of tools from: names in its environment, or a file that only its owner reads."""

    environment: tuple[str, ...] = ()
    file: str | None = None


class ConsensusSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model is drawn several times for `message.unstable` and `reply.against_consensus`, and how.

    It should be the model that the guard stands before, with the system prompt that it has there.
    """

    model: str
    base_url: str | None = None
    draws: int = 8
    temperature: float = 0.7
    max_tokens: int = 48
    system: str = ""


class JudgeSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model answers judged predicates: a target such as `openai:MODEL`, as `obverse run --judge` takes it."""

    model: str | None = None
    base_url: str | None = None
    at_once: int = 8
    consensus: ConsensusSource | None = None


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `guard.toml` says. `leases` are renewed by whoever may write into `control/`, or only by a signature."""

    guard: int
    name: str
    policy: str = "policy/policy.md"
    leases: Literal["plain", "signed"] = "plain"
    heartbeat_seconds: float = 60.0
    settings: Settings = Settings()
    credentials: Credentials = Credentials()
    judge: JudgeSource = JudgeSource()
    gateway: Mapping[str, Any] = {}
    """For `gateway.http`, which reads it."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The policy, and every byte that it was made from, by name; the policy itself is first."""

    checked: Checked
    files: Mapping[str, bytes]


class Home(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The folder, as `open_home` found it."""

    folder: Path
    configuration: Configuration

    @property
    def settings(self) -> Settings:
        """The settings of the guard."""
        return self.configuration.settings

    @property
    def policy(self) -> Path:
        """The file of the policy."""
        return self.folder / self.configuration.policy

    @property
    def ledger(self) -> Path:
        """The folder of the log."""
        return self.folder / "ledger"

    @property
    def key(self) -> Path:
        """The private key of the log."""
        return self.folder / "log.key"

    @property
    def database(self) -> Path:
        """The database of requests and grants."""
        return self.folder / "guard.sqlite"

    @property
    def people(self) -> Path:
        """The folder of who may approve, grant or stop."""
        return self.folder / "people"

    @property
    def control(self) -> Path:
        """The folder of leases and orders."""
        return self.folder / "control"

    @cached_property
    def loaded(self) -> Loaded:
        """The policy of this home.

        Raises:
            ManyErrors: with every fault of its text.
        """
        return load_policy(self.policy)

    def signer(self) -> FileSigner:
        """Who signs the log.

        Raises:
            MisuseError: if others than its owner may read the key.
        """
        private(self.key)
        return FileSigner(self.configuration.name, read_key_file(self.key.read_bytes()))


def open_home(folder: Path) -> Home:
    """The home of a guard.

    Raises:
        MisuseError: if there is none.
        UntrustedInputError: if its `guard.toml` is not of a known form.
    """
    path = folder / CONFIGURATION
    if not path.is_file():
        raise MisuseError(f"no guard in `{folder}`", code="G130", hint="`obverse guard init` makes one")
    data = path.read_bytes()
    try:
        if len(data) > _LARGEST_CONFIGURATION:
            raise ValueError(f"it has {len(data):,} bytes")
        found = msgspec.convert(tomllib.loads(data.decode()), Configuration)
        if found.guard != FORM:
            raise ValueError(f"it is of form {found.guard}, not {FORM}")
    except ValueError as error:
        raise UntrustedInputError(f"not the settings of a guard: {error}", code="G131", source=str(path)) from error
    return Home(folder=folder, configuration=found)


def make_home(folder: Path, policy: Path, *, name: str, origin: str) -> Home:
    """A new home for this policy, in a folder that is not there or empty, with a log of its own.

    Raises:
        MisuseError: if there is something in the folder.
        ManyErrors: with every fault of the policy; nothing is made then.
    """
    loaded = load_policy(policy)
    if folder.exists() and any(folder.iterdir()):
        raise MisuseError(f"`{folder}` is not empty", code="G130", hint="a guard begins in a folder of its own")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(stat.S_IRWXU)  # payloads are what users wrote
    for below in ("policy", "people", "control"):
        (folder / below).mkdir()
    first, *others = loaded.files.items()
    write_whole(folder / "policy" / "policy.md", first[1])
    for file, data in others:
        (folder / "policy" / file).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "policy" / file, data)
    write_private(folder / "log.key", key_file(new_key()))
    text = f"guard = {FORM}\nname = {_toml(name)}\npolicy = {_toml('policy/policy.md')}\n\n[settings]\n"
    write_whole(folder / CONFIGURATION, text.encode())
    home = open_home(folder)
    with Log.create(home.ledger, origin, [home.signer()]):
        return home


def load_policy(path: Path) -> Loaded:
    """The policy in this file, and the bytes that it was made from.

    Raises:
        ManyErrors: with every fault of its text.
        UntrustedInputError: if it names a file outside of its folder.
    """
    files = {path.name: _bounded(path, LARGEST)}

    def beside(name: str) -> bytes:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UntrustedInputError(
                f"`{name}` is not in the policy's folder", code="G132", hint="a guard keeps a copy of all that it reads"
            )
        files[name] = _bounded(path.parent / name, LARGEST_TOOLS)
        return files[name]

    checked = check(parse(files[path.name], source=str(path), files=beside), source=str(path))
    return Loaded(checked=checked, files=files)


def private(path: Path) -> None:
    """Returns if nobody but its owner may read this file.

    Raises:
        MisuseError: if others may.
        UnavailableError: if it is not there.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UnavailableError(f"`{path}` cannot be read", code="G133") from error
    if mode & _OWNER_ONLY:
        raise MisuseError(f"others may read `{path}`", code="G133", hint=f"chmod 600 {path}")


def write_private(path: Path, data: bytes) -> None:
    """A new file that only its owner may read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _bounded(path: Path, largest: int) -> bytes:
    if path.stat().st_size > largest:
        raise UntrustedInputError(f"larger than {largest:,} bytes", code="P101", source=str(path))
    return path.read_bytes()


def _toml(text: str) -> str:
    """A TOML string: JSON's escapes are among TOML's."""
    return msgspec.json.encode(text).decode()
