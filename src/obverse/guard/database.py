"""The one database of a guard: a SQLite file, or any URL that SQLAlchemy knows (PostgreSQL when it is outgrown).

The queue of people and the register of grants have tables of their own in it. Several processes use it at once. Nothing in it is
believed because it is there: what counts is signed, and the guard compares it with its own copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from obverse.core.errors import UnavailableError

_PATIENCE: Final = 10.0  # seconds that a writer waits for another one


def connect(where: Path | str, tables: sa.MetaData) -> sa.Engine:
    """The database at this path or URL, with these tables made if they are not there.

    Raises:
        UnavailableError: it cannot be opened.
    """
    with naming(where):
        url = sa.URL.create("sqlite", database=str(where)) if isinstance(where, Path) else sa.make_url(where)
        lite = url.get_backend_name() == "sqlite"
        engine = sa.create_engine(url, connect_args={"timeout": _PATIENCE} if lite else {})
        if lite:
            sa.event.listen(engine, "connect", _durable)
        with engine.begin() as connection:
            for table in tables.sorted_tables:
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                for index in sorted(table.indexes, key=str):
                    connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
        return engine


@contextmanager
def naming(where: object) -> Iterator[None]:
    """Around work with the database: what it refuses is one of our errors.

    Raises:
        UnavailableError: for whatever SQLAlchemy or a driver raises, but for a key that is there already.
    """
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise UnavailableError(f"the database `{where}` refuses: {reason[:200]}", code="G230") from error


def _durable(connection: Any, _record: object) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
