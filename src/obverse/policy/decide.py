"""`decide`: what the policy says of one step. The one meaning that tests, audits, the solver and the guard are compared with.

Pure (L01): the same policy, history and step give the same decision. The strictest rule wins whatever the order (L02). A rule
whose condition is not known fires (L03); Kleene's logic makes that at least as strict as the worst completion, and stricter
only where one unknown is used twice (`x or not x`). Laws: L01, L02, L03; and L04 says that an audit is this, folded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from obverse.core.canon import digest
from obverse.core.events import AnyEvent, Approval, Call, Reply, Step
from obverse.core.verdicts import Truth, Verdict, strictest
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decision import Condition, Decision, Reason, Unknown
from obverse.policy.evaluate import Evaluator, Forgotten, Seen, before
from obverse.policy.operations import head_truth, some
from obverse.policy.print import text_of
from obverse.policy.reading import read_arguments, unknown_arguments

MESSAGES: Final = {
    Verdict.STOP: "This session has been ended.",
    Verdict.DENY: "This is not allowed here.",
    Verdict.ASK: "This needs the approval of a person first.",
    Verdict.WARN: "This was noted.",
    Verdict.ALLOW: "",
}
"""What the agent is told where no rule `says` otherwise: no rule text, no threshold (L17)."""

_MOST_SHOWN: Final = 4096


def decide(checked: Checked, history: Sequence[AnyEvent], step: Step) -> Decision:
    """The decision on a proposed step after this history, with every reason for it."""
    return decide_rules(checked, step, speaking(checked, step.event), lambda _rule: history)


def speaking(checked: Checked, event: Call | Reply) -> tuple[tuple[CheckedRule, Truth], ...]:
    """The rules that speak of this step, or may: it hangs on the tool alone, or on its being a reply."""
    found = ((rule, some(head_truth(checked, head, event) for head in rule.heads)) for rule in checked.rules)
    return tuple((rule, meant) for rule, meant in found if meant is not Truth.FALSE)


def decide_rules(
    checked: Checked,
    step: Step,
    rules: Iterable[tuple[CheckedRule, Truth]],
    history_of: Callable[[CheckedRule], Sequence[AnyEvent]],
    approvals: Sequence[AnyEvent] | None = None,
) -> Decision:
    """The decision by the rules that speak of the step, each shown a history of its own: all, or what was kept for it.

    `approvals` are those that were not used up yet; None where the whole history is there to say it.
    """
    fired: list[Reason] = []
    permits: list[Reason] = []
    for rule, meant in rules:
        reason = reason_for(checked, rule, meant, history_of(rule), step, approvals=approvals)
        if reason is not None:
            (permits if rule.kind == "permit" else fired).append(reason)
    return concluded(step.event.id, (*defaults(checked, step, permits), *fired), tuple(permits))


def concluded(step: str, reasons: tuple[Reason, ...], permits: tuple[Reason, ...]) -> Decision:
    """The decision on the step of this id that these reasons make; their order is nothing but that of its words."""
    verdict = strictest([reason.verdict for reason in reasons])  # L02
    return Decision(
        step=step,
        verdict=verdict,
        certain=strictest([reason.verdict for reason in reasons if reason.certain is Truth.TRUE]),
        reasons=reasons,
        permits=permits,
        message=next((r.says for r in reasons if r.verdict is verdict and r.says), MESSAGES[verdict]),
    )


def call_digest(event: Call | Reply) -> str:
    """What an approval is bound to: the tool and its canonical arguments, or the text of a reply."""
    if isinstance(event, Reply):
        return _digest({"reply": event.text})
    arguments = read_arguments(event.arguments)
    if isinstance(arguments, Unknown):
        return _digest({"tool": event.tool, "raw": event.arguments})
    return _digest({"tool": event.tool, "arguments": arguments})


def _digest(named: dict[str, Any]) -> str:
    try:
        return digest(named)
    except ValueError:  # a lone surrogate has no bytes; its escape has
        return digest({"escaped": repr(named)})


def reason_for(
    checked: Checked, rule: CheckedRule, meant: Truth, history: Sequence[AnyEvent], step: Step,
    forgotten: Mapping[ast.Node, Forgotten] | None = None, approvals: Sequence[AnyEvent] | None = None,
) -> Reason | None:  # fmt: skip
    """Why the rule fires on this step (or applies, for a permit); None if it does not.

    # UNSOUND IF: a history that is not whole comes without `approvals`: what used one up may not be in it.
    """
    evaluator = Evaluator(checked, history, step, forgotten=forgotten)
    fires = meant & evaluator.truth(rule.fires, evaluator.here)
    if fires is Truth.FALSE or (rule.kind == "permit" and fires is Truth.UNKNOWN):
        return None
    if rule.kind == "ask" and _approved(rule, history if approvals is None else approvals, step):
        return None
    conditions, seen = explain(checked, rule.fires, history, step, forgotten)
    return Reason(
        clause=rule.clause,
        rule=rule.id,
        verdict=rule.verdict or Verdict.ALLOW,
        certain=fires,
        conditions=conditions,
        events=tuple(event.id for event in history if event.id in seen.events),
        unknowns=tuple(seen.unknowns) if fires is Truth.UNKNOWN else (),
        says=rule.says,
    )


def explain(
    checked: Checked, fires: ast.Expr, history: Sequence[AnyEvent], step: Step,
    forgotten: Mapping[ast.Node, Forgotten] | None = None,
) -> tuple[tuple[Condition, ...], Seen]:  # fmt: skip
    """The atomic conditions that made the value of `fires`, and the events and unknowns that they rest on."""
    seen = Seen()
    evaluator = Evaluator(checked, history, step, seen, forgotten)
    atoms = list(_support(evaluator, fires))
    conditions = [Condition(text=_shown(atom), value=evaluator.truth(atom, evaluator.here)) for atom in atoms]
    return tuple(dict.fromkeys(conditions)), seen


_SHOWN: dict[
    int, tuple[ast.Expr, str]
] = {}  # by identity: the conditions of a policy are few, and shown again and again


def _shown(atom: ast.Expr) -> str:
    """The condition as its author would write it."""
    found = _SHOWN.get(id(atom))
    if found is None or found[0] is not atom:
        if len(_SHOWN) >= _MOST_SHOWN:
            _SHOWN.clear()
        found = _SHOWN[id(atom)] = (atom, text_of(atom))
    return found[1]


def _support(evaluator: Evaluator, expr: ast.Expr) -> Iterator[ast.Expr]:
    """The atoms that, with their values, already give the value of the whole: what is beside the point is left out."""
    if isinstance(expr, ast.Not):
        yield from _support(evaluator, expr.body)
    elif isinstance(expr, ast.And | ast.Or):
        silent = Evaluator(evaluator.checked, evaluator.history, evaluator.step, forgotten=evaluator.forgotten)
        found = [(item, silent.truth(item, silent.here)) for item in expr.items]
        decisive = Truth.FALSE if isinstance(expr, ast.And) else Truth.TRUE
        deciding = [item for item, value in found if value is decisive][:1]
        for item in deciding or [item for item, _ in found]:
            yield from _support(evaluator, item)
    elif not isinstance(expr, ast.Boolean):
        yield expr


def _approved(rule: CheckedRule, history: Sequence[AnyEvent], step: Step) -> bool:
    """Whether enough different people approved exactly this, and it was not executed since: an approval is used once.

    What stands before the step in its own turn uses it up as well: two at once are not one.
    """
    wanted, people = call_digest(step.event), set[str]()
    if any(call_digest(event) == wanted for event in before(step)):
        return False
    for event in history:
        if isinstance(event, Approval) and event.call == wanted:
            people.add(event.by)
        elif isinstance(event, Call | Reply) and call_digest(event) == wanted:
            people.clear()
    return len(people) >= rule.people


def defaults(checked: Checked, step: Step, permits: Sequence[Reason]) -> Iterator[Reason]:
    """What the front matter says of steps that are not as declared."""
    event, default = step.event, checked.default
    if isinstance(event, Reply):
        if default.replies == "deny" and not permits:
            yield _default("@replies", Verdict.DENY)
        return
    arguments, tool = read_arguments(event.arguments), checked.tools.get(event.tool)
    if isinstance(arguments, Unknown):
        yield _default("@malformed", Verdict.DENY, Unknown(what="arguments", why="malformed arguments", event=event.id))
    if tool is None:
        verdict = {"deny": Verdict.DENY, "ask": Verdict.ASK, "allow": Verdict.ALLOW}[default.calls.split("-")[0]]
        if verdict is not Verdict.ALLOW:
            yield _default("@calls", verdict)
    elif not isinstance(arguments, Unknown) and default.arguments == "deny-unknown":
        names = unknown_arguments(arguments, tool.parameters)
        if names:
            unknowns = [Unknown(what=name, why="unknown argument", event=event.id) for name in names]
            yield _default("@arguments", Verdict.DENY, *unknowns)


def _default(clause: str, verdict: Verdict, *unknowns: Unknown) -> Reason:
    return Reason(clause=clause, rule=clause, verdict=verdict, certain=Truth.TRUE, unknowns=unknowns)
