"""Law L12: a grant cannot touch an inviolable clause, outlive its expiry, be used beyond its count, or be widened by the holder.

On policies, scopes and transcripts that nobody wrote by hand; and, for the count, by a machine that gives, hands on, uses, revokes and moves
the clock as it likes, and keeps its own books.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError
from obverse.core.events import AnyEvent, Call, Step
from obverse.core.verdicts import Truth, Verdict
from obverse.guard.grants.register import Held, Register
from obverse.guard.ports import Item
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.grants import LIFTABLE, InForce, Scope, may_lift, read_scope
from obverse.policy.parse import parse
from obverse.policy.print import layout
from obverse.policy.relax import in_scope, relax
from obverse.solver.answers import Act
from obverse.solver.preview import as_granted, previewed
from obverse.solver.settings import Settings
from obverse.testing.granting import Granting
from obverse.testing.strategies import checked_policies, scenarios, sound_rules

ENOUGH = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
Scenario = tuple[tuple[AnyEvent, ...], Step]


@st.composite
def scope_texts(draw: st.DrawFn) -> str:
    """Scopes as somebody may write them, over the generated terms; half of them without a condition."""
    rule_ = draw(sound_rules().filter(lambda found: found.kind != "limit"))
    found = draw(st.sampled_from([None, rule_.when, rule_.unless or rule_.requirement]))
    text = layout(ast.Rule(kind="warn", heads=rule_.heads, when=found, trusting_judge=True))
    return text.removeprefix("warn").strip()


@st.composite
def grants(draw: st.DrawFn, checked: Checked) -> InForce:
    """A grant over this policy, of whichever clauses, derived up to twice."""
    named = draw(st.sets(st.sampled_from([clause.id for clause in checked.clauses]), min_size=1))
    scopes = []
    for text in draw(st.lists(scope_texts(), min_size=1, max_size=2)):
        try:
            scopes.append(read_scope(checked, text))
        except UntrustedInputError:  # a condition that is too large once it is expanded
            assume(False)
    return InForce(id="g", clauses=frozenset(named), scopes=tuple(scopes))


@given(checked_policies(), scenarios(), st.data())
@ENOUGH
def test_L12_a_grant_changes_nothing_outside_of_its_clauses_and_scope(
    checked: Checked, scenario: Scenario, data: st.DataObject
) -> None:
    history, step = scenario
    grant, decision = data.draw(grants(checked)), decide(checked, history, step)
    found = relax(checked, decision, [grant], history, step)
    kinds = {one.id: one.kind for one in checked.rules}
    for reason in found.lifted:
        assert reason.clause in grant.clauses
        assert not checked.clause(reason.clause).inviolable
        assert kinds[reason.rule] in LIFTABLE
        assert all(in_scope(checked, scope, history, step) is Truth.TRUE for scope in grant.scopes)
    assert [reason for reason in decision.reasons if reason not in found.lifted] == list(found.decision.reasons)
    assert found.decision.permits == decision.permits
    assert found.decision.verdict.strictness <= decision.verdict.strictness
    if not found.lifted:
        assert (found.decision, found.grants) == (decision, ())


@given(checked_policies(), scenarios(), st.data())
@ENOUGH
def test_L12_to_lift_is_to_decide_by_the_policy_with_the_scope_as_an_exception(
    checked: Checked, scenario: Scenario, data: st.DataObject
) -> None:
    """Two ways to say what a grant means: reasons that drop out, and rules with one more `unless` (which the solver compares)."""
    history, step = scenario
    grant = data.draw(grants(checked))
    event = step.event
    act = Act(kind="call", tool=event.tool) if isinstance(event, Call) else Act(kind="reply")
    relaxed = relax(checked, decide(checked, history, step), [grant], history, step).decision
    other = checked
    if all(_speaks(checked, scope, step) for scope in grant.scopes):
        other = as_granted(checked, grant, act)
    assert (relaxed.verdict, relaxed.certain) == (
        decide(other, history, step).verdict,
        decide(other, history, step).certain,
    )


def _speaks(checked: Checked, scope: Scope, step: Step) -> bool:
    always = msgspec.structs.replace(scope, when=ast.Boolean(value=True))
    return in_scope(checked, always, (), step) is Truth.TRUE


@given(checked_policies(), scenarios(), st.data())
@ENOUGH
def test_L12_a_derived_grant_lifts_no_more_than_the_one_above_it(
    checked: Checked, scenario: Scenario, data: st.DataObject
) -> None:
    history, step = scenario
    above = data.draw(grants(checked))
    more = data.draw(grants(checked))
    below = InForce(id="below", clauses=above.clauses & more.clauses, scopes=(*more.scopes, *above.scopes))
    decision = decide(checked, history, step)
    lifted = {reason.rule for reason in relax(checked, decision, [above], history, step).lifted}
    assert {reason.rule for reason in relax(checked, decision, [below], history, step).lifted} <= lifted


@given(checked_policies(), st.lists(st.sampled_from(("platform", "developer", "user")), unique=True))
@ENOUGH
def test_L12_whatever_the_levels_of_a_key_an_inviolable_clause_is_not_among_what_it_may_lift(
    checked: Checked, levels: list[str]
) -> None:
    allowed = may_lift(checked, levels)
    assert not any(checked.clause(name).inviolable for name in allowed)
    assert all(checked.clause(name).level in (levels or ["developer", "user"]) for name in allowed)


@pytest.mark.slow
@given(checked_policies(), st.lists(scenarios(), min_size=5, max_size=5), st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_L12_a_preview_that_proves_nothing_new_is_never_contradicted(
    checked: Checked, several: list[Scenario], data: st.DataObject
) -> None:
    """Its witnesses are replayed inside (L06); what it proves is tried here."""
    grant = data.draw(grants(checked))
    found = previewed(checked, grant, settings=Settings(effort=400_000, timeout_ms=2_000))
    for change in found.changes:
        assert change.new.strictness < change.old.strictness
    if found.nothing is Truth.TRUE and found.unbounded:
        for history, step in several:
            decision = decide(checked, history, step)
            assert relax(checked, decision, [grant], history, step).decision.verdict is decision.verdict


# --- count, time, revocation, attenuation -------------------------------------------------------------------------------

POLICY = """\
---
policy: shop
---
```terms
tool pay(to: text, amount: number) effect money
```

## A {#a}

```rule
forbid pay when amount > 100
```

## B {#b}

```rule
forbid pay when to = "b"
```

## C {#c inviolable}

```rule
forbid pay when amount > 1000
```
"""


class Books(RuleBasedStateMachine):
    """Gives grants and does with them whatever comes to mind, widening included; the books say what may be had of each."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.shop = Granting(check(parse(POLICY)), self.folder / "guard.sqlite")
        self.used: dict[str, int] = {}
        self.revoked: set[str] = set()
        self.latest = self.shop.now
        self.shop.register.of("nobody", self.shop.now)  # it looks at the clock, which may go back from here on

    def teardown(self) -> None:
        self.shop.register.close()
        shutil.rmtree(self.folder)

    @rule(
        target=held, clauses=st.sets(st.sampled_from("ab"), min_size=1), uses=st.integers(1, 3),
        begins=st.integers(0, 3), lasts=st.integers(1, 9),
    )  # fmt: skip
    def give(self, clauses: set[str], uses: int, begins: int, lasts: int) -> Held:
        start = self.shop.now + begins
        return self._kept(
            self.shop.give(
                sorted(clauses), "pay", uses=uses, not_before=start, not_after=max(start, self.latest) + lasts
            )
        )

    @rule(
        target=held, parent=held, clauses=st.sets(st.sampled_from("abc"), min_size=1), uses=st.integers(1, 4),
        earlier=st.integers(-1, 2), later=st.integers(-2, 1), scope=st.sampled_from(["pay", "pay when amount < 500"]),
    )  # fmt: skip
    def hand_on(self, parent: Held, clauses: set[str], uses: int, earlier: int, later: int, scope: str) -> Any:
        above = parent.grant
        wanted = {
            "clauses": tuple(sorted(clauses)), "uses": uses, "not_before": above.not_before + earlier,
            "not_after": above.not_after + later, "scope": scope,
        }  # fmt: skip
        wider = not clauses <= set(above.clauses) or uses > above.uses or earlier < 0 or later > 0
        try:
            child = self.shop.narrow(parent, **wanted)
        except (EvidenceError, MisuseError):
            return multiple()
        assert not wider
        return self._kept(child)

    def _kept(self, made: Held) -> Held:
        self.used[made.id] = 0
        return made

    @rule(grant=held)
    def use(self, grant: Held) -> None:
        chain = [link.grant for link in self.shop.register.chain(grant.id)]
        may = all(
            one.not_before <= self.latest < one.not_after
            and one.id not in self.revoked
            and self.used[one.id] < one.uses
            for one in chain
        )
        try:
            self.shop.register.use([grant.id], session="s", step="x", now=self.shop.now)
        except EvidenceError:
            assert not may
        else:
            assert may
            for one in chain:
                self.used[one.id] += 1

    @rule(grant=consumes(held))
    def revoke(self, grant: Held) -> None:
        self.shop.revoke(grant.id, by=grant.grant.by)
        self.revoked.add(grant.id)

    @rule(by=st.integers(-5, 5))
    def move_the_clock(self, by: int) -> None:
        self.shop.now += by
        self.latest = max(self.latest, self.shop.now)
        self.shop.register.of("nobody", self.shop.now)

    @rule()
    def restart(self) -> None:
        self.shop.register.close()
        self.shop.register = type(self.shop.register)(
            self.folder / "guard.sqlite", self.shop.checked, lambda: self.shop.people, fresh=bytes
        )
        self.shop.now = self.latest  # that the clock went back while nobody looked is the guard's matter
        self.shop.register.of("nobody", self.shop.now)

    @rule(
        amount=st.sampled_from([50, 150, 600, 1500]),
        to=st.sampled_from(["a", "b"]),
        holder=st.sampled_from(["agent", "helper"]),
    )
    def decide(self, amount: int, to: str, holder: str) -> None:
        call = Call(id="x", call_id="x", tool="pay", arguments=f'{{"to": "{to}", "amount": {amount}}}')
        step = Step(event=call, turn=(call,))
        decision = decide(self.shop.checked, (), step)
        self.latest = max(self.latest, self.shop.now)
        found = self.shop.register.lift(decision, (), step, session="s", holder=holder, now=self.shop.now)
        if amount > 1000:
            assert found.decision.verdict is Verdict.DENY
        for name in found.grants:
            chain = [link.grant for link in self.shop.register.chain(name)]
            assert chain[0].holder == holder
            for one in chain:
                assert one.not_before <= self.latest < one.not_after
                assert self.used[one.id] < one.uses
                assert one.id not in self.revoked
                assert amount < 500 or "500" not in one.scope

    @invariant()
    def the_count_is_kept(self) -> None:
        for name, used in self.used.items():
            held = self.shop.held(name)
            assert held.used == used <= held.grant.uses


Books.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


class TestL12Books(Books.TestCase):  # type: ignore[name-defined,misc]  # made by hypothesis
    """L12, by the books."""


class Forgetful(Register):
    """A register that never counts."""

    def use(self, grants: Sequence[str], *, session: str, step: str, now: int) -> tuple[Item, ...]:
        """Nothing."""
        return ()


def test_the_machine_finds_a_register_that_forgets_to_count() -> None:
    class Forgets(Books):
        def __init__(self) -> None:
            super().__init__()
            self.shop.register = Forgetful(
                self.folder / "guard.sqlite", self.shop.checked, lambda: self.shop.people, fresh=bytes
            )

    case = Forgets.TestCase
    case.settings = settings(
        max_examples=50, stateful_step_count=15, deadline=None, database=None, phases=(Phase.generate,), derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    with pytest.raises(AssertionError):
        case("runTest").runTest()
