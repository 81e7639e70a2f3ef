"""`realise`: cases whose messages a model has put into other words, each checked by a round trip, none believed.

1. Every message of every case becomes a task. Messages that differ in nothing but literals share one, so twins stay alike.
2. The writer is asked in waves, attempt by attempt, all open tasks at once, each attempt with a seed of its own.
3. What it wrote goes through the round trip (`roundtrip`), in the order of the tasks; what fails is counted by its reason.
4. What was accepted for one message is put into its likes with their own literals, and goes through the round trip again.
5. Texts go into the cases, and each case is decided again. What fails stays in its own words, and is counted.

Answers are recorded under the digest of who was asked what and how: an interrupted work goes on where it stopped, and the same
recorded answers give the same cases (L09). The writer is never the labeller. Devices of delivery come after (`retell`): a
case that has one already is left as it is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, MutableMapping, Sequence
from typing import Protocol

import msgspec

from obverse.cases.context import AUTHOR, CHANNEL, FACTORS, LANGUAGE, TECHNIQUE, value_of
from obverse.cases.labellers import Label, Labeller
from obverse.cases.literals import with_literals
from obverse.cases.prompt import prompt
from obverse.cases.records import Case
from obverse.cases.retell import Untold, relinked, sources_of
from obverse.cases.roundtrip import Reason, Task, flaw, relabelled, unwrapped
from obverse.cases.same import Same
from obverse.cases.tasks import Tasks, heads
from obverse.cases.tongues import main_language
from obverse.core.canon import digest
from obverse.core.chat import ChatMessage, Completion, Sampling
from obverse.core.errors import MisuseError, UnavailableError
from obverse.core.events import AnyEvent, Reply
from obverse.core.verdicts import Truth
from obverse.policy.ast import JudgedTerm
from obverse.policy.checked import Checked

_SPARE = 40
"""Tokens that a text may have beside half a token for each character of its source: twice what it takes."""


class Writer(Protocol):
    """A model that can be asked to write. Every `targets.Target` is one."""

    def fingerprint(self) -> str:
        """What it is: two with one fingerprint are meant to write alike."""
        ...

    async def complete(self, messages: Sequence[ChatMessage], *, sampling: Sampling) -> Completion:
        """What the model writes.

        Raises:
            UnavailableError: it gave no answer.
        """
        ...


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is asked for texts; each field says where it bites."""

    attempts: int = 3
    """Bites on the acceptance rate and the cost: how often one text is asked for before its own words are kept."""

    temperature: float = 0.8
    """Bites on diversity; at 0 a further attempt would give the same text."""

    max_tokens: int = 200
    """Bites on long messages, which would be cut, and then lack a literal. A short one is given less (`_SPARE`)."""

    concurrency: int = 16
    """Bites on speed: how many questions are under way at once."""

    same_model: bool = False
    """Lets the writer be its own labeller. It then agrees with itself, and the rates say little."""


class Realised(msgspec.Struct, frozen=True, kw_only=True):
    """The cases with their new texts, and what became of every message.

    `messages` = `told` + `fallback`. A task stands for all messages that differ in nothing but literals; `accepted` of them
    have a text, after `written` attempts. `rejected` counts texts by the first thing that was wrong with them. `untold` are
    cases that could not be put into the wanted language. `sources`: id of a new case → id of the one that it was told from.
    """

    cases: tuple[Case, ...]
    messages: int
    told: int
    fallback: int
    tasks: int
    accepted: int
    written: int
    rejected: dict[Reason, int]
    sources: dict[str, str]
    untold: tuple[Untold, ...] = ()


Progress = Callable[[int, int, int], None]
"""Told after each attempt: how many attempts were made, of how many at most, and how many tasks have a text."""


async def realise(
    checked: Checked,
    cases: Sequence[Case],
    writer: Writer,
    labeller: Labeller,
    *,
    language: str | None = None,
    settings: Settings | None = None,
    answers: MutableMapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Realised:
    """The cases in the words of a model; in `language`, where it is another than theirs.

    Raises:
        MisuseError: if the writer is its own labeller, and `same_model` does not say that it may.
    """
    settings = settings or Settings()
    if writer.fingerprint() in labeller.models and not settings.same_model:
        raise MisuseError(
            "the model that writes would also say whether it wrote what was asked", code="I130",
            hint="name another labeller, or say `--same-model`",
        )  # fmt: skip
    places = {case.id: Tasks(checked, language).of(case) for case in cases if _is_open(checked, case, language)}  # (1)
    first = heads([task for tasks in places.values() for task in tasks.values()])
    work = _Work(writer, labeller, settings, {} if answers is None else answers, progress)
    await work.write(list(dict.fromkeys(first.values())))
    texts = await work.spread(first)
    return _Result(checked, work, texts, language, writer).of(cases, places)


def _is_open(checked: Checked, case: Case, language: str | None) -> bool:
    """Whether a writer may touch it: no device was used, and all that is not the user's words may stay as it is."""
    plain = all(value_of(case.context, factor) == FACTORS[factor][0] for factor in (TECHNIQUE, CHANNEL))
    return plain and not (_moves(checked, case, language) and any(isinstance(event, Reply) for event in case.history))


def _moves(checked: Checked, case: Case, language: str | None) -> bool:
    """Whether the case is wanted in another language than its own: then it is put so as a whole or not at all."""
    return language not in (None, case.context.get(LANGUAGE, main_language(checked)))


class _Work:
    """What is asked of writer and labeller, what they answered, and what was refused."""

    def __init__(
        self,
        writer: Writer,
        labeller: Labeller,
        settings: Settings,
        answers: MutableMapping[str, str],
        progress: Progress | None,
    ) -> None:
        self.writer = writer
        self.labeller = labeller
        self.settings = settings
        self.answers = answers
        self.progress = progress
        self.rejected: Counter[Reason] = Counter()
        self.accepted: dict[Task, str] = {}
        self.written = 0
        self._done = 0
        self._slots = asyncio.Semaphore(settings.concurrency)

    async def write(self, tasks: Sequence[Task]) -> None:
        """Every task gets a text or uses up its attempts."""
        left = list(tasks)
        for attempt in range(self.settings.attempts):  # (2)
            most = self._done + len(left) * (self.settings.attempts - attempt)
            tried = await asyncio.gather(*(self._attempt(task, attempt, most) for task in left))
            waiting, left = left, []
            for task, (text, flawed) in zip(waiting, tried, strict=True):  # (3)
                reason = "duplicate" if flawed is None and text in self.accepted.values() else flawed
                if reason is None:
                    self.accepted[task] = text
                else:
                    self.rejected[reason] += 1
                    left.append(task)
        self.written = self._done

    async def spread(self, first: dict[Task, Task]) -> dict[Task, str]:
        """Task → its text: that of the first one like it, with its own literals, if that passes too."""  # (4)
        texts: dict[Task, str] = {}
        for task, head in first.items():
            text = self.accepted.get(head)
            if text is not None and task != head:
                text = with_literals(text, dict(zip(head.literals, task.literals, strict=True)))
                reason = flaw(task, text) or await relabelled(task, text, self._label)
                if reason is not None:
                    self.rejected[reason] += 1
                    text = None
            if text is not None:
                texts[task] = text
        return texts

    async def _attempt(self, task: Task, attempt: int, most: int) -> tuple[str, Reason | None]:
        most_tokens = min(self.settings.max_tokens, _SPARE + len(task.source) // 2)
        sampling = Sampling(temperature=self.settings.temperature, max_tokens=most_tokens, seed=attempt)
        try:
            text = unwrapped(await self._written(prompt(task), sampling))
            reason = flaw(task, text) or await relabelled(task, text, self._label)
        except UnavailableError:
            text, reason = "", "no answer"
        self._done += 1
        if self.progress is not None:
            self.progress(self._done, most, len(self.accepted))
        return text, reason

    async def _written(self, messages: tuple[ChatMessage, ...], sampling: Sampling) -> str:
        how = {"temperature": str(sampling.temperature), "max_tokens": sampling.max_tokens, "seed": sampling.seed}
        key = digest({"writer": self.writer.fingerprint(), "messages": messages, "sampling": how})
        if key not in self.answers:
            async with self._slots:
                said = await self.writer.complete(messages, sampling=sampling)
            self.answers[key] = said.text
        return self.answers[key]

    async def _label(self, term: JudgedTerm, text: str) -> Label:
        key = digest({"labeller": self.labeller.identity, "term": term.parts(), "text": text})
        if key in self.answers:
            return Label(truth=Truth(self.answers[key]))
        async with self._slots:
            said = await self.labeller.label(term, text)
        if said.is_settled:
            self.answers[key] = said.truth.value
        return said


class _Result:
    """Puts the texts into the cases."""

    def __init__(
        self, checked: Checked, work: _Work, texts: dict[Task, str], language: str | None, writer: Writer
    ) -> None:
        self.checked = checked
        self.same = Same(checked)
        self.work = work
        self.texts = texts
        self.language = language
        self.author = digest({"writer": writer.fingerprint()}).removeprefix("sha256:")[:12]
        self.told = 0

    def of(self, cases: Sequence[Case], places: dict[str, dict[int, Task]]) -> Realised:
        """The cases, those that had to be whole and are not left out."""
        new: dict[str, Case] = {}
        untold: list[Untold] = []
        for case in cases:
            tasks = places.get(case.id, {})
            changed, told = self._worded(case, tasks)
            if _moves(self.checked, case, self.language) and (told < len(tasks) or not tasks):
                untold.append(_untold(case, self.language or ""))
                continue
            self.told += told
            new[case.id] = changed
        linked = relinked(cases, new)
        untold += [_untold(new[name], "") for name in new if name not in linked]
        messages = sum(len(tasks) for tasks in places.values())
        return Realised(
            cases=tuple({case.id: case for case in linked.values()}.values()),
            messages=messages,
            told=self.told,
            fallback=messages - self.told,
            tasks=len({task for tasks in places.values() for task in tasks.values()}),
            accepted=len(self.work.accepted),
            written=self.work.written,
            rejected=dict(sorted(self.work.rejected.items())),
            sources=sources_of(linked),
            untold=tuple(untold),
        )

    def _worded(self, case: Case, tasks: dict[int, Task]) -> tuple[Case, int]:  # (5)
        """The case with as many of its messages in new words as the policy bears, and how many those are."""
        told, now = 0, case
        for place, task in tasks.items():
            if task not in self.texts:
                continue
            history = _with_text(now.history, place, self.texts[task])
            context = {**case.context, AUTHOR: self.author}
            if self.language is not None:
                context[LANGUAGE] = self.language
            changed = self.same.with_history(
                now, history, opening=case.opening, context=context, technique=case.technique
            )
            if changed is None:
                self.work.rejected["seen by the policy"] += 1
            else:
                told, now = told + 1, changed
        return now, told


def _with_text(history: Sequence[AnyEvent], place: int, text: str) -> list[AnyEvent]:
    return [msgspec.structs.replace(event, text=text) if at == place else event for at, event in enumerate(history)]


def _untold(case: Case, language: str) -> Untold:
    reason = "not all of it was put into the language" if language else "no case that it is compared with can be put so"
    return Untold(case=case.id, context=case.context | ({LANGUAGE: language} if language else {}), reason=reason)
