"""What the commands of `obverse ledger` read: logs, keys, whom to believe. Not a command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from obverse.ledger.checkpoint import Trust
    from obverse.ledger.note import Key, Note
    from obverse.ledger.reader import Files

LARGEST_NOTE = 1_000_000

key_option = click.option(
    "--key", "keys", multiple=True, metavar="KEY", help="A key of the log, `name+id+base64`, or a file of such lines."
)


def files_at(path: Path) -> Files:
    """The files of a log in a folder or a bundle, as they are at its checkpoint of now."""
    from obverse.ledger.bundle import Bundle
    from obverse.ledger.reader import Folder, held

    return held(Folder(path)) if path.is_dir() else Bundle(path)


def head_of(files: Files, path: Path) -> Note:
    """The checkpoint of the log there."""
    from obverse.core.errors import MisuseError
    from obverse.ledger.reader import read_head

    head = read_head(files)
    if head is None:
        raise MisuseError(f"no log in `{path}`", code="E107")
    return head


def read_keys(given: Sequence[str]) -> list[Key]:
    """The keys in these lines, or files of such lines."""
    from obverse.cli.load import read_file
    from obverse.ledger.note import read_key

    lines: list[str] = []
    for one in given:
        path = Path(one)
        is_file = len(one) < 4096 and path.is_file()  # the longest path there is
        text = read_file(path, LARGEST_NOTE, "the keys").decode(errors="replace") if is_file else one
        lines += [line for line in text.splitlines() if line.strip()]
    return [read_key(line) for line in lines]


def read_trust(
    keys: Sequence[str], witnesses: Sequence[str] = (), quorum: int | None = None, policy: Path | None = None
) -> Trust | None:
    """Whom to believe; None if nobody was named."""
    from obverse.cli.load import read_file
    from obverse.ledger.checkpoint import Trust
    from obverse.ledger.trust import read_trust_policy

    if policy is not None:
        if keys or witnesses or quorum is not None:
            raise click.UsageError("--trust names keys, witnesses and quorum: not beside --key, --witness, --quorum")
        return read_trust_policy(read_file(policy, LARGEST_NOTE, "the trust policy")).trust
    seen = tuple(read_keys(witnesses))
    if not keys:
        return None
    return Trust(log=tuple(read_keys(keys)), witnesses=seen, quorum=len(seen) if quorum is None else quorum)
