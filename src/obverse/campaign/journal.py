"""The journal of a run: what was going to be asked, what was asked, what was answered. One SQLite file in the run's folder.

    (1) The plan stands in it before the first trial (L18).
    (2) A trial is marked as begun, durably, before its call is made.
    (3) An answer is durable before anybody counts it; an answered key is never asked again.
    (4) One process at a time: a lock on the folder, which dies with the process.

Writes are grouped: one thread commits whatever has gathered since its last commit, so that durability costs one flush for
many trials and not one each. A failed commit (a full disk) stops the run with nothing half written: SQLite rolls back.
Not a ledger: nothing here is signed or chained.
"""

from __future__ import annotations

import asyncio
import fcntl
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from obverse.campaign.records import Plan, Trial
from obverse.core.errors import MisuseError, UnavailableError, UntrustedInputError

SCHEMA: Final = "obverse.journal/1"
NAME: Final = "journal.sqlite"

_tables = sa.MetaData()
_meta = sa.Table(
    "meta", _tables, sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.LargeBinary, nullable=False)
)
_trials = sa.Table(
    "trials",
    _tables,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("begun", sa.Integer, nullable=False),
    sa.Column("answer", sa.LargeBinary),
)
_BEGIN = sa.text(
    "INSERT INTO trials (key, begun) VALUES (:key, 1) ON CONFLICT (key) DO UPDATE SET begun = trials.begun + 1"
)
_ANSWER = sa.text("UPDATE trials SET answer = :answer WHERE key = :key")


class Journal:
    """An open journal. `begin` and `answer` return when what they say is durable."""

    def __init__(self, folder: Path, engine: sa.Engine, lock: Any) -> None:
        self.folder = folder
        self._engine = engine
        self._lock = lock
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._failed: Exception | None = None
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        self._writer.start()

    async def begin(self, keys: Sequence[str]) -> None:
        """Mark these trials as begun: their calls may be made from now on."""
        await self._submit(_BEGIN, [{"key": key} for key in keys])

    async def answer(self, trial: Trial) -> None:
        """Hold what a trial came to."""
        await self._submit(_ANSWER, [{"key": trial.key, "answer": msgspec.json.encode(trial)}])

    async def note(self, key: str, value: object) -> None:
        """Hold something about the run itself."""
        await self._submit(_NOTE, [{"key": key, "value": msgspec.json.encode(value)}])

    def answered(self) -> Iterator[Trial]:
        """The trials that it holds, one at a time."""
        return _answered(self._engine, self.folder)

    def close(self) -> None:
        """Write what is waiting, and let go of file and lock."""
        self._queue.put(None)
        self._writer.join()
        self._engine.dispose()
        self._lock.close()

    async def _submit(self, statement: sa.TextClause, rows: list[dict[str, Any]]) -> None:
        if self._failed is not None:
            raise _unwritable(self.folder, self._failed)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put(_Write(statement, rows, loop, done))
        await done

    def _write(self) -> None:
        while True:
            first = self._queue.get()
            batch = [first]
            while not self._queue.empty():
                batch.append(self._queue.get())
            writes = [write for write in batch if write is not None]
            if writes and self._failed is None:
                self._failed = self._commit(writes)
            _settle(writes, self._failed and _unwritable(self.folder, self._failed))
            if None in batch:
                return

    def _commit(self, writes: list[_Write]) -> Exception | None:
        try:
            with self._engine.begin() as connection:
                for write in writes:
                    connection.execute(write.statement, write.rows)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            return error
        return None


class _Write:
    """Rows for one statement, and whom to tell when they are durable."""

    __slots__ = ("done", "loop", "rows", "statement")

    def __init__(
        self,
        statement: sa.TextClause,
        rows: list[dict[str, Any]],
        loop: asyncio.AbstractEventLoop,
        done: asyncio.Future[None],
    ) -> None:
        self.statement, self.rows, self.loop, self.done = statement, rows, loop, done


_NOTE = sa.text("INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = :value")


def open_journal(folder: Path, plan: Plan, *, resume: bool) -> Journal:
    """The journal of a new run, or of one that goes on.

    Raises:
        MisuseError: the folder holds a run and `resume` was not asked for, or holds another plan, or another process is in it.
        UnavailableError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        fresh = not (folder / NAME).exists()
        if not fresh and not resume:
            raise MisuseError(
                f"`{folder}` already holds a run",
                code="R101",
                hint="go on with --resume, or name another folder with -o",
            )
        engine = _engine(folder / NAME)
        _tables.create_all(engine)
        _check_plan(engine, folder, plan)
        return Journal(folder, engine, lock)
    except sa.exc.SQLAlchemyError as error:
        lock.close()
        raise _unwritable(folder, error) from error
    except BaseException:
        lock.close()
        raise


def read_plan(folder: Path) -> tuple[Plan, dict[str, bytes]]:
    """The plan and the notes of a run that is not gone on with.

    Raises:
        UntrustedInputError: there is no journal, or it is not one of ours.
    """
    if not (folder / NAME).is_file():
        raise UntrustedInputError(
            f"no journal in `{folder}`", code="R103", hint="name a folder that `obverse run` wrote"
        )
    engine = _engine(folder / NAME)
    try:
        with engine.connect() as connection:
            notes = {row.key: bytes(row.value) for row in connection.execute(sa.select(_meta))}
        return msgspec.json.decode(notes["plan"], type=Plan), notes
    except (sa.exc.SQLAlchemyError, KeyError, msgspec.MsgspecError) as error:
        raise _unreadable(folder, error) from error
    finally:
        engine.dispose()


def read_trials(folder: Path) -> Iterator[Trial]:
    """The answered trials of a run, one at a time."""
    engine = _engine(folder / NAME)
    try:
        yield from _answered(engine, folder)
    finally:
        engine.dispose()


def begun_times(folder: Path) -> dict[str, int]:
    """How often each trial was begun: more than once only where a run was cut off before the answer was held."""
    engine = _engine(folder / NAME)
    try:
        with engine.connect() as connection:
            return {row.key: row.begun for row in connection.execute(sa.select(_trials.c.key, _trials.c.begun))}
    finally:
        engine.dispose()


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False}
    )

    @sa.event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    return engine


def _check_plan(engine: sa.Engine, folder: Path, plan: Plan) -> None:
    """(1) The plan is written first; a run that goes on must have the same one (L18)."""
    with engine.begin() as connection:
        held = connection.execute(sa.select(_meta.c.value).where(_meta.c.key == "plan")).scalar()
        if held is None:
            connection.execute(_NOTE, [{"key": "schema", "value": SCHEMA.encode()}])
            connection.execute(_NOTE, [{"key": "plan", "value": msgspec.json.encode(plan)}])
            return
    if msgspec.json.decode(held, type=Plan) != plan:
        raise MisuseError(
            f"`{folder}` holds a run with another plan",
            code="R102",
            hint="policy, target, settings and seed must be those of the first start; or name another folder",
        )


def _answered(engine: sa.Engine, folder: Path) -> Iterator[Trial]:
    decoder = msgspec.json.Decoder(Trial)
    chosen = sa.select(_trials.c.answer).where(_trials.c.answer.is_not(None))
    try:
        with engine.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(chosen):
                yield decoder.decode(row.answer)
    except (sa.exc.SQLAlchemyError, msgspec.MsgspecError) as error:
        raise _unreadable(folder, error) from error


def _lock(folder: Path) -> Any:
    """(4) An open file with the lock on it; the system lets go of it when the process ends, however it ends."""
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise MisuseError(
            f"another run is at work in `{folder}`", code="R105", hint="wait for it, or name another folder"
        ) from error
    return lock


def _settle(writes: list[_Write], error: Exception | None) -> None:
    """Tell everybody who waits, one wake-up for each loop."""
    loops = {write.loop for write in writes}
    for loop in loops:
        mine = [write.done for write in writes if write.loop is loop]
        try:
            loop.call_soon_threadsafe(_tell, mine, error)
        except RuntimeError:  # the loop was closed while a write was under way: nobody waits any more
            continue


def _tell(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


def _unwritable(folder: Path, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"cannot write the journal in `{folder}`: {_short(error)}", code="R106", hint="is the disk full?"
    )


def _unreadable(folder: Path, error: Exception) -> UntrustedInputError:
    return UntrustedInputError(f"the journal in `{folder}` cannot be read: {_short(error)}", code="R104")


def _short(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
