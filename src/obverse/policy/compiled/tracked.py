"""Which operator of which rule has a track, and what the others keep. Goes through the rules once, when a policy is compiled."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.compiled import tracks
from obverse.policy.compiled.proving import Constants, Prover, kind_of
from obverse.policy.compiled.reading import reader_of
from obverse.policy.compiled.scopes import CallScope, Reads
from obverse.policy.compiled.specs import Latest, Sought, Writer, sought
from obverse.policy.compiled.tracks import Spec, Stated, Tally
from obverse.policy.keeping import Facts, Maker, Newest, Window, makers_for, makers_of, nested, outermost


class Tracked:
    """The tracks of a policy. `makers` gives what makes the keepers of a rule: a track where there is one, else the reference's."""

    def __init__(self, checked: Checked, recent: int) -> None:
        self.checked = checked
        self.writer = Writer(checked, recent)
        self.latest: dict[Hashable, Latest] = {}
        self.tallies: dict[Hashable, Spec] = {}
        self.left: dict[str, list[ast.Node]] = {}
        """By rule: the operators that are left to the reference."""
        self.summed: dict[str, list[tuple[ast.Node, Spec, tuple[ast.Expr, ...]]]] = {}
        """By rule: the operators whose events are not all kept, and by which values of the step they count."""
        self._found: dict[ast.Node, Latest | Spec | None] = {}

    def makers(self, rule: CheckedRule) -> list[Maker]:
        """What makes the keepers of this rule."""
        operators = [*outermost(rule.fires)]
        if any(nested(operator) for operator in operators):
            self.left[rule.id] = [operator for operator in operators if nested(operator)]
            return makers_of(rule.fires)
        found: list[Maker] = []
        for operator in operators:
            made = self._makers(operator)
            if made is None:
                self.left.setdefault(rule.id, []).append(operator)
            found += made or makers_for(operator)
            self._note_sums(rule, operator)
            if not isinstance(operator, ast.FactValue):
                found += [partial(Facts, name, every=True) for name in sorted(_facts_inside(operator))]
        return found

    def _note_sums(self, rule: CheckedRule, operator: ast.Node) -> None:
        spec = self._found.get(operator)
        if not isinstance(spec, Spec) or spec.recent is None:
            return
        if isinstance(operator, ast.Exceeds):
            values: tuple[ast.Expr, ...] = () if operator.by is None else (operator.by,)
        elif isinstance(operator, ast.CountEvents | ast.SumEvents):
            found = sought(self.checked, operator.event, operator.where)
            values = tuple(key.asked for key in found.keys) if found is not None else ()
        else:
            return
        self.summed.setdefault(rule.id, []).append((operator, spec, values))

    def of(self, operator: ast.Node) -> Latest | Spec | None:
        """The track of an operator, if it has one."""
        return self._found.get(operator)

    def specs(self) -> Iterator[Spec]:
        """What all tracks share, track by track."""
        yield from (latest.spec for latest in self.latest.values())
        yield from self.tallies.values()

    def absent(self, operator: ast.Since) -> Latest | None:
        """The track of what must be absent since."""
        found = self._found.get(operator.absent) if operator.absent is not None else None
        return found if isinstance(found, Latest) else None

    def fact(self, name: str) -> Maker:
        """What makes the keeper of the newest value of a fact."""
        term = self.checked.facts.get(name)
        reader = reader_of(term.type, self.checked.timezone_minutes) if term else lambda _value: None
        return partial(Stated, name, reader)

    def _makers(self, operator: ast.Node) -> list[Maker] | None:
        match operator:
            case ast.FactValue():
                return [self.fact(operator.name)]
            case ast.Once() | ast.Last():
                return self._newest(operator)
            case ast.Since() if operator.absent is not None:
                return self._since(operator, operator.absent)
            case ast.CountEvents() | ast.SumEvents():
                return self._counted(operator)
            case ast.Exceeds():
                return self._limited(operator)
        return None

    def _newest(self, operator: ast.Once | ast.Last) -> list[Maker] | None:
        found = sought(self.checked, operator.event, operator.where)
        if found is None:
            return None
        latest = self._latest(found, operator)
        if isinstance(operator, ast.Once):
            latest.windowed |= operator.within is not None
        else:
            latest.reads(self.checked, operator.has)
        self._found[operator] = latest
        return [partial(tracks.Latest, latest.spec)]

    def _since(self, operator: ast.Since, absent: ast.Pattern) -> list[Maker] | None:
        starts, ends = sought(self.checked, operator.event, operator.where), sought(self.checked, absent, None)
        if starts is None or ends is None:
            return None
        first, second = self._latest(starts, operator), self._latest(ends, ast.Once(event=absent))
        self._found[operator], self._found[absent] = first, second
        return [partial(tracks.Latest, first.spec), partial(tracks.Latest, second.spec)]

    def _latest(self, found: Sought, operator: ast.Once | ast.Last | ast.Since) -> Latest:
        closed = len(found.keys) == len(operator.event.arguments)
        backup: Maker = (
            partial(Newest, operator.event, operator.where) if closed else partial(Window, operator.event, None)
        )
        made = self.writer.latest(found, backup)
        latest = self.latest.setdefault(made.spec.name, made)
        _asked(latest.spec, found)
        return latest

    def _counted(self, operator: ast.CountEvents | ast.SumEvents) -> list[Maker] | None:
        found = sought(self.checked, operator.event, operator.where)
        amount = operator.value if isinstance(operator, ast.SumEvents) else None
        if found is None or (amount is not None and not _own(amount)):
            return None
        made = self.writer.tally(found, operator.within, amount, partial(Window, operator.event, operator.within))
        spec = self._found[operator] = self.tallies.setdefault(made.name, made)
        _asked(spec, found)
        return [partial(Tally, spec)]

    def _limited(self, operator: ast.Exceeds) -> list[Maker] | None:
        if any(part is not None and not _of_call(part) for part in (operator.by, operator.amount)):
            return None
        if operator.by is not None and len(self._kinds(operator, operator.by)) != 1:
            return None
        made = self.writer.limit(operator)
        spec = self._found[operator] = self.tallies.setdefault(made.name, made)
        spec.keys = [() if operator.by is None else (operator.by,)]
        return [partial(Tally, spec)]

    def _kinds(self, operator: ast.Exceeds, by: ast.Expr) -> set[str | None]:
        """The kinds of value that the key has, over all tools that the limit counts."""
        found: set[str | None] = set()
        for tool in self.checked.tools.values():
            if any(self.checked.matches(head, "call", tool.name) for head in operator.heads):
                scope = CallScope(Reads(self.checked, Constants()), tool, reply=False)
                found.add(kind_of(Prover(scope, Constants()).value(by).type))
        if any(head.kind == "reply" for head in operator.heads):
            scope = CallScope(Reads(self.checked, Constants()), None, reply=True)
            found.add(kind_of(Prover(scope, Constants()).value(by).type))
        return found if None not in found else set()


def _asked(spec: Spec, found: Sought) -> None:
    asked = tuple(key.asked for key in found.keys)
    if asked not in spec.keys:
        spec.keys.append(asked)


def _facts_inside(operator: ast.Node) -> set[str]:
    return {node.name for node in ast.walk(operator) if isinstance(node, ast.FactValue)}


def _of_call(expr: ast.Expr) -> bool:
    """Whether a value hangs on the call alone, whenever it is asked for."""
    elsewhere = (ast.Now, ast.TurnCalls, ast.TurnHasText, ast.FactValue, ast.JudgedAnswer, ast.EventPart)
    return not any(isinstance(node, elsewhere) for node in ast.walk(expr))


def _own(expr: ast.Expr) -> bool:
    """Whether a value of an event hangs on that event alone."""
    other = (ast.Argument, ast.StepPart, ast.Now, ast.TurnCalls, ast.TurnHasText, ast.FactValue, ast.Present)
    inner = {node.variable for node in ast.walk(expr) if isinstance(node, ast.Quantified | ast.CountIn | ast.SumIn)}
    return not any(
        isinstance(node, other)
        or (isinstance(node, ast.EventPart) and node.depth > 0)
        or (isinstance(node, ast.JudgedAnswer) and node.depth != 0)
        or (isinstance(node, ast.Local) and node.name not in inner)
        for node in ast.walk(expr)
    )
