"""The compiled monitor: a `Monitor` whose steps are decided by code, and by the reference only where the code is in doubt."""

from __future__ import annotations

from functools import partial

from obverse.core.events import Call, Step
from obverse.core.verdicts import Truth, Verdict
from obverse.policy.checked import Checked
from obverse.policy.compiled.program import Fired, Program
from obverse.policy.decide import concluded, defaults, reason_for
from obverse.policy.decision import Decision, Reason
from obverse.policy.evaluate import Evaluator
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
            return super().decide(step)
        if not fired and (type(event) is Call or self.checked.default.replies == "allow"):
            return Decision(step=event.id, verdict=Verdict.ALLOW, certain=Verdict.ALLOW)
        return self._fired(fired, step)

    def _fired(self, fired: Fired, step: Step) -> Decision:
        """The decision by the rules that fired; of those that are in doubt, the reference says whether they did."""
        found = [reason for reason in map(partial(self._reason, step), fired) if reason is not None]
        permits = tuple(reason for reason in found if reason.verdict is Verdict.ALLOW)
        others = tuple(reason for reason in found if reason.verdict is not Verdict.ALLOW)
        before = () if type(step.event) is Call else defaults(self.checked, step, permits)
        return concluded(step.event.id, (*before, *others), permits)

    def _reason(self, step: Step, fired: Reason | int) -> Reason | None:
        if isinstance(fired, Reason):
            return fired
        rule = self.checked.rules[fired]
        history = self._history(rule, Evaluator(self.checked, (), step))
        return reason_for(self.checked, rule, Truth.TRUE, history, step)
