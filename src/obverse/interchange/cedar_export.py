"""`export_cedar`: the rules that need no history, as Cedar policies that decide as `decide` does.

    forbid per rule and kind of act     unless the rule's condition is definitely false: so Cedar names the clause
    permit per act                      where every rule's condition is definitely false: so what errs is not permitted

Cedar denies what no policy permits and skips a policy that errs. A `forbid` alone would let pass what it stumbles over; here
the `permit` stumbles over the same thing, and the act is denied. Warnings have no counterpart; a rule that looks at the history is left
out and named (`dogwood` can say more of those). With `cedarpy` the agreement is tested on random requests.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from obverse.core.verdicts import Verdict, strictest
from obverse.interchange.cedar_conditions import Inexpressible, Translator, kind_of
from obverse.interchange.cedar_text import FALSE, Clause, Test, conjuncts, every, key, quoted, some, written
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.types import Field, RecordType, Type

REPLY_ACTION: Final = "reply to the user"


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that is not in the export, and why. `loosens` when the export allows something for lack of it."""

    clause: str
    rule: str
    reason: str
    loosens: bool


class ExportedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One Cedar policy: its `@id`, the verdict that a determining `forbid` stands for, and its text."""

    id: str
    clause: str
    verdict: Verdict
    text: str


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What came out: the policies in the order of the text, a schema that they are valid under, and what was left out.

    `leaves` are the conditions that the host must look up before it asks Cedar (`request_of` does), by their names.
    """

    policies: tuple[ExportedPolicy, ...]
    schema: str
    rules: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    leaves: dict[str, ast.Expr]
    header: str

    @property
    def text(self) -> str:
        """The policies as one Cedar document."""
        return "\n".join([self.header, *(policy.text for policy in self.policies)])

    def verdict_of(self, allowed: bool, reasons: Iterable[int]) -> Verdict:  # what Cedar answers
        """What Cedar's answer stands for: the strictest verdict of the policies, by place, that determined it."""
        if allowed:
            return Verdict.ALLOW
        found = [self.policies[place].verdict for place in reasons]
        return strictest(found) if found else Verdict.DENY


class _Act(msgspec.Struct, frozen=True, kw_only=True):
    """A declared tool, a reply, or the call of a tool that nobody declared."""

    name: str
    kind: Literal["call", "reply"]
    tool: ast.Tool | None = None


_UNKNOWN: Final = _Act(name="a tool that is not declared", kind="call")


def export_cedar(checked: Checked, *, namespace: str = "Agent", leaves: bool = False) -> Exported:
    """The rules of this policy that Cedar can say, exactly, and the names of those that it cannot.

    With `leaves` it can say all of them: a condition that Cedar has no words for is a value in the request, which a monitor
    computes.
    """
    found: dict[str, ast.Expr] | None = {} if leaves else None
    return Exporter(checked, namespace, Translator, leaves=found).exported()


class Exporter:
    """Makes the policies out of what a translator says of each rule."""

    def __init__(
        self,
        checked: Checked,
        namespace: str,
        translator: type[Translator],
        schema: str | None = None,
        leaves: dict[str, ast.Expr] | None = None,
    ) -> None:
        self.translator = translator
        self.schema = schema
        self.leaves = leaves
        self.checked = checked
        self.namespace = namespace
        self.acts = [_Act(name=tool.name, kind="call", tool=tool) for tool in checked.tools.values()]
        self.acts += [_Act(name=REPLY_ACTION, kind="reply"), _UNKNOWN]
        self.permitted: dict[str, list[Clause]] = {act.name: [] for act in self.acts}
        self.policies: list[ExportedPolicy] = []
        self.rules: list[str] = []
        self.left_out: list[LeftOut] = []

    def exported(self) -> Exported:
        """All of it."""
        self.policies += self._defaults()
        for rule in self.checked.rules:
            self._rule(rule)
        self.policies += self._permits()
        return Exported(
            policies=tuple(self.policies),
            schema=self.schema or schema_of(self.checked, self.namespace, self.leaves or ()),
            rules=tuple(self.rules),
            left_out=tuple(self.left_out),
            leaves=self.leaves or {},
            header=self._header(),
        )

    # --- rules ----------------------------------------------------------------------------------------------------------

    def _rule(self, rule: CheckedRule) -> None:
        if rule.verdict is None or not rule.verdict.blocks:
            reason = "a permit lifts nothing" if rule.verdict is None else "Cedar has no verdict that only notes"
            return self._leave_out(rule, reason, loosens=False)
        try:
            spared = {act.name: self._translator(act).both(rule.fires).false for act in self._meant(rule)}
        except Inexpressible as error:
            return self._leave_out(rule, str(error), loosens=True)
        self.rules.append(rule.id)
        groups: dict[tuple[Clause, bool], list[str]] = {}
        for act, clause in spared.items():
            self.permitted[act].append(clause)
            group = (clause, act == _UNKNOWN.name)
            groups.setdefault(group, []).append(act)
        numbers = itertools.count(1)
        for (clause, unknown), acts in groups.items():
            name = rule.id if len(groups) == 1 else f"{rule.id} ({next(numbers)})"
            spares = some([Test(self._known()), clause]) if unknown else clause
            self.policies.append(self._forbid(rule, name, acts, spares))
        return None

    def _translator(self, act: _Act) -> Translator:
        return self.translator(self.checked, act.tool, self.leaves, self.namespace)

    def _meant(self, rule: CheckedRule) -> list[_Act]:
        acts = self.acts[:-1] if self._is_said_by_default(rule) else self.acts
        return [act for act in acts if any(self._may_mean(head, act) for head in rule.heads)]

    def _is_said_by_default(self, rule: CheckedRule) -> bool:
        """Whether the default for tools that nobody declared is as strict as the rule."""
        default = {"deny-unknown-tools": Verdict.DENY, "ask-unknown-tools": Verdict.ASK}.get(self.checked.default.calls)
        return default is not None and rule.verdict is not None and strictest([default, rule.verdict]) is default

    def _may_mean(self, head: ast.Head, act: _Act) -> bool:
        """Which effects an undeclared tool has is not known, so every rule about effects may mean it (L03)."""
        if act is _UNKNOWN:
            return head.kind == "any"
        return self.checked.matches(head, act.kind, act.tool.name if act.tool else None)

    def _leave_out(self, rule: CheckedRule, reason: str, *, loosens: bool) -> None:
        self.left_out.append(LeftOut(clause=rule.clause, rule=rule.id, reason=reason, loosens=loosens))

    def _forbid(self, rule: CheckedRule, name: str, acts: Sequence[str], spared: Clause) -> ExportedPolicy:
        verdict = rule.verdict or Verdict.DENY
        clause = self.checked.clause(rule.clause)
        notes = {"id": name, "clause": clause.title, "verdict": verdict.value}
        if rule.says:
            notes["says"] = rule.says
        head = [f"@{note}({quoted(text)})" for note, text in notes.items()]
        scope = f"forbid (principal, {self._scope(acts)}, resource)"
        when = [] if spared == FALSE else ["unless {", *_block(spared), "}"]
        return ExportedPolicy(
            id=name, clause=rule.clause, verdict=verdict, text="\n".join([*head, scope, *when]) + ";\n"
        )

    def _scope(self, acts: Sequence[str]) -> str:
        if _UNKNOWN.name in acts:
            return "action"
        names = [f"{self.namespace}::Action::{quoted(act)}" for act in acts]
        return f"action == {names[0]}" if len(names) == 1 else f"action in [{', '.join(names)}]"

    # --- what is allowed ------------------------------------------------------------------------------------------------

    def _permits(self) -> Iterable[ExportedPolicy]:
        groups: dict[Clause, list[str]] = {}
        for act in self.acts[:-1]:
            clause = every([*self._allowed(act), *self.permitted[act.name]])
            if clause != FALSE:
                groups.setdefault(clause, []).append(act.name)
        for number, (clause, acts) in enumerate(groups.items(), 1):
            name = f"allow ({number})"
            text = [f"@id({quoted(name)})", f"permit (principal, {self._scope(acts)}, resource)"]
            text += ["when {", *_block(every([_WELL_FORMED, clause])), "}"]
            yield ExportedPolicy(id=name, clause="", verdict=Verdict.ALLOW, text="\n".join(text) + ";\n")

        if self.checked.default.calls == "allow-unknown-tools":
            clause = every([_WELL_FORMED, Test(f"!({self._known()})"), *self.permitted[_UNKNOWN.name]])
            lines = [line.strip() for line in _block(clause)]
            yield self._plain(
                "allow unknown tools", Verdict.ALLOW, "permit (principal, action, resource)", "when", lines
            )

    def _defaults(self) -> Iterable[ExportedPolicy]:
        """What the front matter denies, each under the name that `decide` gives it."""
        anything = "forbid (principal, action, resource)"
        yield self._plain("@arguments", Verdict.DENY, anything, "unless", [written(_WELL_FORMED)])
        asks = {"deny-unknown-tools": Verdict.DENY, "ask-unknown-tools": Verdict.ASK}.get(self.checked.default.calls)
        if asks is not None:
            yield self._plain("@calls", asks, anything, "unless", [self._known()])
        for wanted in self._allowed(self.acts[-2]):
            spared = [] if wanted == FALSE else _block(wanted)
            scope = f"forbid (principal, {self._scope([REPLY_ACTION])}, resource)"
            yield self._plain("@replies", Verdict.DENY, scope, "unless", [line.strip() for line in spared])

    def _known(self) -> str:
        names = ", ".join(f"{self.namespace}::Action::{quoted(act.name)}" for act in self.acts[:-1])
        return f"action in [{names}]"

    def _plain(self, name: str, verdict: Verdict, scope: str, word: str, lines: list[str]) -> ExportedPolicy:
        head = [f"@id({quoted(name)})"] + (
            [f"@verdict({quoted(verdict.value)})"] if verdict is not Verdict.ALLOW else []
        )
        when = [f"{word} {{", *(f"  {line}" for line in lines), "}"] if lines else []
        return ExportedPolicy(id=name, clause="", verdict=verdict, text="\n".join([*head, scope, *when]) + ";\n")

    def _allowed(self, act: _Act) -> list[Clause]:
        """What the defaults ask of an act."""
        if act.kind == "call" or self.checked.default.replies == "allow":
            return []
        wanted: list[Clause] = []
        for rule in self.checked.rules:
            if rule.verdict is None and act in self._meant(rule):
                try:
                    wanted.append(self._translator(act).both(rule.fires).true)
                except Inexpressible:
                    continue  # a permit that cannot be said permits nothing
        return [some(wanted)]

    def _header(self) -> str:
        lines = [f"// {self.checked.name}, version {self.checked.version}, {self.checked.digest}"]
        lines += [f"// {len(self.rules)} of {len(self.checked.rules)} rules; generated, do not edit"]
        lines += [f"// left out: {one.rule}: {one.reason}" for one in self.left_out]
        return "\n".join(lines) + "\n"


_WELL_FORMED: Final = Test("context.well_formed", (("well_formed",),))


def _block(clause: Clause) -> list[str]:
    """A condition on lines of its own, one for each part that must be true."""
    lines = [written(part) for part in conjuncts(clause)]
    shown = [f"({line})" if len(lines) > 1 and " || " in line else line for line in lines]
    return [f"  {'&& ' if place else ''}{line}" for place, line in enumerate(shown)]


# --- schema ---------------------------------------------------------------------------------------------------------------


def schema_of(checked: Checked, namespace: str, leaves: Iterable[str] = (), *, outputs: bool = False) -> str:
    """A Cedar schema in which each value may be missing: what is not known is not there.

    With `outputs`, as events need it: results are declared, and what a tool demands is there.
    """
    facts = tuple((fact.name, fact.type) for fact in checked.facts.values())
    judged = "".join(f"{key(name)}?: Bool, " for name in checked.judged)
    common = [
        f"facts?: {_record(facts)}",
        f"judged?: {{ {judged}}}",
        f"leaves?: {{ {', '.join(f'{key(name)}?: Bool' for name in leaves)} }}",
        "message?: { text?: String }",
        "now?: Long",
        "turn?: { calls?: Long, text?: Bool }",
        "unheld?: Set<String>",
        "well_formed?: Bool",
    ]
    lines = [f"namespace {namespace} {{", "  entity User;", "  entity Session;"]
    for tool in checked.tools.values():
        fields = tuple((field.name, field.type) for field in tool.parameters)
        looks = f"looks?: {{ input?: {_record(fields, texts=True)}, facts?: {_record(facts, texts=True)}, message?: {{ text?: String }} }}"
        inputs = [f"input?: {_record(fields)}"]
        if outputs:
            inputs = [f"input: {_declared(tool.parameters)}"]
            returns = tool.returns.fields if isinstance(tool.returns, RecordType) else ()
            inputs.append(f"output?: {_declared(returns)}")
        lines += _action(tool.name, [*inputs, looks, *common])
    looks = f"looks?: {{ facts?: {_record(facts, texts=True)}, message?: {{ text?: String }}, reply?: {{ text?: String }} }}"
    lines += _action(REPLY_ACTION, ["reply?: { text?: String }", looks, *common])
    return "\n".join([*lines, "}"]) + "\n"


def _action(name: str, context: list[str]) -> list[str]:
    inside = [f"      {entry}," for entry in context]
    return [
        f"  action {quoted(name)} appliesTo {{",
        "    principal: [User],",
        "    resource: [Session],",
        "    context: {",
        *inside,
        "    }",
        "  };",
    ]


def _record(fields: Sequence[tuple[str, Type]], *, texts: bool = False) -> str:
    parts = [f"{key(name)}?: {shown}" for name, kind in fields if (shown := _type(kind, texts=texts))]
    return f"{{ {', '.join(parts)} }}"


def _declared(fields: Sequence[Field]) -> str:
    parts = [
        f"{key(field.name)}{'?' if field.optional else ''}: {shown}"
        for field in fields
        if (shown := _type(field.type, texts=False))
    ]
    return f"{{ {', '.join(parts)} }}"


def _type(kind: Type, *, texts: bool) -> str | None:
    if isinstance(kind, RecordType):
        return _record(tuple((field.name, field.type) for field in kind.fields), texts=texts)
    found = kind_of(kind)
    if found is None or (texts and found[0] not in ("text", "folded")):
        return None
    name = _CEDAR[found[0]]
    return f"Set<{name}>" if found[1] else name


_CEDAR: Final = {
    "text": "String", "folded": "String", "bool": "Bool", "long": "Long", "decimal": "decimal", "time": "Long", "lapse": "Long",
}  # fmt: skip
