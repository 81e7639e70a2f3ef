"""What has a say in a verdict: the rules of two policies and the defaults of their front matter, act by act, alike or not.

A *voice* fires where its condition is true or unknown, and gives its verdict then. Voices of the two policies that give the
same under the same condition cancel, wherever in the document they stand. `permit` has no voice of its own: it only keeps the
default `replies: deny` from firing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from obverse.core.events import Call, Reply
from obverse.core.verdicts import Truth, Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.operations import head_truth
from obverse.policy.types import Field, ListType, RecordType
from obverse.solver.answers import Act
from obverse.solver.changes import Which
from obverse.solver.normal import implies, normal, shape
from obverse.solver.readings import read_as_words
from obverse.solver.together import Together

ALWAYS: Final = ast.Boolean(value=True)
_UNDECLARED: Final[Mapping[str, Verdict]] = {"deny-unknown-tools": Verdict.DENY, "ask-unknown-tools": Verdict.ASK}


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, or a default, of one policy at one act. `clash` names what the other policy understands differently."""

    of: Which
    rule: str
    clause: str
    verdict: Verdict
    fires: ast.Expr
    people: int = 1
    clash: tuple[str, ...] = ()

    def covers(self, other: Voice) -> bool:
        """Whether it gives at least as much as the other, whatever people approve."""
        if self.verdict is Verdict.ASK:
            return other.verdict is Verdict.ASK and self.people >= other.people
        return self.verdict.strictness >= other.verdict.strictness


class Forms:
    """The normal form of each condition, made once. By identity: the policies keep their conditions."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[ast.Expr, ast.Expr, str]] = {}

    def of(self, expr: ast.Expr) -> str:
        """A text that two conditions share only if they mean the same."""
        return self._made(expr)[2]

    def implies(self, one: ast.Expr, other: ast.Expr) -> bool:
        """Whether their forms alone say that the second may be wherever the first may be."""
        return implies(self._made(one)[1], self._made(other)[1])

    def _made(self, expr: ast.Expr) -> tuple[ast.Expr, ast.Expr, str]:
        found = self._found.get(id(expr))
        if found is None:
            form = normal(expr)
            found = self._found[id(expr)] = (expr, form, shape(form))
        return found


class Voices:
    """Both policies' voices at every act; what both have is told apart from what only one has."""

    def __init__(self, old: Checked, new: Checked, both: Together) -> None:
        self.policies: dict[Which, Checked] = {"old": old, "new": new}
        self.both = both
        self.forms = Forms()
        alike = _alike(old, new, both)
        self._every: dict[Which, list[CheckedRule]] = {
            of: [_asked(rule, checked, both) for rule in checked.rules] for of, checked in self.policies.items()
        }
        self._unlike: dict[Which, list[CheckedRule]] = {
            of: [rule for rule in rules if rule.id not in alike] for of, rules in self._every.items()
        }
        self._alike = [rule for rule in old.rules if rule.id in alike]

    def own(self, act: Act) -> tuple[list[Voice], list[Voice]]:
        """The voices of the old policy that the new one lacks at this act, and the other way round."""
        old, new = (self._voices(of, act) for of in _SIDES)
        theirs = {self._key(voice) for voice in new}
        mine = {self._key(voice) for voice in old}
        return (
            [voice for voice in old if voice.clash or self._key(voice) not in theirs],
            [voice for voice in new if voice.clash or self._key(voice) not in mine],
        )

    def shared(self, act: Act) -> list[Voice]:
        """The voices that both have at this act, as voices of the old policy."""
        rules = self._rules("old", self._alike, act)
        new = {self._key(voice) for voice in self._voices("new", act)}
        return [*rules, *(v for v in self._voices("old", act) if not v.clash and self._key(v) in new)]

    def implies(self, voice: Voice, other: Voice) -> bool:
        """Whether the other one fires wherever this one does, by their forms alone; asked in full where neither is shared."""
        if other.fires == ALWAYS:
            return True
        if self.forms.of(voice.fires) == self.forms.of(other.fires):
            return True
        return voice.of != other.of and self.forms.implies(voice.fires, other.fires)

    def _key(self, voice: Voice) -> tuple[Verdict, int, str]:
        return voice.verdict, voice.people, self.forms.of(voice.fires)

    def _voices(self, of: Which, act: Act) -> list[Voice]:
        return [*self._defaults(of, act), *self._rules(of, self._unlike[of], act)]

    def _rules(self, of: Which, rules: Sequence[CheckedRule], act: Act) -> list[Voice]:
        checked, event = self.policies[of], _event(act)
        return [
            Voice(
                of=of,
                rule=rule.id,
                clause=rule.clause,
                verdict=rule.verdict,
                fires=rule.fires,
                people=rule.people if rule.kind == "ask" else 1,
                clash=self.both.clash.touched(rule.fires),
            )
            for rule in rules
            if rule.verdict is not None and _speaks(checked, rule, event)
        ]

    def _defaults(self, of: Which, act: Act) -> Iterator[Voice]:
        """What the front matter says, as rules."""
        checked, event = self.policies[of], _event(act)
        if act.kind == "reply":
            if checked.default.replies == "deny":
                said = [rule for rule in self._every[of] if rule.kind == "permit"]
                permits = [rule.fires for rule in said if _speaks(checked, rule, event)]
                yield self._default(of, "@replies", Verdict.DENY, _none_of(permits))
            return
        tool = checked.tools.get(act.tool or "")
        if tool is None:
            verdict = _UNDECLARED.get(checked.default.calls)
            if verdict is not None:
                yield self._default(of, "@calls", verdict, ALWAYS)
        elif checked.default.arguments == "deny-unknown":
            undeclared = list(_undeclared(tool.parameters, self.both.checked.tools[tool.name].parameters))
            if undeclared:
                yield self._default(of, "@arguments", Verdict.DENY, _some_of(undeclared))

    def _default(self, of: Which, name: str, verdict: Verdict, fires: ast.Expr) -> Voice:
        clash = self.both.clash.touched(fires)
        return Voice(of=of, rule=name, clause=name, verdict=verdict, fires=fires, clash=clash)


_SIDES: Final[tuple[Which, Which]] = ("old", "new")


def _alike(old: Checked, new: Checked, both: Together) -> frozenset[str]:
    """The rules that stand in both under one name and mean the same step for step: nearly all of them, seen quickly."""
    theirs = {rule.id: rule for rule in new.rules}
    effects = both.checked is not old  # which tools a rule speaks of may have changed then
    found = []
    for rule in old.rules:
        other = theirs.get(rule.id)
        if other is not None and not effects and _equal(rule, other):
            found.append(rule.id)
    return frozenset(found)


def _equal(rule: CheckedRule, other: CheckedRule) -> bool:
    if rule.kind != other.kind or rule.people != other.people or rule.heads != other.heads:
        return False
    return rule.fires is other.fires or rule.fires == other.fires


def _asked(rule: CheckedRule, checked: Checked, both: Together) -> CheckedRule:
    """The rule as it can be asked about in both vocabularies."""
    if not both.patterns:
        return rule
    patterns = {name: checked.judged[name].pattern for name in both.patterns}
    return msgspec.structs.replace(rule, fires=read_as_words(rule.fires, patterns))


def _undeclared(own: Sequence[Field], every: Sequence[Field], base: ast.Expr | None = None) -> Iterator[ast.Expr]:
    """That an argument is there which this policy does not declare, at any depth of its records."""
    known = {field.name: field.type for field in own}
    for field in every:
        here: ast.Expr = ast.Argument(name=field.name) if base is None else ast.Member(base=base, name=field.name)
        if field.name not in known:
            yield ast.Present(body=here)
            continue
        match known[field.name], field.type:
            case RecordType() as mine, RecordType() as whole:
                yield from _undeclared(mine.fields, whole.fields, here)
            case ListType(item=RecordType() as mine), ListType(item=RecordType() as whole):
                local = ast.Local(name=f"@{field.name}")
                for inner in _undeclared(mine.fields, whole.fields, local):
                    yield ast.Quantified(kind="any", variable=local.name, over=here, body=inner)


def _speaks(checked: Checked, rule: CheckedRule, event: Call | Reply) -> bool:
    return any(head_truth(checked, head, event) is not Truth.FALSE for head in rule.heads)


def _event(act: Act) -> Call | Reply:
    if act.kind == "reply":
        return Reply(id="step", text="")
    return Call(id="step", call_id="", tool=act.tool or "", arguments="{}")


def _none_of(conditions: Sequence[ast.Expr]) -> ast.Expr:
    if not conditions:
        return ALWAYS
    items = tuple(ast.Not(body=condition) for condition in conditions)
    return items[0] if len(items) == 1 else ast.And(items=items)


def _some_of(conditions: Sequence[ast.Expr]) -> ast.Expr:
    return conditions[0] if len(conditions) == 1 else ast.Or(items=tuple(conditions))
