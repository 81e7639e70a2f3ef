"""One function for each tool, and one for replies: what all rules say of a step, as far as it can be proved quickly.

The function returns the reasons of the rules that fired for certain, and the numbers of those that the reference has to decide;
nothing at all of a rule that is silent for certain. Where the step itself is in doubt (malformed or unknown arguments, a tool
that nobody declared) it returns None, and the reference decides everything. Functions are written when a tool is first called.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from obverse.core.events import Approval, Call, Denied, Fact, Grant, Message, Reply, Result, Step, System, Thought
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.compiled.explaining import Case, cases_of, reason_of
from obverse.policy.compiled.past import NOTHING, StepScope, beside
from obverse.policy.compiled.proving import Code, Constants, Prover, both, either
from obverse.policy.compiled.reading import arguments_of
from obverse.policy.compiled.scopes import INDENT, Reads, made
from obverse.policy.compiled.tracked import Tracked
from obverse.policy.decision import Reason
from obverse.policy.keeping import APPROVALS, Keeper, Kind, Maker
from obverse.policy.monitor import Plan
from obverse.policy.reading import unknown_arguments
from obverse.policy.types import ListType, MapType, RecordType, Type

Fired: TypeAlias = Sequence["Reason | int"]
"""What fired, in the order of the rules: a reason, or the number of a rule that is left to the reference."""

Run: TypeAlias = Callable[[Sequence[Keeper], Step], "Fired | None"]

SILENT: Final[tuple[()]] = ()
_TOOLLESS: Final[tuple[Kind, ...]] = (Message, Reply, Thought, System, Fact, Approval, Grant)
_TOOLED: Final[tuple[Kind, ...]] = (Call, Denied, Result)


class Program(Plan):
    """A policy as code. Made once, shared by all its sessions.

    Where all events count for ever, the newest `recent` of each key are kept, so that a reason can name them.
    """

    def __init__(self, checked: Checked, *, recent: int = 16) -> None:
        self.tracked = Tracked(checked, recent)
        super().__init__(checked)
        self._runs: dict[str | None, Run] = {}
        self.sources: dict[str | None, str] = {}
        """The code of each function that was written, by tool; None for replies."""

    def run(self, event: Call | Reply) -> Run | None:
        """The function for such a step; None for a tool that nobody declared."""
        tool = event.tool if isinstance(event, Call) else None
        found = self._runs.get(tool)
        if found is None and (tool is None or tool in self.checked.tools):
            found = self._runs[tool] = self._written(event)
        return found

    def prepare(self) -> None:
        """Write all code now, not when it is first needed."""
        self.run(Reply(id="", text=""))
        for tool in self.checked.tools:
            self.run(Call(id="", call_id="", tool=tool, arguments=""))
        for spec in self.tracked.specs():
            for kind in _TOOLLESS:
                spec.prepare(kind, None)
            for kind, tool in itertools.product(_TOOLED, self.checked.tools):
                spec.prepare(kind, tool)

    def makers_of(self, rule: CheckedRule) -> list[Maker]:
        return [*self.tracked.makers(rule), *self.approvals(rule)]

    # --- code -----------------------------------------------------------------------------------------------------------

    def _written(self, event: Call | Reply) -> Run:
        tool = self.checked.tools[event.tool] if isinstance(event, Call) else None
        constants = Constants()
        constants.names |= {"arguments_of": arguments_of, "reason_of": reason_of, "SILENT": SILENT}
        constants.names |= {"beside": beside, "NOTHING": NOTHING}
        reads = Reads(self.checked, constants)
        scope = StepScope(self.tracked, self.numbers, reads, tool)
        prover = Prover(scope, constants)
        rules = [line for rule, _ in self.speaking(event) for line in self._rule(rule, prover, scope)]
        lines = [
            "event = step.event",
            *(self._arguments(tool, constants) if tool is not None else []),
            "turn = step.turn",
            "now = event.time",
            *reads.lines,
            "fired = SILENT",
            *rules,
            "return fired",
        ]
        source = "def run(k, step):\n" + "".join(f"{INDENT}{line}\n" for line in lines)
        self.sources[tool.name if tool is not None else None] = source
        return made("run", source, constants.names) or _undecided

    def _arguments(self, tool: ast.Tool, constants: Constants) -> list[Code]:
        """Arguments that are as declared; all others are for the reference."""
        lines = ["args = arguments_of(event.arguments)", "if args is None: return None"]
        if self.checked.default.arguments == "deny-unknown":
            names = constants.add(frozenset(field.name for field in tool.parameters))
            lines.append(f"if not args.keys() <= {names}: return None")
            if any(_has_members(field.type) for field in tool.parameters):
                unknown, declared = constants.add(unknown_arguments), constants.add(tool.parameters)
                lines.append(f"if {unknown}(args, {declared}): return None")
        return lines

    def _rule(self, rule: CheckedRule, prover: Prover, scope: StepScope) -> list[Code]:
        """The lines that say whether this rule fires, and why."""
        silent = prover.proves(rule.fires, False)
        if rule.kind == "permit":
            silent = either([silent, prover.proves(rule.fires, None)])
        if silent == "True":
            return []
        word, lines = "if", list[Code]()
        for when, case in self._cases(rule, prover, scope):
            lines += [f"{word} {when}:", f"{INDENT}fired = [*fired, {self._reason(rule, case, prover)}]"]
            word = "elif"
        left = f"fired = [*fired, {self.place[rule.id]}]"
        lines = [*lines, "else:", f"{INDENT}{left}"] if lines else [left]
        return lines if silent == "False" else [f"if not {silent}:", *(f"{INDENT}{line}" for line in lines)]

    def _cases(self, rule: CheckedRule, prover: Prover, scope: StepScope) -> Iterator[tuple[Code, Case]]:
        """When the rule fires for a reason that needs no reference."""
        # whether people approved is for the reference to say, once anybody approved anything
        asks = [f"not k[{self.numbers[APPROVALS]}].kept"] if rule.kind == "ask" else []
        for wanted in (True, None):
            fires = prover.proves(rule.fires, wanted)
            if fires != "False":
                for case in cases_of(rule.fires, prover, scope, wanted=wanted):
                    yield both([fires, *asks, *case.when]), case

    def _reason(self, rule: CheckedRule, case: Case, prover: Prover) -> Code:
        if not case.events:
            return prover.constants.add(reason_of(rule, case))
        given = [prover.constants.add(rule), prover.constants.add(case), *dict.fromkeys(case.events)]
        return f"reason_of({', '.join(given)})"


def _undecided(_keepers: Sequence[Keeper], _step: Step) -> None:
    """For what is too deep to be compiled: the reference decides."""


def _has_members(wanted: Type) -> bool:
    """Whether a value of this type may have members that are not declared."""
    if isinstance(wanted, ListType | MapType):
        return _has_members(wanted.item)
    return isinstance(wanted, RecordType)
