"""A stability run from its folder: start it, go on with it, or read it again.

A folder holds `journal.sqlite` (plan, draws, what was seen inside), `stability.json` (prompts, ladders, judges as they were),
`vectors.npz` (of answers) and the reports. A diagnosis is computed from these alone, so that it can be written again years later:
the live run ends with the very function that reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from obverse.campaign.journal import JournalOf, open_journal_of, read_answers, read_plan_of
from obverse.campaign.records import Caps
from obverse.campaign.runner import Clock, Ended, Pace
from obverse.campaign.stability.aside import aside
from obverse.campaign.stability.book import DrawBook
from obverse.campaign.stability.drawing import Batches, Endpoint, Scene, by_name, plain
from obverse.campaign.stability.keys import Keys
from obverse.campaign.stability.planning import plan_stability, points_of
from obverse.campaign.stability.records import Ending, StabilityPlan, Standing, exact
from obverse.campaign.stability.scoring import Panel
from obverse.campaign.stability.subjects import Subject
from obverse.campaign.stability.vectors import Encodes, KeptVectors, LacksVectorError, read_vectors
from obverse.core.canon import digest
from obverse.core.errors import ObverseError, UntrustedInputError
from obverse.core.files import write_whole
from obverse.core.version import VERSION
from obverse.stability.diagnosis import diagnose
from obverse.stability.findings import Diagnosis, External, Inside, Zone
from obverse.stability.inside.look import look
from obverse.stability.joint import joint
from obverse.stability.records import Behaviour, Draw, Ladder, Prompt, Settings

_T = TypeVar("_T")

STANDING: Final = "stability.json"
LARGEST: Final = 1 << 30
CUT_OFF: Final = Ending(why="it was cut off", complete=False, started="", seconds=0.0)


class Watches(Protocol):
    """Who is told how a run goes on; all of it may be ignored."""

    def drawn(self, draw: Draw) -> None:
        """A draw is durable."""
        ...

    def wave(self, left: int) -> None:
        """So many draws are left at most, after each wave."""
        ...

    def looking(self, done: int, all_: int) -> None:
        """So many readings of the inside are made."""
        ...


class Unwatched:
    """Nobody is told."""

    def drawn(self, draw: Draw) -> None:
        """Nothing."""

    def wave(self, left: int) -> None:
        """Nothing."""

    def looking(self, done: int, all_: int) -> None:
        """Nothing."""


class StabilityRun:
    """One run, prepared: its plan is fixed and can be looked at before anything is asked."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        ladders: Sequence[Ladder],
        settings: Settings,
        subject: Subject,
        panel: Panel,
        *,
        policy: Mapping[str, str],
        encoder: Encodes | None = None,
        rewriter: str = "",
        command: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        self.subject, self.panel, self.encoder = subject, panel, encoder
        self.standing = Standing(
            prompts=tuple(prompts),
            ladders=tuple(ladders),
            judges=panel.notes,
            notes=(*subject.notes, *notes),
            command=command,
        )
        self.plan = plan_stability(
            prompts, ladders, settings, policy=policy, target=subject.name, fingerprint=subject.fingerprint,
            judges=panel.names, rewriter=rewriter,
        )  # fmt: skip
        self.book = book_of(self.plan, self.standing)
        self._drawer: Endpoint | Batches | None = None
        self._why = ""

    async def execute(
        self,
        folder: Path,
        *,
        pace: Pace,
        clock: Clock,
        started: str,
        resume: bool,
        retry_errors: bool = False,
        caps: Caps = Caps(),  # noqa: B008  # frozen
        watch: Watches | None = None,
    ) -> Diagnosis:
        """The diagnosis when the run has ended; `stop` ends it early, and nothing that was answered is lost.

        `retry_errors` asks again what ended in an error, save where the content was what the provider refused.

        Raises:
            MisuseError: the folder holds another run, or somebody is at work in it.
            UntrustedInputError: the journal that it holds is damaged.
            UnavailableError: the target never answered, or the journal cannot be written.
        """
        watch = watch or Unwatched()
        journal = open_journal_of(folder, self.plan, Draw, resume=resume)
        try:
            if not (folder / STANDING).exists():
                write_whole(folder / STANDING, msgspec.json.encode(self.standing))
            for draw in journal.answered():
                if not retry_errors or draw.error in {None, "content-filter"}:
                    self.book.add(draw)
            await journal.note("ending", None)  # until this start has one of its own
            held = len(self.book.keys)
            began = clock.now()
            ended = await self._draw(self._drawing(journal, pace, caps, clock), watch)
            if (why := self._drawer_says()) is not None:
                await journal.note("tokens", why)
            seen = (
                "inside" in journal.notes() and len(self.book.keys) == held
            )  # by an earlier start, of the very same draws
            if ended.complete and self.plan.settings.inside and not seen:
                ended = await self._look(journal, folder, watch)
            ending = Ending(
                why=ended.why, complete=ended.complete, started=started, seconds=round(clock.now() - began, 3)
            )
            await journal.note("ending", ending)
        finally:
            journal.close()
        return await aside(lambda: read_stability(folder, encoder=self.encoder))

    def stop(self, why: str) -> None:
        """Begin nothing more."""
        self._why = self._why or why
        if self._drawer is not None:
            self._drawer.stop(why)

    def _drawing(self, journal: JournalOf[Draw], pace: Pace, caps: Caps, clock: Clock) -> Endpoint | Batches:
        scene = Scene(
            points=dict(by_name(self.book.points)),
            prompts={prompt.id: prompt for prompt in self.standing.prompts},
            panel=self.panel,
            max_tokens=self.plan.settings.max_tokens,
        )
        if self.subject.model is not None:
            return Batches(scene, self.subject.model, journal=journal, book=self.book, caps=caps, clock=clock)
        assert self.subject.target is not None  # INVARIANT: a subject is one or the other
        return Endpoint(
            scene, self.subject.target, journal=journal, book=self.book, pace=pace, caps=caps, clock=clock,
            seed=self.plan.settings.seed,
        )  # fmt: skip

    async def _draw(self, drawer: Endpoint | Batches, watch: Watches) -> Ended:
        """Wave after wave, each computed from what is durable: first of all base points, then rungs beside them."""
        self._drawer = drawer
        while not self._why and (due := self.book.next(drawer.wave)):
            ended = await drawer.draw(due, watch.drawn)
            watch.wave(self.book.left())
            if not ended.complete:
                return ended
        return Ended(why=self._why or "all drawn", complete=not self._why)

    def _drawer_says(self) -> str | None:
        """Why answers of this start came without an entropy of their tokens: what was said most often."""
        said = self._drawer.missing.most_common(1) if self._drawer is not None else []
        return said[0][0] if said else None

    async def _look(self, journal: JournalOf[Draw], folder: Path, watch: Watches) -> Ended:
        """The run with what was seen inside; where that cannot be read, the reason stands in its place."""
        looks = self.subject.looks
        if looks is None:
            await journal.note("unseen", "the target gives its answers only: nothing is known of its inside")
            return Ended(why="all drawn", complete=True)
        loop = asyncio.get_running_loop()
        prompts = {prompt.id: prompt for prompt in self.standing.prompts}
        shown = [
            msgspec.structs.replace(prompt, messages=plain(prompt.messages, prompt), tools=())
            for prompt in prompts.values()
        ]
        external = external_of(self.plan, self.standing, self.book, embeds=None)

        def told(done: int, all_: int) -> None:
            if self._why:
                raise _StoppedError
            loop.call_soon_threadsafe(watch.looking, done, all_)

        def behaviour(prompt: Prompt, text: str) -> Behaviour:
            scored = asyncio.run_coroutine_threadsafe(self.panel.score(prompts[prompt.id], text), loop).result()
            return scored.behaviour

        try:
            inside = await aside(
                lambda: look(
                    looks, shown, zones=zones_of(external), settings=self.plan.settings, told=told,
                    answers=looks, refuses=behaviour,
                )
            )  # fmt: skip
        except _StoppedError:
            return Ended(why=self._why, complete=False)
        except ObverseError as error:
            await journal.note("unseen", error.message)
        else:
            await journal.note("inside", inside)
        return Ended(why="all drawn", complete=True)


class _StoppedError(Exception):
    """The looking inside is given up: the run was stopped."""


def read_stability(folder: Path, *, encoder: Encodes | None = None) -> Diagnosis:
    """The diagnosis of a run, from its folder alone. `encoder` computes vectors that are not kept there yet.

    Raises:
        UntrustedInputError: it is no run, or was damaged.
    """
    plan, notes = read_plan_of(folder, StabilityPlan)
    standing = read_standing(folder)
    if (asked_of(standing.prompts), asked_of(standing.ladders)) != (plan.asked, plan.ladders):
        raise UntrustedInputError(
            f"prompts or ladders in `{folder / STANDING}` are not those of the plan", code="B512",
            hint="the run was tampered with",
        )  # fmt: skip
    book = book_of(plan, standing)
    for draw in read_answers(folder, Draw):
        book.add(draw)
    kept = read_vectors(folder, encoder)
    lacking = ""
    try:
        external = external_of(plan, standing, book, embeds=kept)
    except LacksVectorError:
        external, lacking = (
            external_of(plan, standing, book, embeds=None),
            "the vectors that are kept do not cover its answers",
        )
    if kept is not None and encoder is not None:
        kept.save(folder)
    inside = _noted(notes, "inside", Inside, folder)
    ending = _noted(notes, "ending", Ending, folder) or CUT_OFF
    unseen = _noted(notes, "unseen", str, folder)
    further = [
        note for note in (
            lacking, f"inside: {unseen}" if unseen and inside is None else "", _tokens(book, _noted(notes, "tokens", str, folder))
        ) if note
    ]  # fmt: skip
    return Diagnosis(
        policy=plan.policy, policy_name=plan.policy_name, target=plan.target, fingerprint=plan.fingerprint, plan=plan.digest,
        settings=plan.settings, started=ending.started or None, seconds=ending.seconds or None, complete=ending.complete,
        ended=ending.why, judges=standing.judges, notes=(*standing.notes, *external.notes, *further),
        inside=inside,
        joint=joint(external.prompts, inside.signals, plan.settings, draws=book.draws()) if inside is not None else None,
        version=VERSION, command=standing.command,
        **{name: getattr(external, name) for name in External.__struct_fields__ if name != "notes"},
    )  # fmt: skip


def book_of(plan: StabilityPlan, standing: Standing) -> DrawBook:
    """An empty book of this plan."""
    points = points_of(standing.prompts, standing.ladders, plan.settings)
    keys = Keys(
        fingerprint=plan.fingerprint, seed=plan.settings.seed, max_tokens=plan.settings.max_tokens,
        prompts={prompt.id: prompt for prompt in standing.prompts},
    )  # fmt: skip
    return DrawBook(points, keys, plan.settings)


def external_of(plan: StabilityPlan, standing: Standing, book: DrawBook, *, embeds: KeptVectors | None) -> External:
    """What the draws of the book say."""
    return diagnose(
        prompts=standing.prompts, ladders=standing.ladders, draws=book.draws(), settings=plan.settings, embeds=embeds
    )


def zones_of(external: External) -> dict[str, Zone]:
    """Where each prompt stands."""
    return {found.prompt.id: found.placement.zone for found in external.prompts}


def asked_of(records: Sequence[Prompt] | Sequence[Ladder]) -> str:
    """The digest that the plan holds of its prompts, or of its ladders."""
    return digest(exact(msgspec.to_builtins(list(records))))


def read_standing(folder: Path) -> Standing:
    """What a run is kept with.

    Raises:
        UntrustedInputError: it is not there, or cannot be read.
    """
    path = folder / STANDING
    try:
        if path.stat().st_size > LARGEST:
            raise msgspec.DecodeError("it is too large")
        return msgspec.json.decode(path.read_bytes(), type=Standing)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
        raise UntrustedInputError(f"`{path}` cannot be read: {reason}", code="B513") from error


def _tokens(book: DrawBook, why: str | None) -> str:
    """Why there is no entropy of tokens, where answers came and some had none."""
    drawn = [draw for draw in book.draws() if draw.error is None]
    without = sum(draw.entropy is None for draw in drawn)
    if not without:
        return ""
    return f"token entropy is not known for {without:,} of {len(drawn):,} answers: {why or 'the target gives no log-probabilities'}"


def _noted(notes: Mapping[str, bytes], name: str, kind: type[_T], folder: Path) -> _T | None:
    """What the journal holds under this name; None if nothing."""
    try:
        return msgspec.json.decode(notes.get(name, b"null"), type=kind | None)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UntrustedInputError(f"the journal in `{folder}` cannot be read: {error}", code="B514") from error
