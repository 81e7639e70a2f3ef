"""The register of grants: what it takes, what it counts, what it says, with real signatures and a real database."""

from __future__ import annotations

from pathlib import Path

import pytest

from obverse.core.errors import EvidenceError, ManyErrors, MisuseError
from obverse.core.events import Call, Step
from obverse.core.verdicts import Verdict
from obverse.guard.grants.register import Register
from obverse.guard.grants.statements import envelope_bytes, read_signed
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.grants import every_call_of, ground, read_scope
from obverse.policy.parse import parse
from obverse.policy.relax import Relaxed
from obverse.testing.granting import Granting, person

POLICY = """\
---
policy: shop
---
```terms
tool pay(to: text, amount: number) effect money
tool wipe(id: text) effect write
judged message.agrees "The user agrees." yes "yes" no "no"
```

## Large {#large}

```rule
forbid pay when amount > 100 says "Too much."
ask pay when amount > 50
```

## Names {#names}

```rule
forbid pay when to = "mallory"
```

## Platform {#top level=platform}

```rule
forbid pay when to = "bank"
```

## Never {#never inviolable}

```rule
forbid pay when amount > 1000
```

## Ends {#ends}

```rule
stop pay when amount > 5000
warn pay when amount > 90
```
"""


def policy(text: str = POLICY) -> Checked:
    return check(parse(text))


@pytest.fixture
def shop(tmp_path: Path) -> Granting:
    return Granting(policy(), tmp_path / "guard.sqlite")


def pay(amount: float, to: str = "shop") -> Step:
    call = Call(id="s1", call_id="c1", tool="pay", arguments=f'{{"to": "{to}", "amount": {amount}}}')
    return Step(event=call, turn=(call,))


def lifted(shop: Granting, step: Step, *, holder: str = "agent", checked: Checked | None = None) -> Relaxed:
    decision = decide(checked or shop.checked, (), step)
    return shop.register.lift(decision, (), step, session="s", holder=holder, now=shop.now)


def use(shop: Granting, *grants: str, session: str = "s") -> int:
    return len(shop.register.use(grants, session=session, step="s1", now=shop.now))


# --- what a grant does --------------------------------------------------------------------------------------------------


def test_a_grant_lifts_what_it_names_where_its_scope_is_true(shop: Granting) -> None:
    grant = shop.give(["large"], "pay when amount <= 200")
    found = lifted(shop, pay(150))
    assert (found.decision.verdict, found.grants, found.decision.message) == (
        Verdict.WARN,
        (grant.id,),
        "This was noted.",
    )
    assert lifted(shop, pay(201)).decision.verdict is Verdict.DENY
    assert lifted(shop, pay(150), holder="helper").grants == ()


def test_what_other_clauses_say_stays(shop: Granting) -> None:
    shop.give(["large"], "pay")
    for step, clause in ((pay(150, "mallory"), "names"), (pay(150, "bank"), "top"), (pay(1500), "never")):
        found = lifted(shop, step).decision
        assert (found.verdict, found.clauses) == (Verdict.DENY, (clause,))
    assert lifted(shop, pay(6000)).decision.verdict is Verdict.STOP


def test_a_value_that_is_not_known_lifts_nothing(shop: Granting) -> None:
    shop.give(["large"], "pay when amount <= 200")
    call = Call(id="s1", call_id="c1", tool="pay", arguments='{"to": "shop", "amount": "150"}')
    found = lifted(shop, Step(event=call, turn=(call,)))
    assert (found.decision.verdict, found.grants) == (Verdict.STOP, ())


def test_a_default_of_the_front_matter_is_nobodys_to_lift(shop: Granting) -> None:
    shop.give(["large", "names"], "any call", uses=9)
    strange = Call(id="s1", call_id="c1", tool="other", arguments="{}")
    extra = Call(id="s1", call_id="c1", tool="pay", arguments='{"to": "shop", "amount": 150, "also": 1}')
    broken = Call(id="s1", call_id="c1", tool="pay", arguments='{"to": "shop", "to": "bank", "amount": 150}')
    for call in (strange, extra, broken):
        assert lifted(shop, Step(event=call, turn=(call,))).decision.verdict.strictness >= Verdict.DENY.strictness


def test_one_grant_that_lifts_everything_is_used_and_not_two(shop: Granting) -> None:
    shop.give(["large"], "pay", uses=5)
    both = shop.give(["large", "names"], "pay", uses=5, not_after=shop.now + 9_000_000)
    assert lifted(shop, pay(150, "mallory")).grants == (both.id,)


# --- counting -----------------------------------------------------------------------------------------------------------


def test_a_grant_is_used_as_often_as_it_says(shop: Granting) -> None:
    grant = shop.give(["large"], "pay", uses=2)
    items = shop.register.use([grant.id], session="s", step="s1", now=shop.now)
    assert [entry.type for entry, _ in items] == ["grant", "grant.use"]
    assert items[1][0].body == {"grant": grant.id, "step": "s1", "left": 1, "for": grant.id}
    use(shop, grant.id)
    assert lifted(shop, pay(150)).grants == ()
    with pytest.raises(EvidenceError, match="used up"):
        use(shop, grant.id)
    assert (shop.held(grant.id).state, shop.held(grant.id).left) == ("used up", 0)
    assert [one.session for one in shop.register.uses(grant.id)] == ["s", "s"]


def test_several_uses_are_counted_all_or_none(shop: Granting) -> None:
    one, other = shop.give(["large"], "pay", uses=3), shop.give(["names"], "pay", uses=1)
    with pytest.raises(EvidenceError):
        use(shop, one.id, other.id, other.id)
    assert [shop.held(grant.id).used for grant in (one, other)] == [0, 0]
    use(shop, one.id, other.id)
    assert [shop.held(grant.id).used for grant in (one, other)] == [1, 1]


def test_a_grant_begins_and_ends_by_the_guards_clock(shop: Granting) -> None:
    grant = shop.give(["large"], "pay", not_before=shop.now + 1000, not_after=shop.now + 2000)
    assert (shop.held(grant.id).state, lifted(shop, pay(150)).grants) == ("not yet", ())
    shop.now += 1000
    assert (shop.held(grant.id).state, lifted(shop, pay(150)).grants) == ("in force", (grant.id,))
    shop.now += 1000
    assert (shop.held(grant.id).state, lifted(shop, pay(150)).grants) == ("expired", ())
    with pytest.raises(EvidenceError, match="expired"):
        use(shop, grant.id)


def test_a_clock_that_is_turned_back_does_not_begin_an_ended_grant_again(shop: Granting, tmp_path: Path) -> None:
    grant = shop.give(["large"], "pay", uses=5, not_after=shop.now + 1000)
    other = shop.give(["large"], "pay", uses=5, not_after=shop.now + 9000)
    shop.now += 2000
    use(shop, other.id)
    shop.now -= 1500
    assert lifted(shop, pay(150)).grants == (other.id,)
    again = Register(tmp_path / "guard.sqlite", shop.checked, lambda: shop.people, fresh=bytes)  # after a restart
    assert [one.id for one in again.of("agent", shop.now)] == [other.id]
    assert again.held(grant.id, shop.now).state == "expired"


# --- who may grant ------------------------------------------------------------------------------------------------------


def test_only_somebody_with_the_role_grants(shop: Granting) -> None:
    for by in ("boris", "agent", "eve"):
        with pytest.raises(EvidenceError, match="may not grant"):
            shop.give(["large"], "pay", by=by)
    with pytest.raises(EvidenceError, match="nobody is named"):
        shop.give(["large"], "pay", by="nobody")


def test_somebody_elses_signature_does_not_count(shop: Granting) -> None:
    terms = shop.terms(["large"], "pay")
    with pytest.raises(EvidenceError, match="none of `ana`"):
        shop.register.add(shop.signed(terms, key="eve"), shop.now)
    assert shop.register.known() == ()


@pytest.mark.parametrize(
    ("clauses", "scope", "code"),
    [
        (["lage"], "pay", "G302"),
        (["never"], "pay", "G303"),
        (["top"], "pay", "G304"),
        (["ends"], "pay", "G305"),
        (["large", "large"], "pay", "G300"),
        (["large"], "wipe_all", "P200"),
        (["large"], "pay when amount <", "P111"),
        (["large"], 'pay says "x"', "G301"),
        (["large"], "pay when message.agrees", "G306"),
    ],
)
def test_a_grant_that_means_nothing_is_refused(shop: Granting, clauses: list[str], scope: str, code: str) -> None:
    with pytest.raises((MisuseError, ManyErrors, EvidenceError)) as refused:
        shop.give(clauses, scope)
    assert refused.value.code == code
    assert shop.register.known() == ()


def test_a_higher_level_is_lifted_by_whose_record_names_it(shop: Granting) -> None:
    shop.people["ana"] = person("ana", ("grant",), levels=("platform",))
    shop.give(["top"], "pay")
    assert lifted(shop, pay(10, "bank")).decision.verdict is Verdict.ALLOW
    with pytest.raises(MisuseError, match="may not lift"):
        shop.give(["large"], "pay")


def test_a_grant_ends_with_the_key_and_the_role_of_its_signer(shop: Granting) -> None:
    shop.give(["large"], "pay")
    ana = shop.people["ana"]
    for changed in ({"roles": ()}, {"removed": shop.now}, {"keys": ()}, {"levels": ("user",)}):
        shop.people["ana"] = type(ana)(**{"name": "ana", "roles": ana.roles, "keys": ana.keys, **changed})
        assert lifted(shop, pay(150)).grants == ()
    shop.people["ana"] = ana
    assert lifted(shop, pay(150)).grants != ()


def test_where_people_cannot_be_read_nothing_is_lifted(shop: Granting, tmp_path: Path) -> None:
    shop.give(["large"], "pay")

    def broken() -> dict[str, object]:
        raise EvidenceError("`ana.json` is no file of a person", code="G201")

    register = Register(tmp_path / "guard.sqlite", shop.checked, broken, fresh=bytes)  # type: ignore[arg-type]  # it raises
    found = register.lift(decide(shop.checked, (), pay(150)), (), pay(150), session="s", holder="agent", now=shop.now)
    assert found.grants == ()


# --- revocation ---------------------------------------------------------------------------------------------------------


def test_who_granted_and_who_may_stop_can_revoke(shop: Granting) -> None:
    for by in ("ana", "boris"):
        grant = shop.give(["large"], "pay")
        assert shop.revoke(grant.id, by=by).state == "revoked"
        assert lifted(shop, pay(150)).grants == ()
        with pytest.raises(EvidenceError, match="revoked"):
            use(shop, grant.id)


def test_nobody_else_can_revoke(shop: Granting) -> None:
    grant = shop.give(["large"], "pay")
    for by, key in (("agent", None), ("eve", None), ("ana", "eve"), ("boris", "eve")):
        with pytest.raises(EvidenceError):
            shop.revoke(grant.id, by=by, key=key)
    assert shop.held(grant.id).state == "in force"


# --- handing on ---------------------------------------------------------------------------------------------------------


def test_a_holder_hands_a_narrower_grant_on(shop: Granting) -> None:
    parent = shop.give(["large", "names"], "pay when amount <= 200", uses=3)
    child = shop.narrow(parent, clauses=("large",), scope='pay when to = "shop"', uses=2)
    assert lifted(shop, pay(150), holder="helper").grants == (child.id,)
    for step in (pay(250), pay(150, "other"), pay(150, "mallory")):
        assert lifted(shop, step, holder="helper").decision.verdict is Verdict.DENY
    assert use(shop, child.id) == 4
    assert [shop.held(grant.id).used for grant in (parent, child)] == [1, 1]
    use(shop, parent.id, parent.id)
    assert shop.held(child.id).state == "used up"
    with pytest.raises(EvidenceError, match="used up"):
        use(shop, child.id)


def test_a_revoked_parent_takes_what_was_derived_with_it(shop: Granting) -> None:
    parent = shop.give(["large"], "pay", uses=3)
    child = shop.narrow(parent)
    shop.revoke(parent.id)
    assert shop.held(child.id).state == "revoked"
    assert lifted(shop, pay(150), holder="helper").grants == ()


def test_the_holder_in_the_middle_may_revoke_what_it_handed_on_and_no_more(shop: Granting) -> None:
    parent = shop.give(["large"], "pay", uses=3)
    child = shop.narrow(parent)
    with pytest.raises(EvidenceError):
        shop.revoke(parent.id, by="agent")
    assert shop.revoke(child.id, by="agent").state == "revoked"
    assert shop.held(parent.id).state == "in force"


def test_a_derived_grant_is_never_wider(shop: Granting) -> None:
    parent = shop.give(["large"], "pay", uses=2)
    wider = [
        {"clauses": ("large", "names")}, {"uses": 3}, {"not_after": parent.grant.not_after + 1},
        {"not_before": parent.grant.not_before - 1}, {"by": "ana"}, {"by": "helper"},
    ]  # fmt: skip
    for given in wider:
        with pytest.raises(EvidenceError):
            shop.narrow(parent, **given)
    assert shop.register.known() == (parent.id,)


def test_a_chain_has_an_end(shop: Granting) -> None:
    last = shop.give(["large"], "pay", holder="helper")
    for _ in range(7):
        last = shop.narrow(last, by="helper", holder="helper")
    with pytest.raises(EvidenceError, match="handed on 8 times"):
        shop.narrow(last, by="helper", holder="helper")


# --- another policy -----------------------------------------------------------------------------------------------------


def test_a_grant_is_void_under_another_policy(shop: Granting, tmp_path: Path) -> None:
    shop.give(["large"], "pay")
    other = policy(POLICY.replace("Names {", "More names {"))
    register = Register(tmp_path / "guard.sqlite", other, lambda: shop.people, fresh=bytes)
    assert register.of("agent", shop.now) == ()
    assert register.held(register.known()[0], shop.now).state == "void"


def test_a_grant_that_follows_its_clauses_outlives_changes_elsewhere_only(shop: Granting, tmp_path: Path) -> None:
    shop.give(["large"], "pay", follows=ground(shop.checked, ["large"], "pay"))
    kept = [POLICY.replace("Names {", "More names {"), POLICY.replace("tool wipe(id: text)", "tool wipe(name: text)")]
    void = [
        POLICY.replace("amount > 100", "amount > 99"), POLICY.replace("{#large}", "{#large inviolable}"),
        POLICY.replace("amount: number", "amount: integer"), POLICY.replace("## Large", "## Larger"),
        POLICY.replace("effect money", "effect write"),
    ]  # fmt: skip
    for text, holds in [(text, True) for text in kept] + [(text, False) for text in void]:
        register = Register(tmp_path / "guard.sqlite", policy(text), lambda: shop.people, fresh=bytes)
        assert bool(register.of("agent", shop.now)) is holds, text


# --- what is kept -------------------------------------------------------------------------------------------------------


def test_a_statement_survives_the_way_to_the_disk_and_back(shop: Granting) -> None:
    signed = shop.signed(shop.terms(["large"], "pay"))
    assert read_signed(envelope_bytes(signed)) == signed


def test_what_the_ledger_has_not_heard_is_told_once(shop: Granting) -> None:
    grant = shop.give(["large"], "pay", uses=2)
    news = shop.register.news(shop.now)
    assert [entry.type for entry, _ in news] == ["grant"]
    assert news[0][1]["statement"].data == envelope_bytes(shop.register.chain(grant.id)[0].signed)
    shop.register.noted(news)
    assert shop.register.news(shop.now) == ()
    assert use(shop, grant.id) == 1
    shop.revoke(grant.id)
    news = shop.register.news(shop.now)
    assert [entry.type for entry, _ in news] == ["grant.revoke"]
    shop.register.noted(news)
    assert shop.register.news(shop.now) == ()


def test_a_grant_is_found_by_how_its_id_begins(shop: Granting) -> None:
    grant = shop.give(["large"], "pay")
    assert shop.register.find(grant.id) == shop.register.find(grant.id[7:19]) == grant.id
    for wrong in ("", "abc", "0" * 12):
        with pytest.raises(MisuseError):
            shop.register.find(wrong)


def test_a_tool_of_any_name_can_be_granted() -> None:
    names = ["get-user", "reply", "any", "when", "forbid", "a.b", "text"]
    terms = "\n".join(f"tool `{name}`()" for name in names)
    checked = policy(f"---\npolicy: p\n---\n```terms\n{terms}\n```\n## A {{#a}}\n\n```rule\nforbid any call\n```\n")
    assert [read_scope(checked, every_call_of(name)).heads[0].tool for name in names] == names
    assert read_scope(checked, every_call_of(None)).heads[0].kind == "reply"


def test_a_fault_of_a_scope_has_a_place_in_its_first_line(shop: Granting) -> None:
    with pytest.raises(ManyErrors, match=r"scope:1:1: \[P115\]"):
        read_scope(shop.checked, f"pay when {'not ' * 100}true")
