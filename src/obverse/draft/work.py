"""Drafting as a whole: take up a prose, have it refined, worded and formalised, and settle what came of it.

Each piece of work that is finished is in `state` and told to `keep` before the next begins: an interruption at any place loses
what was under way and nothing else, and what is there is not done again. Calls of models run at the same time, their results
stand where they belong, so the order in which they come does not matter.

A statement asks a model only where it has fewer drafts than wanted over the terms as they are, or where answers put all of its
drafts out. An accepted statement asks none.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec

from obverse.core.errors import MisuseError, UnavailableError, UntrustedInputError
from obverse.draft import prompt as prompts
from obverse.draft.classes import Settler, signature
from obverse.draft.formalise import REPAIRS, formalise, propose
from obverse.draft.model import Model
from obverse.draft.pieces import Cut, Statement
from obverse.draft.refine import is_compound, read_parts, refined
from obverse.draft.split import split
from obverse.draft.state import Answer, Draft, Entry, State, Word
from obverse.draft.terms import Ground, all_terms, policy_of, read_rules, small
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.print import text_of

_AT_ONCE: Final = 30  # statements whose terms are asked for together
_CHARACTERS: Final = 6_000  # of their texts, at most
_IN_A_ROW: Final = 5  # calls without an answer, after which nobody is asked any more
_SMALL_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "the and for with that this its not any are was has have may must shall should can cannot will who whom whose which when "
        "from into than then them they you your our one all but only never always",
    )
)


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """How a drafting is done; each field says where it bites."""

    drafts: int = 5
    """Formalisations of each statement: what one misreads, another may not."""

    repairs: int = REPAIRS
    """How often a reply that cannot be read goes back to its model."""

    temperature: float = 0.7
    """Of all drafts but the first, which is greedy."""

    concurrency: int = 4
    """Calls under way at once."""

    refine: bool = False
    """Whether a model is asked to cut compound statements."""

    confirm: int = 0
    """So many questions are asked also where all drafts agree: what all misread alike shows in no other way."""

    retry: bool = False
    """Whether drafts that could not be read are asked for again."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a stage is: so many of so many pieces of work, so many calls of a model in all."""

    stage: Literal["cutting", "terms", "drafting", "settling"]
    done: int
    total: int
    calls: int


def _nothing(_: object) -> None:
    """Tells nobody."""


class Drafting:
    """A drafting under way. `state` is always whole; `stop` ends it after what is under way."""

    def __init__(
        self,
        state: State,
        models: Sequence[Model] = (),
        design: Design | None = None,
        *,
        keep: Callable[[State], None] = _nothing,
        tell: Callable[[Progress], None] = _nothing,
    ) -> None:
        self.state = state
        self.models = tuple(models)
        self.design = design or Design()
        self._keep, self._tell = keep, tell
        self._calls = 0
        self._silent = 0
        self._stopped = False

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True

    # --- the stages -----------------------------------------------------------------------------------------------------

    def take_up(self, text: str, *, source: str, ground: Ground | None = None) -> None:
        """The prose as it is now: known statements keep what they have, others are new or retired."""
        if ground is not None:
            self.state = msgspec.structs.replace(self.state, ground=ground)
        self._cut_up(text, source)

    async def run(self, text: str) -> None:
        """Everything that a model is needed for; `settle` comes after it.

        Raises:
            UnavailableError: the models gave no answer several times in a row; what was finished is kept.
        """
        if self.design.refine:
            await self._refine(text)
        await self._word()
        await self._draft()

    def settle(self) -> None:
        """Group the drafts of every statement and find the questions; no model is asked."""
        settler = Settler(self.terms(), self.state.ground, confirm=self.design.confirm)
        open_ = [entry for entry in self.state.entries if self._is_unsettled(entry)]
        for done, entry in enumerate(open_):
            if self._stopped:
                return
            self._tell(Progress(stage="settling", done=done, total=len(open_), calls=self._calls))
            self._put(settler.settled(entry))

    def terms(self) -> tuple[ast.Term, ...]:
        """All terms, given and proposed, as they are now.

        Raises:
            ManyErrors: someone edited them so that they cannot be read.
        """
        terms = all_terms(self.state.ground, [word.text for word in self.state.words])
        check(policy_of(terms, (), self.state.ground), source="the vocabulary")
        return terms

    # --- taking up ------------------------------------------------------------------------------------------------------

    def _cut_up(self, text: str, source: str) -> None:
        cut = refined(text, split(text), self.state.parts)
        self.state = taken_up(self.state, cut, source)
        self._keep(self.state)

    async def _refine(self, text: str) -> None:
        known = self.state.parts
        asked = [
            entry.statement
            for entry in self.state.entries
            if entry.is_normative and entry.statement.key not in known and is_compound(entry.statement)
        ]
        found: dict[str, tuple[str, ...]] = {}

        async def one(statement: Statement) -> None:
            found[statement.key] = read_parts(await self._first.complete(prompts.refine(statement)), statement)
            self.state = msgspec.structs.replace(self.state, parts={**self.state.parts, **found})
            self._keep(self.state)

        try:
            await self._all("cutting", [partial(one, statement) for statement in asked])
        finally:
            self._cut_up(text, self.state.source)

    # --- terms ----------------------------------------------------------------------------------------------------------

    async def _word(self) -> None:
        """Ask for the terms that are missing, for all new statements at once or in large heaps, one heap after the other."""
        worded = set(self.state.worded)
        new = [
            entry.statement
            for entry in self.state.entries
            if entry.statement.key not in worded
            and (entry.is_normative or entry.statement.kind == "definition")
            and entry.accepted is None
        ]
        heaps = list(_heaps(new))
        tools_given = any(text.startswith("tool ") for text in self.state.ground.terms)

        async def one(heap: Sequence[Statement]) -> None:
            model = self._first
            terms = self.terms()
            words, refused = await propose(heap, terms, self.state.ground, model, tools_given=tools_given)
            added = tuple(Word(text=text_of(word), by=model.identity) for word in words)
            self.state = msgspec.structs.replace(
                self.state,
                words=(*self.state.words, *added),
                refused=tuple(dict.fromkeys((*self.state.refused, *refused))),
                worded=(*self.state.worded, *(statement.key for statement in heap)),
            )
            self._keep(self.state)

        await self._all("terms", [partial(one, heap) for heap in heaps], at_once=1)

    # --- drafts ---------------------------------------------------------------------------------------------------------

    async def _draft(self) -> None:
        terms = self.terms()
        for entry in self.state.entries:
            if entry.is_normative and entry.accepted is None:
                self._put(self._fresh(entry, terms))
        work = [
            (entry.id, number)
            for entry in self.state.entries
            if entry.is_normative and entry.accepted is None
            for number in self._missing(entry)
        ]

        async def one(name: str, number: int) -> None:
            entry = self._entry(name)
            model = self.models[(number - 1) % len(self.models)]
            examples = [prompts.Example(shown=given.question.shown, says=_answered(given)) for given in entry.answers]
            draft = await formalise(
                entry.statement, terms, self.state.ground, model,
                number=number, examples=examples, repairs=self.design.repairs, temperature=self.design.temperature,
            )  # fmt: skip
            self._calls += draft.calls - 1
            entry = self._entry(name)  # others may have finished meanwhile
            drafts = sorted((*entry.drafts, draft), key=lambda known: known.number)
            self._put(msgspec.structs.replace(entry, drafts=tuple(drafts), settled_for=""))

        await self._all("drafting", [partial(one, name, number) for name, number in work])

    def _fresh(self, entry: Entry, terms: Sequence[ast.Term]) -> Entry:
        """The entry without drafts over terms that mean something else by now, ready for another round where all are out."""
        kept = tuple(
            draft
            for draft in entry.drafts
            if (draft.says != "rules" or self._means_the_same(draft, terms))
            and not (draft.says == "failed" and self.design.retry)
        )
        changes: dict[str, Any] = {} if kept == entry.drafts else {"drafts": kept, "settled_for": ""}
        if len(entry.answers) > entry.heard and kept and entry.settled_for and not any(d.stands for d in kept):
            changes |= {"rounds": entry.rounds + 1, "heard": len(entry.answers), "settled_for": ""}
        return msgspec.structs.replace(entry, **changes) if changes else entry

    def _means_the_same(self, draft: Draft, terms: Sequence[ast.Term]) -> bool:
        try:
            return small(terms, read_rules("\n".join(draft.rules)), self.state.ground).digest == draft.rests_on
        except UntrustedInputError:
            return False

    def _missing(self, entry: Entry) -> list[int]:
        first = entry.rounds * self.design.drafts + 1
        there = {draft.number for draft in entry.drafts}
        return [number for number in range(first, first + self.design.drafts) if number not in there]

    def _is_unsettled(self, entry: Entry) -> bool:
        if not entry.is_normative or not entry.drafts or entry.accepted is not None:
            return False
        return entry.settled_for != signature(entry, confirm=self.design.confirm)

    # --- doing many things ----------------------------------------------------------------------------------------------

    @property
    def _first(self) -> Model:
        if not self.models:
            raise MisuseError("there is no model to ask", code="F108", hint="name one with `--model`")
        return self.models[0]

    async def _all(
        self,
        stage: Literal["cutting", "terms", "drafting"],
        work: Sequence[Callable[[], Coroutine[Any, Any, None]]],
        *,
        at_once: int | None = None,
    ) -> None:
        """Do all of it, so many at once. A call without an answer is left for the next run; several in a row end this one."""
        if work:
            self._note_models()
        left = iter(work)
        done = 0

        async def worker() -> None:
            nonlocal done
            for one in left:
                if self._stopped:
                    return
                try:
                    self._calls += 1
                    await one()
                    self._silent = 0
                except UnavailableError:
                    self._silent += 1
                    if self._silent >= _IN_A_ROW:
                        raise
                done += 1
                self._tell(Progress(stage=stage, done=done, total=len(work), calls=self._calls))

        workers = [asyncio.create_task(worker()) for _ in range(min(at_once or self.design.concurrency, len(work)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self.state = msgspec.structs.replace(self.state, calls=self.state.calls + self._calls)
            self._calls = 0
            self._keep(self.state)

    def _note_models(self) -> None:
        names = tuple(dict.fromkeys((*self.state.models, *(model.identity for model in (self._first, *self.models)))))
        self.state = msgspec.structs.replace(self.state, models=names)

    def _entry(self, name: str) -> Entry:
        return next(entry for entry in self.state.entries if entry.id == name)

    def _put(self, entry: Entry) -> None:
        entries = tuple(entry if known.id == entry.id else known for known in self.state.entries)
        self.state = msgspec.structs.replace(self.state, entries=entries)
        self._keep(self.state)


def taken_up(state: State, cut: Cut, source: str) -> State:
    """The state with the statements of this cut: what is known keeps all it has, what is gone and was worked on is retired."""
    known = {entry.statement.key: entry for entry in (*state.retired, *state.entries)}
    taken = {entry.id for entry in known.values()}
    tried: Counter[str] = Counter()
    entries: list[Entry] = []
    for statement in cut.statements:
        entry = known.pop(statement.key, None)
        if entry is None:
            name = _free(_slug(statement), taken, tried)
            taken.add(name)
            entry = Entry(id=name, statement=statement)
        entries.append(msgspec.structs.replace(entry, statement=statement))
    return msgspec.structs.replace(
        state,
        source=source,
        prose=cut.digest,
        entries=tuple(entries),
        others=cut.others,
        retired=tuple(entry for entry in known.values() if entry.drafts or entry.answers or entry.accepted),
    )


def _heaps(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    heap: list[Statement] = []
    size = 0
    for statement in statements:
        if heap and (len(heap) >= _AT_ONCE or size + len(statement.text) > _CHARACTERS):
            yield heap
            heap, size = [], 0
        heap.append(statement)
        size += len(statement.text)
    if heap:
        yield heap


def _slug(statement: Statement) -> str:
    """A name made of a few words of the statement."""
    words = [word for word in re.findall(r"[^\W_]+", statement.plain.lower()) if len(word) > 2 or word.isdigit()]
    chosen = [word[:20] for word in words if word not in _SMALL_WORDS][:4]
    slug = "-".join(chosen)
    return slug if re.match(r"[A-Za-z]", slug) else f"s-{slug}".rstrip("-")


def _free(slug: str, taken: set[str], tried: Counter[str]) -> str:
    """The name, with a number behind it where it is taken; `tried` counts how far the numbers are used up."""
    name = slug
    while name in taken:
        tried[slug] += 1
        name = f"{slug}-{tried[slug] + 1}"
    return name


def _answered(given: Answer) -> str:
    asked = "may the agent do this?" if given.question.asks == "may" else "must this never be refused?"
    return f"{asked} {given.says}"
