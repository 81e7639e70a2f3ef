"""The journal of a run: what was going to be asked, what was asked, what was answered. One SQLite file in the run's folder.

    (1) The plan stands in it before the first trial (L18).
    (2) A trial is marked as begun, durably, before its call is made (L13).
    (3) An answer is durable before anybody counts it; an answered key is never asked again.
    (4) One process at a time: a lock on the folder, which dies with the process.

Writes are grouped: one thread commits whatever has gathered since its last commit, so that durability costs one flush for
many trials and not one each. After a failed commit (a full disk) nothing more is written: SQLite has rolled it back, and
nothing stands half written. Not a ledger: nothing here is signed or chained.
"""

from __future__ import annotations

import asyncio
import fcntl
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

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
_BEGIN: Final = sa.text(
    "INSERT INTO trials (key, begun) VALUES (:key, 1) ON CONFLICT (key) DO UPDATE SET begun = trials.begun + 1"
)
_ANSWER: Final = sa.text("UPDATE trials SET answer = :answer WHERE key = :key")
_NOTE: Final = sa.text(
    "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = :value"
)
_encode = msgspec.json.Encoder().encode


class Keyed(Protocol):
    """What is held as an answer: a record with the content key that it was begun under."""

    @property
    def key(self) -> str: ...


_A = TypeVar("_A", bound=Keyed)
_P = TypeVar("_P", bound=msgspec.Struct)


class _Write(NamedTuple):
    """A row for one statement, and whom to tell when it is durable."""

    statement: sa.TextClause
    row: dict[str, Any]
    done: asyncio.Future[None]


class JournalOf(Generic[_A]):
    """An open journal of such answers. `begin`, `answer` and `note` return when what they say is durable.

    Raises, all three of them:
        UnavailableError: it could not be written; from then on nothing is.
    """

    def __init__(self, folder: Path, engine: sa.Engine, lock: Any, answers: type[_A]) -> None:
        self.folder = folder
        self._answers = answers
        self._engine = engine
        self._lock = lock
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._failed: UnavailableError | None = None
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        self._writer.start()

    async def begin(self, key: str) -> None:
        """Mark a trial as begun: its calls may be made from now on."""
        await self._submit(_BEGIN, {"key": key})

    async def answer(self, trial: _A) -> None:
        """Hold what a trial came to."""
        await self._submit(_ANSWER, {"key": trial.key, "answer": _encode(trial)})

    async def note(self, key: str, value: object) -> None:
        """Hold something about the run itself."""
        await self._submit(_NOTE, {"key": key, "value": _encode(value)})

    def answered(self) -> Iterator[_A]:
        """The trials that it holds, one at a time."""
        return _answered(self._engine, self.folder, self._answers)

    def notes(self) -> dict[str, bytes]:
        """What it holds about the run itself."""
        return _notes(self._engine)

    def close(self) -> None:
        """Write what is waiting, and let go of file and lock."""
        self._queue.put(None)
        self._writer.join()
        self._engine.dispose()
        self._lock.close()

    async def _submit(self, statement: sa.TextClause, row: dict[str, Any]) -> None:
        if self._failed is not None:
            raise self._failed
        done = asyncio.get_running_loop().create_future()
        self._queue.put(_Write(statement, row, done))
        await done

    def _write(self) -> None:
        """The thread that writes: everything that waits goes into one commit."""
        while True:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            writes = [write for write in batch if write is not None]
            if writes and self._failed is None:
                self._failed = self._commit(writes)
            _tell_all(writes, self._failed)
            if None in batch:
                return

    def _commit(self, writes: list[_Write]) -> UnavailableError | None:
        rows: dict[sa.TextClause, list[dict[str, Any]]] = {_BEGIN: [], _ANSWER: [], _NOTE: []}
        for write in writes:
            rows[write.statement].append(write.row)
        try:
            with self._engine.begin() as connection:
                for statement, several in rows.items():
                    if several:
                        connection.execute(statement, several)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            return _unwritable(self.folder, error)
        return None


Journal: TypeAlias = JournalOf[Trial]
"""That of `obverse run`."""


def open_journal(folder: Path, plan: Plan, *, resume: bool) -> Journal:
    """The journal of a new run of trials, or of one that goes on: `open_journal_of`."""
    return open_journal_of(folder, plan, Trial, resume=resume)


def open_journal_of(folder: Path, plan: msgspec.Struct, answers: type[_A], *, resume: bool) -> JournalOf[_A]:
    """The journal of a new run, or of one that goes on.

    Raises:
        MisuseError: the folder holds a run and `resume` was not asked for, or holds another plan, or another process is in it.
        UntrustedInputError: what stands there is no journal of ours.
        UnavailableError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        if (folder / NAME).exists() and not resume and _has_plan(folder):
            raise MisuseError(
                f"`{folder}` already holds a run",
                code="R101",
                hint="go on with --resume, or name another folder with -o",
            )
        engine = _engine(folder / NAME)
        try:
            _tables.create_all(engine)
            _check_plan(engine, folder, plan)
        except BaseException:
            engine.dispose()
            raise
        return JournalOf(folder, engine, lock, answers)
    except sa.exc.OperationalError as error:
        lock.close()
        raise _unwritable(folder, error) from error
    except sa.exc.SQLAlchemyError as error:
        lock.close()
        raise _unreadable(folder, error) from error
    except BaseException:
        lock.close()
        raise


def read_plan(folder: Path) -> tuple[Plan, dict[str, bytes]]:
    """The plan and the notes of a run of trials that is not gone on with: `read_plan_of`."""
    return read_plan_of(folder, Plan)


def read_plan_of(folder: Path, plan: type[_P]) -> tuple[_P, dict[str, bytes]]:
    """The plan and the notes of a run that is not gone on with.

    Raises:
        UntrustedInputError: there is no journal, or it is not one of ours.
    """
    if not (folder / NAME).is_file():
        raise UntrustedInputError(
            f"no journal in `{folder}`", code="R103", hint="name a folder that `obverse run` wrote"
        )
    try:
        with _reading(folder) as engine:
            notes = _notes(engine)
    except (sa.exc.SQLAlchemyError, TypeError) as error:  # a damaged cell may hold anything
        raise _unreadable(folder, error) from error
    if "plan" not in notes:
        raise _unreadable(folder, KeyError("it holds no plan"))
    return _plan(notes["plan"], folder, plan), notes


def read_trials(folder: Path) -> Iterator[Trial]:
    """The answered trials of a run, one at a time."""
    return read_answers(folder, Trial)


def read_answers(folder: Path, answers: type[_A]) -> Iterator[_A]:
    """The answers that the journal of a run holds, one at a time."""
    with _reading(folder) as engine:
        yield from _answered(engine, folder, answers)


def begun_times(folder: Path) -> dict[str, int]:
    """How often each trial was begun: more than once only where a run was cut off before the answer was held."""
    with _reading(folder) as engine, engine.connect() as connection:
        return {row.key: row.begun for row in connection.execute(sa.select(_trials.c.key, _trials.c.begun))}


@contextmanager
def _reading(folder: Path) -> Iterator[sa.Engine]:
    engine = _engine(folder / NAME)
    try:
        yield engine
    finally:
        engine.dispose()


def _engine(path: Path) -> sa.Engine:
    url = sa.URL.create("sqlite", database=str(path))  # a path may hold what a URL would take for its own
    engine = sa.create_engine(url, poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    return engine


def _notes(engine: sa.Engine) -> dict[str, bytes]:
    with engine.connect() as connection:
        return {str(row.key): memoryview(row.value).tobytes() for row in connection.execute(sa.select(_meta))}


def _has_plan(folder: Path) -> bool:
    """Whether a run was ever planned here: one that was cut off before that left nothing to go on with."""
    with _reading(folder) as engine:
        if not sa.inspect(engine).has_table(_meta.name):
            return False
        with engine.connect() as connection:
            return connection.execute(sa.select(_meta.c.key).where(_meta.c.key == "plan")).scalar() is not None


def _check_plan(engine: sa.Engine, folder: Path, plan: msgspec.Struct) -> None:
    """(1) The plan is written first; a run that goes on must have the same one (L18)."""
    with engine.begin() as connection:
        held = connection.execute(sa.select(_meta.c.value).where(_meta.c.key == "plan")).scalar()
        if held is None:
            connection.execute(_NOTE, [{"key": "schema", "value": SCHEMA.encode()}])
            connection.execute(_NOTE, [{"key": "plan", "value": _encode(plan)}])
            return
    first = _plan(held, folder, type(plan))
    if first != plan:
        changed = ", ".join(
            f"`{name}`" for name in plan.__struct_fields__ if getattr(first, name) != getattr(plan, name)
        )
        raise MisuseError(
            f"`{folder}` holds a run with another plan: {changed} changed",
            code="R102",
            hint="a run goes on with the plan that it was started with; name another folder for another plan",
        )


def _plan(held: bytes, folder: Path, plan: type[_P]) -> _P:
    try:
        return msgspec.json.decode(held, type=plan)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
        kinds = "is it of another kind? `obverse report` is for `obverse run`, `obverse stability report` for `obverse stability`"
        raise _unreadable(folder, error, hint=kinds if isinstance(error, msgspec.ValidationError) else None) from error


def _answered(engine: sa.Engine, folder: Path, answers: type[_A]) -> Iterator[_A]:
    decode = msgspec.json.Decoder(answers).decode
    chosen = sa.select(_trials.c.answer).where(_trials.c.answer.is_not(None))
    try:
        with engine.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(chosen):
                yield decode(row.answer)
    except (sa.exc.SQLAlchemyError, msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
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


def _tell_all(writes: list[_Write], error: UnavailableError | None) -> None:
    """Tell everybody who waits, with one wake-up for each loop."""
    for loop in {write.done.get_loop() for write in writes}:
        mine = [write.done for write in writes if write.done.get_loop() is loop]
        try:
            loop.call_soon_threadsafe(_tell, mine, error)
        except RuntimeError:  # the loop was closed while a write was under way: nobody waits any more
            continue


def _tell(waiting: list[asyncio.Future[None]], error: UnavailableError | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


def _unwritable(folder: Path, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"cannot write the journal in `{folder}`: {_short(error)}",
        code="R106",
        hint="is the disk full? what was answered is safe: make room and go on with --resume",
    )


def _unreadable(folder: Path, error: Exception, *, hint: str | None = None) -> UntrustedInputError:
    return UntrustedInputError(f"the journal in `{folder}` cannot be read: {_short(error)}", code="R104", hint=hint)


def _short(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(getattr(error, "orig", None) or error).splitlines()[0]
