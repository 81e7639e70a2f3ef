"""Draws: many answers at once, each by its own seed.

    jobs → questions (one for each distinct prompt) → a run for what they share, a run for the rest → rows, one a draw → answers

Rows that are done make room for others at once. A row that goes wrong becomes a named error; the others do not see it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import torch

from obverse.core.errors import MisuseError
from obverse.stability.local.kept import Rows, Segment
from obverse.stability.local.passes import Asked, Runner
from obverse.stability.local.sampling import Chosen, choose, numbers
from obverse.stability.local.template import Template
from obverse.stability.ports import Answered, Job

_ROOM: Final = 64  # slots that a batch gets at once; another batch is made when they are full


class Row:
    """One draw under way. At temperature 0 all seeds of a job are one row."""

    def __init__(self, job: Job, seeds: Sequence[int], prompt: tuple[int, ...]) -> None:
        self.job = job
        self.seeds = seeds
        self.prompt = prompt
        self.past: list[Segment] = []
        self.uniforms = numbers(seeds[0], job.max_tokens)
        self.tokens: list[int] = []
        self.entropy = self.logprob = 0.0
        self.since: float | None = None
        self.stop: str | None = None
        self.error: str | None = None

    @property
    def length(self) -> int:
        """Tokens that the model has read: all but the last drawn."""
        return len(self.prompt) + len(self.tokens) - 1

    @property
    def left(self) -> int:
        return self.job.max_tokens - len(self.tokens)

    def take(self, chosen: Chosen, at: int, ends: frozenset[int]) -> None:
        """The next token, out of row `at` of what was chosen."""
        if chosen.bad[at] or not math.isfinite(chosen.entropies[at]):
            self.stop, self.error = "error", "not a number"
            return
        self.tokens.append(chosen.tokens[at])
        self.entropy += chosen.entropies[at]
        self.logprob += chosen.logprobs[at]
        if chosen.tokens[at] in ends:
            self.stop = "stop"
        elif not self.left:
            self.stop = "length"


class Engine:
    """Draws by one model. `ends` are the tokens that end an answer, `most_rows` how many draws run at once at most."""

    def __init__(
        self,
        runner: Runner,
        template: Template,
        *,
        ends: frozenset[int],
        decode: Callable[[Sequence[int]], str],
        most_rows: int,
        clock: Callable[[], float] | None,
    ) -> None:
        self._runner = runner
        self._template = template
        self._ends = ends
        self._decode = decode
        self._most_rows = most_rows
        self._clock = clock

    def draw(self, jobs: Sequence[Job], stopped: Callable[[], bool]) -> Iterator[Answered]:
        """Every draw of every job, each once, as soon as it is there; nothing more once `stopped()` says so."""
        waiting: list[Row] = []
        for job in jobs:
            _check(job)
            asked = self._asked(job)
            if isinstance(asked, list):
                waiting += asked
            else:
                yield from (asked(seed) for seed in job.seeds)
        # like lengths together, and what begins alike beside each other
        queue = deque(sorted(waiting, key=lambda row: (len(row.prompt).bit_length(), row.prompt)))
        ready: deque[Row] = deque()
        batch = _Batch(self._runner)
        while (queue or ready or batch.live) and not stopped():
            free = self._most_rows - batch.live
            if (queue or ready) and (not batch.live or (free >= max(1, self._most_rows // 4) and not batch.is_full)):
                if len(ready) < free:
                    ready += self._begun([queue.popleft() for _ in range(min(free - len(ready), len(queue)))], stopped)
                for row in [row for row in ready if row.stop]:
                    yield from self._answers(row)
                ready = deque(row for row in ready if not row.stop)
                batch.admit(ready, free)
            elif batch.is_wasteful:
                batch.admit(ready, 0)
            for row in batch.step(self._ends):
                yield from self._answers(row)

    def _asked(self, job: Job) -> list[Row] | Callable[[int], Answered]:
        """The rows of a job, or what each of its seeds is answered with."""
        try:
            prompt = self._template.render(job.messages, job.tools).ids
        except MisuseError as refused:
            said = str(refused)
            return lambda seed: Answered(id=job.id, seed=seed, error="template", reason=said)
        anatomy = self._runner.anatomy
        kind = reason = ""
        if not prompt or len(prompt) + job.max_tokens > anatomy.context:
            kind = "context overflow"
            reason = f"{len(prompt)} tokens and {job.max_tokens} for the answer, of {anatomy.context}"
        elif max(prompt) >= anatomy.vocabulary:
            kind, reason = "unknown token", f"token {max(prompt)}; the model knows {anatomy.vocabulary}"
        if kind:
            return lambda seed: Answered(id=job.id, seed=seed, prompt_tokens=len(prompt), error=kind, reason=reason)
        together = [job.seeds] if not job.temperature else [(seed,) for seed in job.seeds]
        return [Row(job, seeds, prompt) for seeds in together if seeds]

    def _begun(self, rows: Sequence[Row], stopped: Callable[[], bool]) -> list[Row]:
        """The rows with their prompt read and their first token drawn; rows of one prompt share one run. Those left out were stopped."""
        now = self._clock() if self._clock else None
        runner = self._runner
        together: dict[tuple[tuple[int, ...], int], list[Row]] = {}
        for at, row in enumerate(rows):
            row.since = now
            together.setdefault((row.prompt, 0 if runner.shares else at), []).append(row)
        runner.share([prompt[:-1] for prompt, _ in together], stopped)
        begun: list[Row] = []
        asked = {Asked(runner.prefixes.longest(prompt[:-1]), prompt): mine for (prompt, _), mine in together.items()}
        for batch in runner.batches(list(asked)):
            if stopped():
                break
            lasts = torch.tensor([len(each.new) - 1 for each in batch], device=runner.device)
            cache, logits = runner.run(batch, partial(_at, places=lasts))
            members: list[Row] = []
            source: list[int] = []
            for at, each in enumerate(batch):
                segment = runner.keep(cache, at, each)
                for row in asked[each]:
                    row.past = [*each.past, segment]
                    members.append(row)
                    source.append(at)
            chosen = choose(
                logits[torch.tensor(source, device=runner.device), 0],
                [row.job.temperature for row in members],
                [row.uniforms[0] for row in members],
            )
            for at, row in enumerate(members):
                row.take(chosen, at, self._ends)
            begun += members
        return begun

    def _answers(self, row: Row) -> Iterator[Answered]:
        seconds = None if self._clock is None or row.since is None else self._clock() - row.since
        if row.error:
            reason = f"the logits of token {len(row.tokens) + 1}"
            for seed in row.seeds:
                yield Answered(
                    id=row.job.id,
                    seed=seed,
                    prompt_tokens=len(row.prompt),
                    error=row.error,
                    reason=reason,
                    seconds=seconds,
                )
            return
        count = len(row.tokens)
        text = self._decode(row.tokens[:-1] if row.stop == "stop" else row.tokens)
        for seed in row.seeds:
            yield Answered(
                id=row.job.id,
                seed=seed,
                text=text,
                tokens=count,
                prompt_tokens=len(row.prompt),
                stop=row.stop,
                entropy=row.entropy / count,
                logprob=row.logprob / count,
                seconds=seconds,
            )


class _Batch:
    """The rows that are decoded together. A row that is done stays in its place until the batch is made anew."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._members: list[Row] = []
        self._cache: Rows | None = None
        self._is_bounded = False

    @property
    def live(self) -> int:
        return sum(row.stop is None for row in self._members)

    @property
    def is_full(self) -> bool:
        """Whether memory kept rows out when it was made, and little of it is done since."""
        return self._is_bounded and not self.is_wasteful

    @property
    def is_wasteful(self) -> bool:
        """Whether it is full, or a quarter of it is done."""
        assert self._cache is not None  # INVARIANT: asked only of a batch that has members
        return self._cache.end == self._cache.capacity or self.live <= len(self._members) * 3 // 4

    def admit(self, ready: deque[Row], most: int) -> None:
        """The batch made anew: those that are not done, and `most` of those that are ready, as memory allows."""
        kept = [(at, row) for at, row in enumerate(self._members) if row.stop is None]
        pasts: list[Sequence[Segment]] = []
        if self._cache is not None:
            pasts = [[self._cache.view(at, self._cache.starts[at], self._cache.end)] for at, _ in kept]
        members = [row for _, row in kept]
        self._is_bounded = False
        while ready and most:
            longest = max(row.length for row in [*members, ready[0]]) + _ROOM
            self._is_bounded = bool(members) and longest * (len(members) + 1) > self._runner.most_tokens
            if self._is_bounded:
                break
            row = ready.popleft()
            members.append(row)
            pasts.append(row.past)
            row.past = []
            most -= 1
        self._members = members
        self._cache = None
        if members:
            room = min(_ROOM, max(row.left for row in members))
            self._cache = Rows(len(self._runner.anatomy.layers), pasts, room)

    def step(self, ends: frozenset[int]) -> list[Row]:
        """One more token for each; those that are done by it."""
        if self._cache is None:
            return []
        members = self._members
        ids = torch.tensor([[row.tokens[-1]] for row in members])
        starts = torch.tensor([row.length for row in members])
        logits = self._runner.step(self._cache, ids, starts, [1] * len(members))
        going = [(at, row) for at, row in enumerate(members) if row.stop is None]
        chosen = choose(
            logits[torch.tensor([at for at, _ in going], device=logits.device), 0],
            [row.job.temperature for _, row in going],
            [row.uniforms[len(row.tokens)] for _, row in going],
        )
        for at, (_, row) in enumerate(going):
            row.take(chosen, at, ends)
        return [row for _, row in going if row.stop]


def _at(states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """One state of each row, (rows, 1, width)."""
    return states[torch.arange(len(places), device=places.device), places][:, None]


def _check(job: Job) -> None:
    if job.max_tokens < 1:
        raise MisuseError(f"`max_tokens` of {job.max_tokens}", code="B330", hint="at least 1")
    if not (job.temperature >= 0 and math.isfinite(job.temperature)):
        raise MisuseError(f"a temperature of {job.temperature}", code="B331", hint="0 or more")
