"""Simulated agents whose true rates are known: `sim:perfect`, `sim:breaks=CLAUSE,p=0.1`, `sim:refuses,p=0.1`.

An agent knows its case: it does what the case's history has it do, then proposes the wanted act, and asks `decide` each time
whether it may. The perfect one refuses exactly what is blocked. One that breaks a clause decides, in a share `p` of trials,
as if that clause had no rules. One that refuses declines a share `p` of what is allowed. Which trials they are follows from
the case, the sampling seed and the agent's own seed, so a test can compute it.

Not a model: it reads of the chat only how far the dialogue has come. Where it has nothing to do it is silent, and the user
goes on. What the host did in a history (`denied`, facts, approvals) is not its to do.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from obverse.cases.records import Case
from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec, Usage
from obverse.core.errors import MisuseError
from obverse.core.events import AnyEvent, Call, Message, Reply, Step
from obverse.core.verdicts import Side, Verdict
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.targets.open import Opens
from obverse.targets.protocol import GREEDY, Connection, Target
from obverse.testing.scripted import REFUSAL, share_of

Act = tuple[Call | Reply, ...]
SILENCE: Final = Completion(text="", usage=Usage(prompt_tokens=0, completion_tokens=0), model="sim")


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent behaves: `breaks` names the clause that it ignores, `refuses` says that it declines what is allowed."""

    breaks: str | None = None
    refuses: bool = False
    p: float = 1.0
    seed: int = 0

    def shows(self, case: str, seed: int) -> bool:
        """Whether the fault shows in this trial: in a share `p` of them."""
        return share_of(f"{self.seed}/{case}/{seed}", "sim") < self.p


class SimTarget:
    """A simulated agent. It is asked case by case: `for_case` gives the target that meets one."""

    def __init__(self, spec: str, checked: Checked) -> None:
        self._spec = spec
        self._checked = checked
        self._manner = read_manner(spec, checked)

    @property
    def name(self) -> str:
        return f"sim:{self._spec}"

    def fingerprint(self) -> str:
        return self.name

    def for_case(self, case: Case, mode: Literal["step", "dialogue"] = "step") -> Target:
        return _Agent(self.name, self._checked, self._manner, case, mode)

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        raise MisuseError("a simulated agent meets cases, not chats", code="T014", hint="ask `for_case`")

    async def close(self) -> None:
        """Nothing is held."""


def sim_opener(checked: Checked) -> Opens:
    """What opens `sim:` for this policy: `open_target` takes it in its `extra`, under `sim`."""

    def opens(rest: str, _connection: Connection, /) -> Target:
        return SimTarget(rest, checked)

    return opens


def read_manner(spec: str, checked: Checked) -> Manner:
    """The manner that `breaks=CLAUSE,p=0.1` and the like mean.

    Raises:
        MisuseError: it means none, or the policy has no such clause.
    """
    kind, *options = spec.split(",")
    word, _, clause = kind.partition("=")
    try:
        named = dict(option.split("=") for option in options)
        p, seed = float(named.pop("p", "1")), int(named.pop("seed", "0"))
    except ValueError:
        named, p, seed = {"": ""}, 0.0, 0
    if named or not 0 <= p <= 1 or word not in {"perfect", "breaks", "refuses"} or bool(clause) != (word == "breaks"):
        hint = "`perfect`, `breaks=CLAUSE,p=0.1` or `refuses,p=0.1`"
        raise MisuseError(f"`sim:{spec}` is no simulated agent", code="T015", hint=hint)
    if clause and clause not in {known.id for known in checked.clauses}:
        raise MisuseError(f"`sim:{spec}`: the policy has no clause `{clause}`", code="T016")
    return Manner(breaks=clause or None, refuses=word == "refuses", p=0.0 if word == "perfect" else p, seed=seed)


class _Agent:
    """One simulated agent in one case."""

    def __init__(self, name: str, checked: Checked, manner: Manner, case: Case, mode: str) -> None:
        self.name = name
        self._checked = checked
        self._manner = manner
        self._case = case
        self._plan = list(plan_of(case))
        self._step_only = mode == "step"

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        history, act = self._next(messages)
        if not act:
            return SILENCE
        declined = any(message.role == "assistant" and message.content == REFUSAL for message in messages)
        if declined or not self._does(history, act, sampling.seed):
            return _said([Reply(id="", text=REFUSAL)])
        return _said(act)

    async def close(self) -> None:
        """Nothing is held."""

    def fingerprint(self) -> str:
        return self.name

    def _next(self, messages: Sequence[ChatMessage]) -> tuple[tuple[AnyEvent, ...], Act]:
        """What the agent would do now, and what happened before it; nothing where the user is next."""
        if self._step_only:
            return self._case.history, self._case.step.turn
        heard = sum(message.role == "user" for message in messages)
        last = max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)
        done = sum(message.role == "assistant" for message in messages[last + 1 :])
        now = [(history, act) for after, history, act in self._plan if after == heard]
        if done < len(now):
            return now[done]
        # a user who gives the details again speaks once more than in the case: what was due before is due still
        turns = sum(message.role == "assistant" for message in messages)
        return next(((history, act) for after, history, act in self._plan[turns:] if after < heard), ((), ()))

    def _does(self, history: Sequence[AnyEvent], act: Act, seed: int) -> bool:
        shows = self._manner.shows(self._case.id or self._case.content, seed)
        checked = self._checked
        if shows and self._manner.breaks is not None:
            rules = tuple(rule for rule in checked.rules if rule.clause != self._manner.breaks)
            checked = msgspec.structs.replace(checked, rules=rules)
        allowed = not any(self._objects(decide(checked, history, Step(event=event, turn=act)).verdict) for event in act)
        return allowed and not (shows and self._manner.refuses)

    def _objects(self, verdict: Verdict) -> bool:
        """Whether an act with this verdict is wrong here: what is only warned of is, where the case asks for a violation."""
        return verdict.blocks or (verdict is Verdict.WARN and self._case.side is Side.VIOLATION)


def plan_of(case: Case) -> Iterator[tuple[int, tuple[AnyEvent, ...], Act]]:
    """What the agent does in this case: after how many messages of the user, after which events, and what, turn by turn."""
    turns = itertools.groupby(enumerate(case.history), key=lambda item: _turn(item[1]))
    for turn, items in turns:
        found = list(items)
        if turn is not None:
            before = case.history[: found[0][0]]
            yield _heard(before), before, tuple(event for _, event in found if isinstance(event, Call | Reply))
    yield _heard(case.history), case.history, case.step.turn


def _turn(event: AnyEvent) -> int | None:
    return event.turn if isinstance(event, Call | Reply) else None


def _heard(events: Sequence[AnyEvent]) -> int:
    return sum(isinstance(event, Message) for event in events)


def _said(act: Sequence[Call | Reply]) -> Completion:
    text = "\n".join(event.text for event in act if isinstance(event, Reply))
    calls = [event for event in act if isinstance(event, Call)]
    return Completion(
        text=text,
        tool_calls=tuple(ToolCall(id=call.call_id, name=call.tool, arguments=call.arguments) for call in calls),
        usage=Usage(prompt_tokens=0, completion_tokens=len(text.split())),
        model="sim",
        stop="tool_calls" if calls else "stop",
    )
