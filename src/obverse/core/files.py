"""Writing a file so that nobody ever sees half of one: beside it, to the disk, then in its place.

Not for journals, which are written bit by bit and say themselves how far they came.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """The whole file or none: what stood there stays until the new one is complete and on disk.

    A link is followed and a file keeps its permissions; what is no regular file, such as `/dev/stdout`, is written as it is.

    Raises:
        OSError: named after the file itself, not after what was written beside it.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(data)  # a device cannot be half written, and must not be replaced
        return
    beside = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    try:
        _write(beside, data, like=path)
        beside.replace(path)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def _write(beside: Path, data: bytes, *, like: Path) -> None:
    with beside.open("wb") as file:
        if like.exists():
            beside.chmod(like.stat().st_mode & 0o7777)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
