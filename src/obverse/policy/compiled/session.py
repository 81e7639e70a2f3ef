"""The compiled monitor: a `Monitor` whose steps are decided by code, and by the reference only where the code is in doubt."""

from __future__ import annotations

from collections.abc import Iterable

from obverse.core.events import AnyEvent, Call, Step
from obverse.core.verdicts import Truth, Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.compiled.program import Fired, Program
from obverse.policy.compiled.tracks import Tally
from obverse.policy.decide import concluded, defaults, reason_for
from obverse.policy.decision import Decision, Reason
from obverse.policy.evaluate import Evaluator, Forgotten
from obverse.policy.monitor import Monitor


class CompiledMonitor(Monitor):
    """One session under one policy, decided by code. It says what `Monitor` says (L05).

    Where there are many sessions, make the program once.
    """

    def __init__(self, checked: Checked, plan: Program | None = None) -> None:
        program = plan or Program(checked)
        super().__init__(checked, program)
        self.program = program

    def decide(self, step: Step) -> Decision:
        """The decision of `decide` on this step after everything that was observed (L05)."""
        event = step.event
        run = self.program.run(event)
        fired = run(self._keepers, step) if run is not None else None
        if fired is None:
            found = (self._by_reference(step, rule, meant) for rule, meant in self.program.speaking(event))
            return self._concluded(found, step)
        if not fired and (type(event) is Call or self.checked.default.replies == "allow"):
            return Decision(step=event.id, verdict=Verdict.ALLOW, certain=Verdict.ALLOW)
        return self._fired(fired, step)

    def _fired(self, fired: Fired, step: Step) -> Decision:
        """The decision by the rules that fired; of those that are in doubt, the reference says whether they did."""
        rules = self.checked.rules
        found = (one if isinstance(one, Reason) else self._by_reference(step, rules[one], Truth.TRUE) for one in fired)
        return self._concluded(found, step, as_declared=type(step.event) is Call)

    def _concluded(self, found: Iterable[Reason | None], step: Step, *, as_declared: bool = False) -> Decision:
        """The decision by these reasons and by the defaults, which have nothing to say of a call that is as declared."""
        reasons = [reason for reason in found if reason is not None]
        permits = tuple(reason for reason in reasons if reason.verdict is Verdict.ALLOW)
        others = (reason for reason in reasons if reason.verdict is not Verdict.ALLOW)
        before = () if as_declared else defaults(self.checked, step, permits)
        return concluded(step.event.id, (*before, *others), permits)

    def _by_reference(self, step: Step, rule: CheckedRule, meant: Truth) -> Reason | None:
        evaluator = Evaluator(self.checked, (), step)
        history, approvals = self._history(rule, evaluator), self._approvals(evaluator)
        return reason_for(self.checked, rule, meant, history, step, self._forgotten(rule, history, step), approvals)

    def _forgotten(self, rule: CheckedRule, history: list[AnyEvent], step: Step) -> dict[ast.Node, Forgotten]:
        """What the operators of this rule counted and dropped."""
        found = {}
        for operator, spec, values in self.program.tracked.summed.get(rule.id, ()):
            track = self._keepers[self.program.numbers[spec.name]]
            if isinstance(track, Tally):
                limits, amounts = isinstance(operator, ast.Exceeds), getattr(operator, "amount", None) is not None
                evaluator = Evaluator(self.checked, history, step)
                found[operator] = track.told(evaluator, values, limits=limits, amounts=amounts)
        return found
