"""Who makes the draws that are due, and holds them: an endpoint, asked concurrently, or a model in this process, in batches.

Both begin a draw in the journal before it is made, score it, and count it only when it is durable (L13, L19). Both can be
stopped at any point: what was answered stays, what was begun and not answered is due again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from obverse.campaign.journal import JournalOf
from obverse.campaign.records import Caps
from obverse.campaign.runner import Clock, Ended, Pace, Runner, Spent
from obverse.campaign.spending import Meter, Metered
from obverse.campaign.stability.book import DrawBook
from obverse.campaign.stability.keys import Due
from obverse.campaign.stability.scoring import Panel
from obverse.core.chat import ChatMessage, Completion, Sampling
from obverse.core.errors import UnavailableError
from obverse.stability.ports import Answered, Answers, Job
from obverse.stability.records import Draw, Point, Prompt
from obverse.targets.local_tools import heard, spoken
from obverse.targets.protocol import Target, TargetError

BATCH: Final = 256
"""Draws that a model in this process gets at once: enough to sort by length and to share prefixes."""
PER_CALL: Final = 16
"""Waves for an endpoint hold so many draws for each call under way, so that the last of a wave wait for little."""
SCORING: Final = 32
"""Answers that are scored and written down at once, while the model goes on."""
LEAVING_S: Final = 30.0
"""So long is waited for a model that was stopped by a fault."""

Told = Callable[[Draw], None]


@runtime_checkable
class MeetsPrompts(Protocol):
    """A target that wants to know which prompt it meets, perturbed how: a simulated one."""

    def for_point(self, prompt: Prompt, point: Point) -> Target: ...


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What every drawer needs: the points and prompts of the plan by name, and how answers are scored."""

    points: dict[str, Point]
    prompts: dict[str, Prompt]
    panel: Panel
    max_tokens: int

    async def draw(self, due: Due, completion: Completion, answered: Answered) -> Draw:
        """The draw that this answer is, scored."""
        point = self.points[due.point]
        completion = msgspec.structs.replace(completion, text=writable(completion.text))
        scored = await self.panel.of(self.prompts[due.case], completion)
        return msgspec.structs.replace(
            empty(due, point), behaviour=scored.behaviour, reason=scored.reason, judged=scored.judged, text=shown(completion),
            tokens=answered.tokens, prompt_tokens=answered.prompt_tokens, stop=answered.stop, entropy=answered.entropy,
            logprob=answered.logprob, seconds=answered.seconds,
        )  # fmt: skip

    def failed(self, due: Due, kind: str, reason: str, seconds: float | None) -> Draw:
        """The draw that came to no answer."""
        return msgspec.structs.replace(
            empty(due, self.points[due.point]), reason=writable(reason), error=writable(kind), seconds=seconds
        )


class Endpoint:
    """Draws from a target behind `targets`, with the runner of campaigns: retries, pace, caps, and a target that is gone."""

    def __init__(
        self, scene: Scene, target: Target, *, journal: JournalOf[Draw], book: DrawBook, pace: Pace, caps: Caps,
        clock: Clock, seed: int,
    ) -> None:  # fmt: skip
        self._scene, self._target = scene, target
        self._knower = target if isinstance(target, MeetsPrompts) else None
        self._runner = Runner[Due, Draw](
            ask=self._ask, forms=self, journal=journal, book=book, pace=pace, caps=caps, clock=clock, seed=seed
        )
        self.wave = max(BATCH, PER_CALL * pace.concurrency)
        self.missing: Counter[str] = Counter()
        """Why answers came without an entropy of their tokens, and how often."""

    async def draw(self, due: Sequence[Due], told: Told) -> Ended:
        """Makes these draws, or as many as it may.

        Raises:
            UnavailableError: the target never answered, or the journal cannot be written.
        """
        return await self._runner.run(due, told)

    def stop(self, why: str) -> None:
        """Call nothing more."""
        self._runner.stop(why)

    def failed(self, planned: Due, error: TargetError, spent: Spent) -> Draw:
        """The draw without an answer."""
        return self._scene.failed(planned, error.kind, error.message, round(spent.seconds, 4))

    def ended(self, trial: Draw, spent: Spent) -> Draw:
        """The draw with the time that it took."""
        return msgspec.structs.replace(trial, seconds=round(spent.seconds, 4))

    async def _ask(self, due: Due, meter: Meter) -> Draw:
        point, prompt = self._scene.points[due.point], self._scene.prompts[due.case]
        sampling = Sampling(temperature=point.temperature, max_tokens=self._scene.max_tokens, seed=due.seed)
        met = self._target if self._knower is None else self._knower.for_point(prompt, point)
        completion = await Metered(met, meter).complete(point.rung.messages, tools=prompt.tools, sampling=sampling)
        read = completion.measured
        if read is not None and read.missing:
            self.missing[read.missing] += 1
        answered = Answered(
            id=due.point, seed=due.seed, tokens=completion.usage.completion_tokens,
            prompt_tokens=completion.usage.prompt_tokens, stop=completion.stop,
            entropy=read.entropy if read else None, logprob=read.logprob if read else None,
        )  # fmt: skip
        return await self._scene.draw(due, completion, answered)


class Batches:
    """Draws from a model in this process, which answers many at once in a worker thread."""

    wave = BATCH

    def __init__(
        self, scene: Scene, model: Answers, *, journal: JournalOf[Draw], book: DrawBook, caps: Caps, clock: Clock
    ) -> None:
        self._scene, self._model, self._journal, self._book = scene, model, journal, book
        self._caps, self._clock = caps, clock
        self._started = clock.now()
        self._made = 0
        self._why: str | None = None
        self._stopped = threading.Event()
        self.missing: Counter[str] = Counter()

    async def draw(self, due: Sequence[Due], told: Told) -> Ended:
        """Makes these draws, or as many as it may.

        Raises:
            UnavailableError: nothing was ever answered, or the journal cannot be written.
        """
        self._look_at_caps()
        allowed = list(due if self._caps.calls is None else due[: max(self._caps.calls - self._made, 0)])
        if self._why is None:
            await self._make(allowed, told)
        if self._why is None and len(allowed) < len(due):
            self._end(f"the cap of {self._caps.calls:,} calls was reached")
        return Ended(why=self._why or "all asked", complete=self._why is None)

    def stop(self, why: str) -> None:
        """Begin nothing more; the batch under way is given up."""
        self._end(why)

    async def _make(self, due: Sequence[Due], told: Told) -> None:
        await asyncio.gather(*(self._journal.begin(one.key) for one in due))
        waiting: dict[tuple[str, int], list[Due]] = defaultdict(list)  # seeds of 31 bits may meet
        for one in due:
            waiting[one.point, one.seed].append(one)
        answers: asyncio.Queue[Answered | BaseException | None] = asyncio.Queue()
        thread = self._answering(due, answers)
        holding: set[asyncio.Task[None]] = set()
        try:
            while (answered := await answers.get()) is not None:
                if isinstance(answered, BaseException):
                    raise answered
                if asked := waiting[answered.id, answered.seed]:
                    holding.add(asyncio.create_task(self._hold(asked.pop(), answered, told)))
                if len(holding) >= SCORING:
                    holding = await _fewer(holding, asyncio.FIRST_COMPLETED)
                self._look_at_caps()
            await _fewer(holding, asyncio.ALL_COMPLETED)
        except (
            BaseException
        ):  # boundary: raised on, once the model has stopped: it must not be closed under its own feet
            self._stopped.set()
            thread.join(timeout=LEAVING_S)
            for task in holding:
                task.cancel()
            raise
        thread.join()
        left = sum(map(len, waiting.values()))
        if left and self._why is None:
            raise UnavailableError(
                f"the model left {left} of {len(due)} draws without an answer", code="B510",
                hint="what was answered stays: go on with --resume",
            )  # fmt: skip

    def _answering(
        self, due: Sequence[Due], answers: asyncio.Queue[Answered | BaseException | None]
    ) -> threading.Thread:
        """The thread in which the model answers; at last it puts None, or what went wrong."""
        loop = asyncio.get_running_loop()

        def put(one: Answered | BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(answers.put_nowait, one)

        def work() -> None:
            try:
                for answered in self._model.draw(list(self._jobs(due)), stopped=self._stopped.is_set):
                    put(answered)
            except BaseException as error:  # boundary: of the thread; handed over, and raised by who waits
                put(error)
            else:
                put(None)

        thread = threading.Thread(target=work, name="draws", daemon=True)
        thread.start()
        return thread

    async def _hold(self, due: Due, answered: Answered, told: Told) -> None:
        if answered.error is not None:
            draw = self._scene.failed(due, answered.error, answered.reason, answered.seconds)
        else:
            tools = {tool.name for tool in self._scene.prompts[due.case].tools}
            text, calls = heard(answered.text, tools)
            completion = Completion(text=text, tool_calls=calls, stop=answered.stop)
            draw = await self._scene.draw(due, completion, answered)
        await self._journal.answer(draw)
        self._book.add(draw)
        self._made += 1
        told(draw)

    def _jobs(self, due: Sequence[Due]) -> Iterator[Job]:
        """One job for each point, its seeds together: they share the whole prompt."""
        seeds: dict[str, list[int]] = defaultdict(list)
        for one in due:
            seeds[one.point].append(one.seed)
        for name, several in seeds.items():
            point = self._scene.points[name]
            prompt = self._scene.prompts[point.prompt]
            yield Job(
                id=name, messages=plain(point.rung.messages, prompt), seeds=tuple(several), temperature=point.temperature,
                max_tokens=self._scene.max_tokens,
            )  # fmt: skip

    def _look_at_caps(self) -> None:
        seconds = self._caps.seconds
        if seconds is not None and self._clock.now() - self._started >= seconds:
            self._end(f"the cap of {seconds:g} s was reached")

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self._stopped.set()


async def _fewer(holding: set[asyncio.Task[None]], until: str) -> set[asyncio.Task[None]]:
    """Those that are not done yet; what went wrong in one of the others is raised."""
    if not holding:
        return holding
    done, left = await asyncio.wait(holding, return_when=until)
    for task in done:
        task.result()
    return left


def plain(messages: Sequence[ChatMessage], prompt: Prompt) -> tuple[ChatMessage, ...]:
    """The messages as a model reads them that was taught no tools: tools, calls and results written out."""
    if not prompt.tools and not any(message.role == "tool" or message.tool_calls for message in messages):
        return tuple(messages)
    return tuple(msgspec.convert(one, ChatMessage) for one in spoken(messages, prompt.tools))


def empty(due: Due, point: Point) -> Draw:
    """The draw before anything came of it: an error until it is something else."""
    rung = point.rung
    return Draw(
        key=due.key, prompt=point.prompt, ladder=rung.ladder, level=rung.level, variant=rung.variant, index=due.index,
        seed=due.seed, temperature=point.temperature, behaviour="error",
    )  # fmt: skip


def shown(completion: Completion) -> str:
    """What was answered as one text: calls stand in it as they would be written."""
    calls = [f"{call.name}({call.arguments})" for call in completion.tool_calls]
    return writable("\n".join([completion.text, *calls] if completion.text else calls))


def writable(text: str) -> str:
    """The text without halves of characters, which no file can hold; they are written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def by_name(points: Sequence[Point]) -> Mapping[str, Point]:
    """The points by their names."""
    return {point.name: point for point in points}
