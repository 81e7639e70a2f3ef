"""Which drafts mean the same, and the question that tells the others apart.

The steps, with the same numbers in the code:

1. a draft with a rule that can never fire (S201) is out;
2. a draft that decides otherwise than a person answered is out: the scenario of the question is replayed through `decide`;
3. drafts of one digest are one group, and so are those that `compare` proves to be the same;
4. of all scenarios on which groups differ, the one that leaves the fewest drafts in its worst answer, then on average, is asked;
5. with `confirm`, where one group is left, that many scenarios are asked on which it differs from most of its neighbours.

`permit` gives no verdict: what permits say is compared as if they were `warn`, and asked as "must this never be refused?".
A default that denies replies hides what rules say of them; a statement is asked about by itself, under one that allows.
Laws: L06 (by `compare`); what the solver leaves open keeps groups apart, and is said.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from obverse.core.canon import digest
from obverse.core.errors import UntrustedInputError
from obverse.core.events import AnyEvent, Step
from obverse.core.verdicts import Truth, Verdict
from obverse.draft.english import english
from obverse.draft.state import Answer, Draft, Entry, Group, Question, question_id
from obverse.draft.telling import told
from obverse.draft.terms import Ground, needed, policy_of, read_rules, small
from obverse.draft.variants import variants
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.solver.analyses import rules as rule_analysis
from obverse.solver.answers import Scenario
from obverse.solver.compare import compare
from obverse.solver.findings import Finding
from obverse.solver.questions import Desk
from obverse.solver.settings import Settings

Rules: TypeAlias = "tuple[ast.Rule, ...]"

_NEIGHBOURS: Final = 24
YES: Final = "yes"
NO: Final = "no"
_MAY: Final = {
    YES: frozenset({Verdict.ALLOW, Verdict.WARN}),
    NO: frozenset({Verdict.DENY, Verdict.STOP}),
    **{str(verdict): frozenset({verdict}) for verdict in Verdict},
}
ANSWERS: Final = (*_MAY,)
"""What can be answered to "may the agent do this?"; to "must it never be refused?", `yes` and `no`."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario on which two sets of rules differ, in what they block or in what they permit."""

    asks: Literal["may", "must"]
    scenario: Scenario


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """What the solver says of two sets of rules: TRUE is a proof that they are the same, UNKNOWN has its reason."""

    same: Truth
    differences: tuple[Difference, ...] = ()
    reason: str = ""


class Settler:
    """Settles entries over one vocabulary; what the solver said is kept, so that nothing is asked of it twice."""

    def __init__(
        self, terms: Sequence[ast.Term], ground: Ground, *, settings: Settings | None = None, confirm: int = 0
    ) -> None:
        self.terms = tuple(terms)
        neutral = msgspec.structs.replace(
            ground.default, replies="allow"
        )  # a default that denies would hide every rule
        self.ground = msgspec.structs.replace(ground, default=neutral)
        self.settings = settings or Settings(timeout_ms=5_000)
        self.confirm = confirm
        self.queries = 0
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._findings: dict[str, tuple[tuple[str, str], ...]] = {}

    def settled(self, entry: Entry) -> Entry:
        """The entry with its drafts grouped, those that cannot be meant out, and the question that is open if there is one.

        Raises:
            WrongWitness: if a witness, replayed, does not show what it claims (L06).
        """
        drafts = tuple(self._held(draft, entry.answers) for draft in entry.drafts)
        groups = self._groups([draft for draft in drafts if draft.stands])
        question, unsettled = self._question(groups, entry.answers)
        return msgspec.structs.replace(
            entry,
            drafts=drafts,
            groups=tuple(self._group(group) for group in groups),
            question=question,
            unsettled=unsettled,
            settled_for=signature(entry, confirm=self.confirm),
        )

    # --- what is out ----------------------------------------------------------------------------------------------------

    def _held(self, draft: Draft, answers: Sequence[Answer]) -> Draft:
        """The draft, out if it is idle or against what was answered."""
        if draft.says == "failed":
            return draft
        rules = read(draft)
        dead = [message for code, message in self._found(rules) if code == "S201"]  # (1)
        if dead:
            return msgspec.structs.replace(draft, out=dead[0])
        for answer in answers:  # (2)
            if self._contradicts(rules, answer):
                said = self.says(rules, answer.question.asks, answer.question.history, answer.question.step)
                out = f"{answer.by} answered {answer.says} to {answer.question.id}; it says {said}"
                return msgspec.structs.replace(draft, out=out)
        return msgspec.structs.replace(draft, out="")

    def says(self, rules: Rules, asks: str, history: Sequence[AnyEvent], step: Step) -> str:
        """What these rules say of a step: a verdict, or whether they permit it."""
        decision = decide(self._policy(rules), history, step)
        return str(decision.verdict) if asks == "may" else (YES if decision.permits else NO)

    def _found(self, rules: Rules) -> tuple[tuple[str, str], ...]:
        """What the analyses of single rules find, as code and message."""
        if not rules:
            return ()
        checked = small(self.terms, rules, self.ground)
        if checked.digest not in self._findings:
            desk = Desk(checked, self.settings)
            found = [one for question in rule_analysis.questions(checked) for one in question.answer(desk)]
            self.queries += desk.queries
            self._findings[checked.digest] = tuple((one.code, one.message) for one in found if isinstance(one, Finding))
        return self._findings[checked.digest]

    # --- what is the same -----------------------------------------------------------------------------------------------

    def _groups(self, drafts: Sequence[Draft]) -> list[list[Draft]]:
        """(3) drafts that mean the same, the largest group first."""
        alike: dict[tuple[str, ...], list[Draft]] = defaultdict(list)
        for draft in drafts:
            alike[draft.rules].append(draft)
        groups: list[list[Draft]] = []
        for members in alike.values():
            home = next((g for g in groups if self.pair(read(g[0]), read(members[0])).same is Truth.TRUE), None)
            if home is None:
                groups.append(members)
            else:
                home += members
        for group in groups:  # the shortest wording speaks for all
            group.sort(key=lambda draft: (sum(map(len, draft.rules)), draft.number))
        return sorted(groups, key=lambda group: (-len(group), min(draft.number for draft in group)))

    def pair(self, one: Rules, other: Rules) -> Pair:
        """Whether two sets of rules mean the same, permits included."""
        key = (small(self.terms, one, self.ground).digest, small(self.terms, other, self.ground).digest)
        if key[0] == key[1]:
            return Pair(same=Truth.TRUE)
        if key not in self._pairs:
            self._pairs[key] = self._pairs[key[1], key[0]] = self._compared(one, other)
        return self._pairs[key]

    def _compared(self, one: Rules, other: Rules) -> Pair:
        found: list[Difference] = []
        open_: list[str] = []
        sides: list[tuple[Literal["may", "must"], Callable[[Rules], Rules]]] = [("may", _blocking), ("must", _permits)]
        for asks, part in sides:
            left, right = part(one), part(other)
            if left == right:
                continue
            both = needed(self.terms, (*left, *right))
            said = compare(
                check(policy_of(both, left, self.ground)),
                check(policy_of(both, right, self.ground)),
                settings=self.settings,
                first=True,
            )
            self.queries += said.queries
            found += [Difference(asks=asks, scenario=change.scenario) for change in said.changes]
            open_ += [unsettled.reason for unsettled in said.undecided]
        if found:
            return Pair(same=Truth.FALSE, differences=tuple(found))
        if open_:
            return Pair(same=Truth.UNKNOWN, reason="; ".join(dict.fromkeys(open_)))
        return Pair(same=Truth.TRUE)

    # --- what is asked --------------------------------------------------------------------------------------------------

    def _question(
        self, groups: Sequence[Sequence[Draft]], answers: Sequence[Answer]
    ) -> tuple[Question | None, tuple[str, ...]]:
        """(4) the best question, and what the solver left open."""
        heads = [read(group[0]) for group in groups]
        found: list[Difference] = []
        unsettled: list[str] = []
        for place, one in enumerate(heads):
            for other in heads[place + 1 :]:
                pair = self.pair(one, other)
                found += pair.differences
                unsettled += [pair.reason] if pair.same is Truth.UNKNOWN else []
        if not found and len(groups) == 1 and heads[0] and len(answers) < self.confirm:
            return self._confirming(groups, heads[0], answers), ()
        best: tuple[tuple[int, int, str], Question] | None = None
        for difference in found:
            question = self._asked(difference, groups, heads)
            sizes = [len(numbers) for numbers in question.options.values()]
            rank = (max(sizes), sum(size * size for size in sizes), question.id)
            if len(sizes) > 1 and (best is None or rank < best[0]):
                best = rank, question
        return (best[1] if best else None), tuple(dict.fromkeys(unsettled))

    def _confirming(
        self, groups: Sequence[Sequence[Draft]], rules: Rules, answers: Sequence[Answer]
    ) -> Question | None:
        """(5) the scenario on which most of the neighbours that no answer has put out say something else."""
        left = [
            other
            for other in itertools.islice(variants(rules), _NEIGHBOURS)
            if self._is_sound(other) and not any(self._contradicts(other, answer) for answer in answers)
        ]
        found = (one for other in left for one in self.pair(rules, other).differences)
        questions = {question.id: question for question in (self._asked(one, groups, [rules]) for one in found)}
        best: tuple[tuple[int, str], Question] | None = None
        for question in questions.values():
            said = next(iter(question.options))
            told_apart = sum(self.says(other, question.asks, question.history, question.step) != said for other in left)
            rank = (-told_apart, question.id)
            if best is None or rank < best[0]:
                best = rank, question
        return best[1] if best else None

    def _contradicts(self, rules: Rules, answer: Answer) -> bool:
        said = self.says(rules, answer.question.asks, answer.question.history, answer.question.step)
        return not agrees(said, answer.says, answer.question.asks)

    def _is_sound(self, rules: Rules) -> bool:
        """Whether changed rules still mean something: a change may have made a type error, or left all to a judge."""
        try:
            small(self.terms, rules, self.ground)
        except UntrustedInputError:
            return False
        return True

    def _asked(self, difference: Difference, groups: Sequence[Sequence[Draft]], heads: Sequence[Rules]) -> Question:
        history, step = difference.scenario.history, difference.scenario.step
        options: dict[str, tuple[int, ...]] = {}
        for group, rules in zip(groups, heads):
            said = self.says(rules, difference.asks, history, step)
            options[said] = tuple(sorted((*options.get(said, ()), *(draft.number for draft in group))))
        return Question(
            id=question_id(difference.asks, history, step),
            asks=difference.asks,
            history=history,
            step=step,
            shown=told(history, step),
            options=options,
        )

    def _group(self, group: Sequence[Draft]) -> Group:
        rules = read(group[0])
        return Group(
            drafts=tuple(sorted(draft.number for draft in group)),
            rules=group[0].rules,
            words=tuple(english(rule) for rule in rules),
            doubts=tuple(message for _, message in self._found(rules)),
        )

    def _policy(self, rules: Rules) -> Checked:
        """The rules with every term: a scenario may speak of tools that they do not know."""
        return check(policy_of(self.terms, rules, self.ground))


def signature(entry: Entry, *, confirm: int) -> str:
    """What settling an entry rests on: while it stands, the solver need not be asked again."""
    drafts = [[draft.number, draft.says, draft.rests_on] for draft in entry.drafts]
    answers = [[answer.question.id, answer.says] for answer in entry.answers]
    return digest({"drafts": drafts, "answers": answers, "confirm": confirm})


def read(draft: Draft) -> Rules:
    """The rules of a draft; they were read before, so they can be read."""
    return read_rules("\n".join(draft.rules), source=f"draft {draft.number}")


def agrees(said: str, answer: str, asks: str) -> bool:
    """Whether a verdict is what was answered: `yes` is any that lets the agent go on, `no` any that denies."""
    return said == answer if asks == "must" else Verdict(said) in _MAY[answer]


def _blocking(rules: Rules) -> Rules:
    return tuple(rule for rule in rules if rule.kind != "permit")


def _permits(rules: Rules) -> Rules:
    """What the permits speak of, as rules that give a verdict."""
    return tuple(msgspec.structs.replace(rule, kind="warn") for rule in rules if rule.kind == "permit")
