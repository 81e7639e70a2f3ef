"""`compare`: on what do two policies decide differently? Every difference with a scenario, or a proof that there is none.

A rule that stands in both policies cancels. For every other rule, at every act that it speaks of, one question decides:

    may it fire (true or unknown) where no rule of the other policy gives as much?

"As much" is a verdict at least as strict; an `ask` for fewer people is less. That question is asked of the rule at its own
verdict only: where nothing differs there, nothing differs at milder ones. It is asked without the rules that both policies
have, and again with those that a replay shows to stand in the way. First a scenario in which all is known is looked for, then
one that lacks whatever a transcript may lack (L03 is where many differences hide); only the second can be a proof.

Laws: L06: a change is replayed through both `decide`s. What was not proved is `undecided`, never "the same". The defaults of
the front matter are rules of their own. Not compared: what an agent is told, and whatever changes no verdict (`words`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import z3

from obverse.core.canon import digest
from obverse.core.verdicts import Truth, Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.evaluate import truth
from obverse.solver.answers import Act, Answer, Found, Goal, Impossible, Scenario, Undecided
from obverse.solver.apart import suggested
from obverse.solver.approvals import approved
from obverse.solver.changes import Change, Comparison, RuleOf, Unsettled, Which
from obverse.solver.find import Finder
from obverse.solver.findings import Solver
from obverse.solver.readings import unanswered
from obverse.solver.settings import Settings
from obverse.solver.together import Together, together
from obverse.solver.voices import ALWAYS, Voice, Voices

_MOST_ADDED: Final = 64


def compare(
    old: Checked,
    new: Checked,
    *,
    settings: Settings | None = None,
    finder: Finder | None = None,
    acts: Iterable[Act] | None = None,
    first: bool = False,
) -> Comparison:
    """On what the two policies decide differently, within the bound; `first` stops at the first difference.

    A `finder` of the old policy, kept between calls, saves encoding it again; it is used where the new policy declares the
    same terms. `acts` narrows the steps that are compared.

    Raises:
        WrongWitness: if a witness, replayed, does not show what it claims (L06).
    """
    return _Comparer(old, new, settings or (finder.settings if finder else Settings()), finder).comparison(acts, first)


class _Comparer:
    def __init__(self, old: Checked, new: Checked, settings: Settings, finder: Finder | None) -> None:
        self.policies: dict[Which, Checked] = {"old": old, "new": new}
        self.settings = settings
        self.both: Together = together(old, new)
        shared = finder is not None and finder.checked is self.both.checked and finder.settings == settings
        self.finder = finder if finder is not None and shared else Finder(self.both.checked, settings)
        self.voices = Voices(old, new, self.both)
        asked = {rule.people for rule in (*old.rules, *new.rules) if rule.kind == "ask"}
        self.people = sorted({0, *asked, *(number - 1 for number in asked)})
        self.changes: list[Change] = []
        self.open: list[Unsettled] = []
        self.unbounded = True
        self.queries = 0

    def comparison(self, acts: Iterable[Act] | None, first: bool) -> Comparison:
        """Every difference, act by act."""
        for act in self._acts() if acts is None else acts:
            self._act(act, first)
            if first and self.changes:
                break
        return Comparison(
            changes=tuple(self.changes),
            undecided=tuple(self.open),
            bound=self._bound(),
            unbounded=self.unbounded,
            queries=self.queries,
            solver=Solver(
                name="z3", version=z3.get_version_string(), options=digest(self.settings), bound=self._bound()
            ),
        )

    def _bound(self) -> str:
        if self.unbounded:
            return "unbounded"
        return f"{self.settings.rounds} rounds of events, lists of up to {self.settings.list_length}"

    def _acts(self) -> Iterator[Act]:
        """Every shape of a step: a reply, each tool of either policy, and a tool that neither declares."""
        yield Act(kind="reply")
        for name in self.both.checked.tools:
            yield Act(kind="call", tool=name)
        other = "another_tool"
        while other in self.both.checked.tools:
            other += "_"
        yield Act(kind="call", tool=other)

    # --- one act --------------------------------------------------------------------------------------------------------

    def _act(self, act: Act, first: bool) -> None:
        old, new = self.voices.own(act)
        for mine, theirs in ((new, old), (old, new)):
            for voice in mine:
                if not voice.clash:
                    self._voice(act, voice, [other for other in theirs if not other.clash])
                if first and self.changes:
                    return
        if any(voice.clash for voice in (*old, *new)):
            self._apart(act, {"old": old, "new": new})

    def _voice(self, act: Act, voice: Voice, theirs: Sequence[Voice]) -> None:
        """Whether this rule makes a difference here: it may fire where the other policy gives less."""
        against = [other for other in theirs if other.covers(voice)]
        beside = [other for other in self.voices.shared(act) if other.covers(voice)]
        if any(self._implied(voice, other) for other in (*against, *beside)):
            return
        for _ in range(_MOST_ADDED):
            answer = self._find(act, voice, against)
            if isinstance(answer, Impossible):
                self.unbounded = self.unbounded and answer.unbounded
                return
            if isinstance(answer, Undecided):
                self._left_open(act, voice, answer.reason)
                return
            change = self._shown(act, voice, answer.scenario)
            if change is not None:
                self.changes.append(change)
                return
            in_the_way = [other for other in beside if other not in against and self._fires(other, answer.scenario)]
            if not in_the_way:
                break
            against += in_the_way
        self._without_people(act, voice, against, theirs)

    def _without_people(self, act: Act, voice: Voice, against: Sequence[Voice], theirs: Sequence[Voice]) -> None:
        """Once more where nobody need be asked: approvals, put anywhere, disturbed what the scenario was to show."""
        asking = [other for other in (*theirs, *self.voices.shared(act)) if other.verdict is Verdict.ASK]
        answer = self._find(act, voice, [*against, *(other for other in asking if other not in against)])
        change = self._shown(act, voice, answer.scenario) if isinstance(answer, Found) else None
        if change is not None:
            self.changes.append(change)
        else:
            self._left_open(act, voice, "it fires, but no approvals of people were found with which that matters")

    def _implied(self, voice: Voice, other: Voice) -> bool:
        """Whether the other one fires wherever this one does, by its form alone."""
        return other.fires == ALWAYS or self.voices.forms.of(other.fires) == self.voices.forms.of(voice.fires)

    def _find(self, act: Act, voice: Voice, against: Sequence[Voice]) -> Answer:
        wishes = tuple(ast.Not(body=other.fires) for other in against)
        self.queries += 1
        whole = self.finder.find(Goal(head=act, wishes=(*wishes, voice.fires)))
        if isinstance(whole, Found):
            return whole
        self.queries += 1
        return self.finder.find(Goal(head=act, wishes=wishes, possible=(voice.fires,), incomplete=True))

    def _left_open(self, act: Act, voice: Voice, reason: str) -> None:
        self.open.append(Unsettled(act=act, rules=(_rule_of(voice),), reason=reason))

    def _apart(self, act: Act, voices: dict[Which, list[Voice]]) -> None:
        """Differences where one name means two things: what is found by trying, and that nothing is proved."""
        clashing = [voice for own in voices.values() for voice in own if voice.clash]
        seen = {change.loosens for change in self.changes if change.act == act}
        for of, own in voices.items():
            finder = Finder(self.policies[of], self.settings)
            for scenario in suggested(finder, act, own, self.policies["new" if of == "old" else "old"]):
                self.queries += 1
                change = self._decided(act, unanswered(scenario, self.both.patterns), clashing)
                if change is not None and change.loosens not in seen:
                    seen.add(change.loosens)
                    self.changes.append(change)
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(name for voice in clashing for name in voice.clash))
        reason = f"the two policies declare {names} differently: differences were looked for, and nothing is proved"
        self.open.append(Unsettled(act=act, rules=tuple(_rule_of(voice) for voice in clashing), reason=reason))

    # --- replay ---------------------------------------------------------------------------------------------------------

    def _shown(self, act: Act, voice: Voice, found: Scenario) -> Change | None:
        """The difference that this scenario shows, with as few approvals as will do (L06)."""
        for people in self.people:
            for scenario in approved(unanswered(found, self.both.patterns), people):
                change = self._decided(act, scenario, [voice])
                if change is None:
                    continue
                mine, theirs = (change.old, change.new) if voice.of == "old" else (change.new, change.old)
                if mine.strictness >= voice.verdict.strictness > theirs.strictness:
                    return change
        return None

    def _decided(self, act: Act, scenario: Scenario, rules: Sequence[Voice]) -> Change | None:
        """What both policies say of it, if they differ."""
        old = decide(self.policies["old"], scenario.history, scenario.step).verdict
        new = decide(self.policies["new"], scenario.history, scenario.step).verdict
        if old is new:
            return None
        return Change(act=act, old=old, new=new, scenario=scenario, rules=tuple(_rule_of(voice) for voice in rules))

    def _fires(self, voice: Voice, found: Scenario) -> bool:
        return truth(self.both.checked, voice.fires, found.history, found.step) is not Truth.FALSE


def _rule_of(voice: Voice) -> RuleOf:
    return RuleOf(of=voice.of, rule=voice.rule, clause=voice.clause)
