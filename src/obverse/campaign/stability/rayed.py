"""The same draws over the workers of Ray: a target, or a model in a process, on each; asked from here as if it were one.

What is asked, counted and written down stays here, so journal, keys and diagnosis are those of a run without Ray. A worker that dies
is started again by Ray and what it was asked is asked again; a draw is a function of what is asked, so it is the same draw.
Workers must be alike: their fingerprints are compared before anything is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from obverse.campaign.stability.drawing import MeetsPrompts
from obverse.core.chat import ChatMessage, Completion, Sampling, ToolSpec
from obverse.core.errors import MisuseError, ObverseError, UnavailableError
from obverse.stability.ports import Answered, Answers, Job
from obverse.stability.records import Point, Prompt
from obverse.targets.protocol import GREEDY, FailureKind, Target, TargetError

RESTARTS: Final = 8
"""How often Ray starts a worker again that died, and asks again what it was asked."""
AT_ONCE: Final = 1024
"""Calls that one worker of an endpoint may have under way; the pace of the run bounds them all together."""
LOOK_S: Final = 0.5
"""Seconds between two looks at whether the run was stopped."""
PER_WORKER: Final = 4
"""Into so many parts for each worker a batch is cut: a worker that is slower gets fewer of them."""


class _Failure(msgspec.Struct, frozen=True):
    """A `TargetError` on its way through Ray."""

    message: str
    kind: FailureKind
    status: int | None
    retry_after_s: float | None

    @property
    def error(self) -> TargetError:
        return TargetError(self.message, kind=self.kind, status=self.status, retry_after_s=self.retry_after_s)


class _Opened(msgspec.Struct, frozen=True):
    """What a worker has opened; `knows` says whether it wants to know which point it meets."""

    name: str
    fingerprint: str
    knows: bool


class _EndpointWorker:
    """A target in a process of Ray."""

    def __init__(self, make: Callable[[], Target]) -> None:
        self._target = make()

    def fingerprint(self) -> _Opened:
        return _Opened(self._target.name, self._target.fingerprint(), knows=isinstance(self._target, MeetsPrompts))

    async def complete(
        self,
        messages: Sequence[ChatMessage],
        tools: Sequence[ToolSpec],
        sampling: Sampling,
        met: tuple[Prompt, Point] | None,
    ) -> Completion | _Failure:
        target = self._target.for_point(*met) if met and isinstance(self._target, MeetsPrompts) else self._target
        try:
            return await target.complete(messages, tools=tools, sampling=sampling)
        except TargetError as error:
            return _Failure(error.message, error.kind, error.status, error.retry_after_s)


class _ModelWorker:
    """A model in a process of Ray."""

    def __init__(self, make: Callable[[], Answers]) -> None:
        self._model = make()

    def fingerprint(self) -> _Opened:
        return _Opened(self._model.name, self._model.fingerprint(), knows=False)

    def draw(self, jobs: Sequence[Job]) -> list[Answered]:
        return list(self._model.draw(jobs))


class RayTarget:
    """A target that is asked through workers in turn. `make` opens it, in each of them."""

    def __init__(self, make: Callable[[], Target], workers: int) -> None:
        self._ray = started(workers)
        self._workers = hired(self._ray, _EndpointWorker, make, workers, at_once=AT_ONCE)
        self._opened = alike(self._ray, self._workers)
        self._turn = itertools.cycle(self._workers)

    @property
    def name(self) -> str:
        return self._opened.name

    def fingerprint(self) -> str:
        return self._opened.fingerprint

    def for_point(self, prompt: Prompt, point: Point) -> Target:
        """The same, told what it meets if that is for it to know."""
        if not self._opened.knows:
            return self
        return _AtPoint(self, prompt, point)

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        return await self.meet(None, messages, tools, sampling)

    async def meet(
        self,
        met: tuple[Prompt, Point] | None,
        messages: Sequence[ChatMessage],
        tools: Sequence[ToolSpec],
        sampling: Sampling,
    ) -> Completion:
        """What the next worker's target says, told what it meets.

        Raises:
            TargetError: it gave no answer, or the worker is gone.
        """
        worker = next(self._turn)
        try:
            answer = await worker.complete.remote(tuple(messages), tuple(tools), sampling, met)
        except self._ray.exceptions.RayError as error:
            raise TargetError(f"a worker is gone: {_line(error)}", kind="connection") from error
        if isinstance(answer, _Failure):
            raise answer.error
        return answer  # type: ignore[no-any-return]  # of a remote method Ray knows no type

    async def close(self) -> None:
        """The workers end."""
        dismissed(self._ray, self._workers)


class _AtPoint:
    """The target at one point."""

    def __init__(self, target: RayTarget, prompt: Prompt, point: Point) -> None:
        self._target, self._met = target, (prompt, point)

    @property
    def name(self) -> str:
        return self._target.name

    def fingerprint(self) -> str:
        return self._target.fingerprint()

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        return await self._target.meet(self._met, messages, tools, sampling)

    async def close(self) -> None:
        """The target stays open for other points."""


class RayModel:
    """A model in this machine's or other machines' processes, asked in parts. Implements `ports.Answers`."""

    def __init__(self, make: Callable[[], Answers], workers: int) -> None:
        self._ray = started(workers)
        self._workers = hired(self._ray, _ModelWorker, make, workers, at_once=1)
        self._opened = alike(self._ray, self._workers)

    @property
    def name(self) -> str:
        return self._opened.name

    def fingerprint(self) -> str:
        return self._opened.fingerprint

    def draw(self, jobs: Sequence[Job], *, stopped: Callable[[], bool] = lambda: False) -> Iterator[Answered]:
        """The answers, as parts of the jobs come back from the workers.

        Raises:
            UnavailableError: a worker is gone and cannot be started again.
        """
        size = max(1, -(-len(jobs) // (PER_WORKER * len(self._workers))))
        parts = iter([tuple(jobs[start : start + size]) for start in range(0, len(jobs), size)])
        asked = {worker.draw.remote(part): worker for worker, part in zip(self._workers, parts)}
        while asked and not stopped():
            ready, _ = self._ray.wait(list(asked), num_returns=1, timeout=LOOK_S)
            for done in ready:
                worker = asked.pop(done)
                if (part := next(parts, None)) is not None:
                    asked[worker.draw.remote(part)] = worker
                yield from self._got(done)

    def _got(self, done: Any) -> list[Answered]:
        try:
            return self._ray.get(done)  # type: ignore[no-any-return]  # of a remote method Ray knows no type
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, ObverseError):
                raise cause from error
            raise UnavailableError(
                f"a worker is gone: {_line(error)}", code="B533", hint="what was answered stays: go on with --resume"
            ) from error

    def close(self) -> None:
        """The workers end."""
        dismissed(self._ray, self._workers)


def started(workers: int) -> Any:
    """The module `ray`, connected: to the cluster that the environment names, else to one on this machine.

    Raises:
        MisuseError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise MisuseError("`--ray` needs the package `ray`", code="B530", hint='pip install "obverse[ray]"') from error
    if not ray.is_initialized():
        try:
            ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="error")
        except ValueError:  # of a cluster that runs already, the number of its processors is not ours to say
            ray.init(log_to_driver=False, logging_level="error")
    return ray


def hired(ray: Any, kind: type, make: Callable[[], Any], workers: int, *, at_once: int) -> list[Any]:
    """So many workers of this kind."""
    options = {"max_restarts": RESTARTS, "max_task_retries": RESTARTS, "num_cpus": 1, "max_concurrency": at_once}
    return [ray.remote(**options)(kind).remote(make) for _ in range(workers)]


def alike(ray: Any, workers: Sequence[Any]) -> _Opened:
    """What the workers opened, all the same.

    Raises:
        MisuseError: they differ.
        UnavailableError: one cannot be opened.
    """
    try:
        found: list[_Opened] = ray.get([worker.fingerprint.remote() for worker in workers])
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, ObverseError):
            raise cause from error
        raise UnavailableError(f"a worker of Ray cannot be started: {_line(error)}", code="B531") from error
    if len(set(found)) > 1:
        raise MisuseError(
            f"the workers are not alike: {len(set(found))} fingerprints among {len(found)}", code="B532",
            hint="the same weights, packages and arithmetic on each machine",
        )  # fmt: skip
    return found[0]


def dismissed(ray: Any, workers: Sequence[Any]) -> None:
    """The workers are ended; the cluster is left as it is."""
    for worker in workers:
        ray.kill(worker)


def _line(error: BaseException) -> str:
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (said[-1] if said else type(error).__name__)[:300]
