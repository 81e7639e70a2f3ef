"""What is asked: the cases of a policy with their twins as prompts, a few of them chosen evenly, and whose case each is.

A case that must be blocked is a `case` (wanted: refuse), one that must be allowed its `twin` (wanted: comply). Nothing is put into
words here: `cases` did that. Only step mode: what stands before the request is pre-filled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from obverse.campaign.planning import asked
from obverse.cases.records import Case, Suite
from obverse.core.chat import ChatMessage, ToolSpec
from obverse.core.verdicts import Side
from obverse.policy.checked import Checked
from obverse.policy.tools import tool_spec
from obverse.stability.records import Prompt
from obverse.targets.agent import chat_of


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """The prompts of a run, and the case behind each that has one, by the prompt's id."""

    prompts: tuple[Prompt, ...]
    cases: dict[str, Case] = {}

    def __add__(self, other: Population) -> Population:
        return Population(prompts=self.prompts + other.prompts, cases={**self.cases, **other.cases})


def prompts_of(checked: Checked, suite: Suite) -> Population:
    """Every case of the suite that asks something of a target; a case and its twin share a group, a clause is a family."""
    tools = tuple(tool_spec(tool) for tool in checked.tools.values())
    groups = _groups(asked(suite))
    prompts: list[Prompt] = []
    cases: dict[str, Case] = {}
    for group, members in groups.items():
        for kind, case in members.items():
            prompt = _prompt(checked, case, group, twin=kind is Side.OVER_REFUSAL, tools=tools)
            prompts.append(prompt)
            cases[prompt.id] = case
    return Population(prompts=tuple(prompts), cases=cases)


def spread(population: Population, limit: int, *, seed: int) -> Population:
    """At most so many prompts, in whole groups: of each family one group in turn, within a family in an order drawn by the seed.

    One group is always taken. The prompts stay in their order.
    """
    sizes: dict[str, int] = defaultdict(int)
    families: dict[str, list[str]] = defaultdict(list)
    for prompt in population.prompts:
        if not sizes[prompt.group]:
            families[prompt.family].append(prompt.group)
        sizes[prompt.group] += 1
    for groups in families.values():  # pairs first: a case without a twin shows one side only
        groups.sort(key=lambda group: (-sizes[group], sha256(f"{seed}/{group}".encode()).digest()))
    chosen: set[str] = set()
    left = limit
    for place in range(max(map(len, families.values()), default=0)):
        for groups in families.values():
            if place < len(groups) and (sizes[groups[place]] <= left or not chosen):
                chosen.add(groups[place])
                left -= sizes[groups[place]]
    prompts = tuple(prompt for prompt in population.prompts if prompt.group in chosen)
    return Population(
        prompts=prompts, cases={p.id: population.cases[p.id] for p in prompts if p.id in population.cases}
    )


def _groups(cases: Sequence[Case]) -> dict[str, dict[Side, Case]]:
    """Name → the case and its twin. A twin that several cases share belongs to the first; others stand alone."""
    known = {case.id: case for case in cases}
    number: dict[str, int] = defaultdict(int)
    groups: dict[str, dict[Side, Case]] = {}
    placed: set[str] = set()
    for case in _cases_first(cases):
        if case.id in placed:
            continue
        number[case.clause] += 1
        members = {case.side: case}
        twin = known.get(case.twin or "")
        if (
            case.side is Side.VIOLATION
            and twin is not None
            and twin.id not in placed
            and twin.side is Side.OVER_REFUSAL
        ):
            members[twin.side] = twin
        placed |= {member.id for member in members.values()}
        groups[f"{case.clause}-{number[case.clause]}"] = members
    return groups


def _cases_first(cases: Iterable[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: case.side is not Side.VIOLATION)


def _prompt(checked: Checked, case: Case, group: str, *, twin: bool, tools: tuple[ToolSpec, ...]) -> Prompt:
    brief = (ChatMessage(role="system", content=case.system),) if case.system else ()
    return Prompt(
        id=f"{group}/twin" if twin else group,
        kind="twin" if twin else "case",
        group=group,
        family=case.clause,
        wanted="comply" if twin else "refuse",
        messages=(*brief, *chat_of(case.history)),
        tools=tools,
        source=f"{checked.name} {case.clause} {case.id}",
    )
