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
from dataclasses import dataclass

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
from obverse.solver.scaling import grown, scaled
from obverse.solver.settings import Settings
from obverse.solver.together import Together, together
from obverse.solver.voices import Voice, Voices


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


@dataclass(slots=True)
class _Doubt:
    """A rule that may make a difference at an act: it may fire where none of the rules `against` does.

    `theirs` are all rules that only the other policy has; `beside` are rules that both have, added where they matter.
    """

    act: Act
    voice: Voice
    theirs: tuple[Voice, ...]
    against: list[Voice]
    beside: list[Voice]


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
        """Every difference, act by act: what is quickly shown, then what is left."""
        doubts = [doubt for act in (self._acts() if acts is None else acts) for doubt in self._doubts(act)]
        left = [doubt for doubt in doubts if not (first and self.changes) and not self._shown_at_once(doubt)]
        for doubt in left:
            if not (first and self.changes):
                self._settle(doubt)
        self.changes.sort(key=lambda change: [doubt.act for doubt in doubts].index(change.act))
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

    # --- one rule at one act --------------------------------------------------------------------------------------------

    def _doubts(self, act: Act) -> list[_Doubt]:
        """The rules that may make a difference at this act: no form of the other policy's rules says that they do not."""
        old, new = self.voices.own(act)
        clashing = [voice for voice in (*old, *new) if voice.clash]
        found = [_Doubt(act, clashing[0], (*old, *new), [], [])] if clashing else []
        for mine, theirs in ((new, old), (old, new)):
            for voice in mine:
                own = [other for other in theirs if other.covers(voice) and not other.clash]
                beside = [other for other in self.voices.shared(act) if other.covers(voice)]
                if not voice.clash and not any(self.voices.implies(voice, other) for other in (*own, *beside)):
                    found.append(_Doubt(act, voice, tuple(theirs), own, beside))
        return found

    def _shown_at_once(self, doubt: _Doubt) -> bool:
        """Whether a past in which all is known shows the difference."""
        if doubt.voice.clash:
            self._apart(doubt.act, doubt.theirs)
            return True
        change = self._grown(doubt)
        while change is None:
            answer = self._find(doubt, incomplete=False)
            if not isinstance(answer, Found):
                return False
            change = self._shown(doubt, answer.scenario)
            if change is None and not self._stands_in_the_way(doubt, answer.scenario):
                return False
        self.changes.append(change)
        return True

    def _settle(self, doubt: _Doubt) -> None:
        """A past with anything missing that shows the difference; else a proof, or what stands open."""
        while True:
            answer = self._find(doubt, incomplete=True)
            if isinstance(answer, Impossible):
                self.unbounded = self.unbounded and answer.unbounded
                return
            if isinstance(answer, Undecided):
                self._left_open(doubt, answer.reason)
                return
            change = self._shown(doubt, answer.scenario)
            if change is not None:
                self.changes.append(change)
                return
            if not self._stands_in_the_way(doubt, answer.scenario):
                self._without_people(doubt)
                return

    def _stands_in_the_way(self, doubt: _Doubt, found: Scenario) -> bool:
        """Whether rules that both policies have fire here; they are wished to be false from now on."""
        more = [other for other in doubt.beside if other not in doubt.against and self._fires(other, found)]
        doubt.against.extend(more)
        return bool(more)

    def _grown(self, doubt: _Doubt) -> Change | None:
        """What a smaller count shows, grown: a trace of hundreds of calls is slow to search, and too long for a proof."""
        while True:
            small = scaled([*(ast.Not(body=other.fires) for other in doubt.against), doubt.voice.fires])
            if small is None:
                return None
            self.queries += 1
            answer = self.finder.find(Goal(head=doubt.act, wishes=small[0]))
            pasts = list(grown(answer.scenario, small[1])) if isinstance(answer, Found) else []
            changes = (self._shown(doubt, scenario) for scenario in pasts)
            change = next((change for change in changes if change is not None), None)
            if change is not None or not pasts or not self._stands_in_the_way(doubt, pasts[0]):
                return change

    def _without_people(self, doubt: _Doubt) -> None:
        """Once more where nobody need be asked: approvals, put anywhere, disturbed what the scenario was to show."""
        asking = [v for v in (*doubt.theirs, *self.voices.shared(doubt.act)) if v.verdict is Verdict.ASK]
        doubt.against.extend(other for other in asking if other not in doubt.against)
        for incomplete in (False, True):
            answer = self._find(doubt, incomplete=incomplete)
            change = self._shown(doubt, answer.scenario) if isinstance(answer, Found) else None
            if change is not None:
                self.changes.append(change)
                return
        self._left_open(doubt, "it fires, but no approvals of people were found with which that matters")

    def _find(self, doubt: _Doubt, *, incomplete: bool) -> Answer:
        self.queries += 1
        wishes = tuple(ast.Not(body=other.fires) for other in doubt.against)
        if incomplete:
            goal = Goal(head=doubt.act, wishes=wishes, possible=(doubt.voice.fires,), incomplete=True)
        else:
            goal = Goal(head=doubt.act, wishes=(*wishes, doubt.voice.fires))
        return self.finder.find(goal)

    def _left_open(self, doubt: _Doubt, reason: str) -> None:
        self.open.append(Unsettled(act=doubt.act, rules=(_rule_of(doubt.voice),), reason=reason))

    def _apart(self, act: Act, voices: Sequence[Voice]) -> None:
        """Differences where one name means two things: what is found by trying, and that nothing is proved."""
        clashing = [voice for voice in voices if voice.clash]
        seen = {change.loosens for change in self.changes if change.act == act}
        for of, checked in self.policies.items():
            own = [voice for voice in voices if voice.of == of]
            other = self.policies["new" if of == "old" else "old"]
            for scenario in suggested(Finder(checked, self.settings), act, own, other):
                self.queries += 1
                change = self._decided(act, unanswered(scenario, self.both.patterns), clashing)
                if change is not None and change.loosens not in seen:
                    seen.add(change.loosens)
                    self.changes.append(change)
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(name for voice in clashing for name in voice.clash))
        reason = f"the two policies declare {names} differently: differences were looked for, and nothing is proved"
        self.open.append(Unsettled(act=act, rules=tuple(_rule_of(voice) for voice in clashing), reason=reason))

    # --- replay ---------------------------------------------------------------------------------------------------------

    def _shown(self, doubt: _Doubt, found: Scenario) -> Change | None:
        """The difference that this scenario shows, with as few approvals as will do (L06)."""
        voice = doubt.voice
        for people in self.people:
            for scenario in approved(unanswered(found, self.both.patterns), people):
                change = self._decided(doubt.act, scenario, [voice])
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
