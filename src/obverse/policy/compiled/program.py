"""One function for each tool, and one for replies: what all rules say of a step, as far as it can be proved quickly.

The function returns the reasons of the rules that fired for certain, and the numbers of those that the reference has to decide;
nothing at all of a rule that is silent for certain. Where the step itself is in doubt (malformed or unknown arguments, a tool
that nobody declared) it returns None, and the reference decides everything. Functions are written when a tool is first called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from obverse.core.events import Call, Reply, Step
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.compiled.explaining import cases_of, reason_of
from obverse.policy.compiled.past import StepScope, Tracked
from obverse.policy.compiled.proving import Code, Constants, Prover, both
from obverse.policy.compiled.reading import arguments_of
from obverse.policy.compiled.scopes import INDENT, Reads
from obverse.policy.decision import Reason
from obverse.policy.keeping import Keeper, Maker
from obverse.policy.monitor import Plan
from obverse.policy.reading import unknown_arguments
from obverse.policy.types import ListType, MapType, RecordType, Type

Fired: TypeAlias = Sequence["Reason | int"]
"""What fired, in the order of the rules: a reason, or the number of a rule that is left to the reference."""

Run: TypeAlias = Callable[[Sequence[Keeper], Step], "Fired | None"]

SILENT: Final[tuple[()]] = ()


class Program(Plan):
    """A policy as code. Made once, shared by all its sessions."""

    def __init__(self, checked: Checked) -> None:
        self.tracked = Tracked(checked)
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
        """Write the functions of all tools now, not when they are first called."""
        self.run(Reply(id="", text=""))
        for tool in self.checked.tools:
            self.run(Call(id="", call_id="", tool=tool, arguments=""))

    def makers_of(self, rule: CheckedRule) -> list[Maker]:
        return [*self.tracked.makers(rule), *self.approvals(rule)]

    # --- code -----------------------------------------------------------------------------------------------------------

    def _written(self, event: Call | Reply) -> Run:
        tool = self.checked.tools[event.tool] if isinstance(event, Call) else None
        constants = Constants()
        constants.names |= {"arguments_of": arguments_of, "reason_of": reason_of, "SILENT": SILENT}
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
        exec(compile(source, f"<{self.checked.name}>", "exec"), constants.names)  # noqa: S102  # our own code, of our own tree
        run: Run = constants.names["run"]
        return run

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
        """The lines that say whether this rule fires."""
        silent, fires = prover.proves(rule.fires, False), prover.proves(rule.fires, True)
        place = self.place[rule.id]
        if silent == "True":
            return []
        left = [f"fired = [*fired, {place}]"]
        if rule.kind == "ask":
            # an approval is looked for by the reference
            fires = both([fires, f"not k[{self.numbers[APPROVALS]}].kept"])
        inner = left if fires == "False" else self._fired(rule, place, fires, prover, scope)
        return inner if silent == "False" else [f"if not {silent}:", *(f"{INDENT}{line}" for line in inner)]

    def _fired(self, rule: CheckedRule, place: int, fires: Code, prover: Prover, scope: StepScope) -> list[Code]:
        """The lines for a rule that may fire: with a reason of ours if it does for certain."""
        word, lines = "if", list[Code]()
        for case in cases_of(rule.fires, prover, scope, wanted=True):
            when = both([fires, *case.when])
            lines += [f"{word} {when}:", f"{INDENT}fired = [*fired, {self._reason(rule, case, prover)}]"]
            word = "elif"
        return [*lines, "else:", f"{INDENT}fired = [*fired, {place}]"] if lines else [f"fired = [*fired, {place}]"]

    def _reason(self, rule: CheckedRule, case: Any, prover: Prover) -> Code:
        if not case.events:
            return prover.constants.add(reason_of(rule, case.conditions))
        given = [prover.constants.add(rule), prover.constants.add(case.conditions), *dict.fromkeys(case.events)]
        return f"reason_of({', '.join(given)})"


APPROVALS: Final = ("approvals",)
"""The key of the keeper of approvals."""


def _has_members(wanted: Type) -> bool:
    """Whether a value of this type may have members that are not declared."""
    if isinstance(wanted, ListType | MapType):
        return _has_members(wanted.item)
    return isinstance(wanted, RecordType)
