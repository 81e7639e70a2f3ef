"""A grant from its signature to the ledger: real keys, a real register, a real log, a whole guard; and replayed by its own words."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from obverse.core.errors import EvidenceError
from obverse.core.verdicts import Truth, Verdict
from obverse.guard.grants.register import Held
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall, Request, Ruling, Said
from obverse.guard.replay import replay
from obverse.guard.session import Session
from obverse.guard.writing import Writer
from obverse.ledger.contents import Contents
from obverse.ledger.keys import FileSigner, new_key
from obverse.ledger.log import Log
from obverse.ledger.reader import Folder
from obverse.policy.ast import JudgedTerm
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.granting import Granting

POLICY = """\
---
policy: shop
default: {turn: TURN}
---
```terms
tool pay(to: text, amount: number) effect money
tool look(id: text) -> text effect read
judged message.agrees "The user agrees." yes "yes" no "no"
```

## Large {#large}

```rule
forbid pay when amount > 100 says "Too much."
```

## Looked at {#looked}

```rule
ask pay when to = "new"
```

## Often {#often}

```rule
limit pay to 2 per 1d
```

## Agreed {#agreed}

```rule
forbid pay when amount > 400 unless last message has message.agrees trusting judge
```

## Never {#never inviolable}

```rule
forbid pay when amount > 1000
```
"""


class Yes:
    """A judge who says yes, and counts."""

    identity = "yes"
    asked = 0

    def answer(self, term: JudgedTerm, text: str, before: str | None) -> Truth:
        """Yes."""
        self.asked += 1
        return Truth.TRUE


class Desk:
    """People who approve whatever they are asked, once they are told to."""

    def __init__(self) -> None:
        self.asked: dict[str, Request] = {}
        self.closed: dict[str, str] = {}
        self.agree = False

    def ask(self, request: Request, shown: Mapping[str, object]) -> None:
        """Remembered."""
        self.asked[request.id] = request

    def answers(self, request: str) -> tuple[Said, ...]:
        """One who approves."""
        time = self.asked[request].asked
        said = Said(request=request, by="boris", answer="approve", time=time, signature={})
        return (said,) if self.agree else ()

    def wait(self, request: str, seconds: float) -> None:
        """Nobody is waited for."""

    def close(self, request: str, why: str) -> None:
        """Remembered."""
        self.closed[request] = why


class Shop(Granting):
    """A register with a guard in front of it that writes into a real log."""

    def __init__(
        self, folder: Path, *, turn: str = "whole", judge: Yes | None = None, people: Desk | None = None
    ) -> None:
        super().__init__(
            check(parse(POLICY.replace("TURN", turn))), folder / "guard.sqlite", fresh=random.Random(3).randbytes
        )
        self.folder = folder / "log"
        self.log = Log.create(self.folder, "shop.example/log", [FileSigner("shop.example", new_key())])
        self.guard = Guard(
            self.checked, recorder=self.log, clock=lambda: self.now, fresh=random.Random(1).randbytes,
            grants=self.register, judge=judge, people=people, files={"shop.md": POLICY.replace("TURN", turn).encode()},
        )  # fmt: skip
        self.calls = 0

    def pay(self, session: Session, *amounts: int, to: str = "x") -> Ruling:
        """What the guard says of these payments, proposed together; each that is released gives a result."""
        proposed = []
        for amount in amounts:
            self.calls += 1
            arguments = json.dumps({"to": to, "amount": amount})
            proposed.append(ProposedCall(call_id=f"c{self.calls}", tool="pay", arguments=arguments))
        return session.propose(proposed)

    def told(self) -> list[tuple[str, dict[str, object]]]:
        """What stands in the log on disk: types and bodies."""
        self.log.publish()
        return [(item.entry.type, dict(item.entry.body)) for item in Contents(Folder(self.folder)).items()]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.log.close()


def verdicts(*rulings: Ruling) -> list[Verdict]:
    return [ruling.verdict for ruling in rulings]


def test_a_denied_call_becomes_allowed_for_the_holder_within_the_scope(shop: Shop) -> None:
    mine, other = shop.guard.session(holder="agent"), shop.guard.session(holder="helper")
    assert verdicts(shop.pay(mine, 150)) == [Verdict.DENY]
    grant = shop.give(["large"], "pay when amount <= 200", uses=9)
    allowed = shop.pay(mine, 150)
    assert (allowed.verdict, allowed.steps[0].lifted) == (Verdict.ALLOW, (grant.id,))
    assert allowed.steps[0].permit is not None
    assert verdicts(shop.pay(mine, 250), shop.pay(other, 150)) == [Verdict.DENY, Verdict.DENY]
    assert shop.held(grant.id).used == 1


def test_what_the_ledger_says_of_it(shop: Shop) -> None:
    session = shop.guard.session(holder="agent", id="s1")
    grant = shop.give(["large"], "pay", uses=2)
    assert shop.pay(session, 50).verdict is Verdict.ALLOW
    shop.pay(session, 150)
    told = [(kind, body) for kind, body in shop.told() if kind in ("grant", "grant.use", "decision")]
    assert [kind for kind, _ in told] == ["decision", "grant", "grant.use", "decision"]
    assert told[0][1]["lifted"] == []
    assert told[2][1] == {"grant": grant.id, "step": told[3][1]["step"], "left": 1, "for": grant.id}
    last = told[3][1]
    assert (last["verdict"], last["policy_verdict"], last["lifted"], last["clauses"]) == (
        "allow", "deny", [grant.id], ["large"],
    )  # fmt: skip


def test_it_is_used_up(shop: Shop) -> None:
    session = shop.guard.session(holder="agent")
    grant = shop.give(["large", "often"], "pay", uses=3)
    assert verdicts(*(shop.pay(session, 150) for _ in range(4))) == [Verdict.ALLOW] * 3 + [Verdict.DENY]
    assert shop.held(grant.id).state == "used up"


def test_a_call_that_is_allowed_anyway_uses_nothing_up(shop: Shop) -> None:
    session = shop.guard.session(holder="agent")
    grant = shop.give(["large"], "pay")
    assert shop.pay(session, 50).verdict is Verdict.ALLOW
    assert shop.pay(session, 1500).verdict is Verdict.DENY
    assert shop.held(grant.id).used == 0


def test_it_expires_and_is_revoked(shop: Shop) -> None:
    session = shop.guard.session(holder="agent")
    grant = shop.give(["large"], "pay", uses=9, not_after=shop.now + 60_000)
    assert shop.pay(session, 150).verdict is Verdict.ALLOW
    shop.revoke(grant.id)
    assert shop.pay(session, 150).verdict is Verdict.DENY
    shop.give(["large"], "pay", uses=9, not_after=shop.now + 60_000)
    assert shop.pay(session, 150).verdict is Verdict.ALLOW
    shop.now += 60_000
    assert shop.pay(session, 150).verdict is Verdict.DENY


def test_a_narrower_one_holds_and_is_counted_above(shop: Shop) -> None:
    session = shop.guard.session(holder="helper")
    parent = shop.give(["large"], "pay when amount <= 300", uses=2)
    child = shop.narrow(parent, scope="pay when amount <= 200", uses=1)
    assert verdicts(shop.pay(session, 250), shop.pay(session, 150), shop.pay(session, 150)) == [
        Verdict.DENY, Verdict.ALLOW, Verdict.DENY,
    ]  # fmt: skip
    assert [shop.held(one.id).used for one in (parent, child)] == [1, 1]


def test_nothing_of_a_turn_uses_a_grant_up_twice(shop: Shop) -> None:
    session = shop.guard.session(holder="agent")
    grant = shop.give(["large"], "pay", uses=1)
    assert verdicts(shop.pay(session, 150, 160)) == [Verdict.DENY]
    assert shop.held(grant.id).used == 0
    assert verdicts(shop.pay(session, 150)) == [Verdict.ALLOW]


def test_the_allowed_part_of_a_turn_is_what_the_grant_has_uses_for(tmp_path: Path) -> None:
    shop = Shop(tmp_path, turn="allowed-part")
    grant = shop.give(["large"], "pay", uses=1)
    ruling = shop.pay(shop.guard.session(holder="agent"), 150, 160)
    assert [step.verdict for step in ruling.steps] == [Verdict.ALLOW, Verdict.DENY]
    assert shop.held(grant.id).used == 1


def test_a_judge_is_asked_about_what_is_left_after_a_grant(tmp_path: Path) -> None:
    judge = Yes()
    shop = Shop(tmp_path, judge=judge)
    session = shop.guard.session(holder="agent")
    session.message("yes, do that")
    assert (shop.pay(session, 500).verdict, judge.asked) == (Verdict.DENY, 0)
    shop.give(["large"], "pay", uses=9)
    assert (shop.pay(session, 500).verdict, judge.asked) == (Verdict.ALLOW, 1)


def test_a_grant_and_an_approval_allow_together_what_neither_allows_alone(tmp_path: Path) -> None:
    desk = Desk()
    shop = Shop(tmp_path, people=desk)
    session = shop.guard.session(holder="agent")
    assert (shop.pay(session, 150, to="new").verdict, desk.asked) == (Verdict.DENY, {})
    grant = shop.give(["large"], "pay")
    waiting = shop.pay(session, 150, to="new")
    assert (waiting.verdict, shop.held(grant.id).used) == (Verdict.ASK, 0)
    assert [request.clauses for request in desk.asked.values()] == [("looked",)]
    desk.agree = True
    done = session.resume()
    assert done is not None
    assert (done.verdict, done.steps[0].lifted, shop.held(grant.id).used) == (Verdict.ALLOW, (grant.id,), 1)
    assert list(desk.closed.values()) == ["used"]


def test_a_grant_that_ends_while_people_think_allows_nothing(tmp_path: Path) -> None:
    desk = Desk()
    shop = Shop(tmp_path, people=desk)
    session = shop.guard.session(holder="agent")
    grant = shop.give(["large"], "pay", not_after=shop.now + 60_000)
    assert shop.pay(session, 150, to="new").verdict is Verdict.ASK
    shop.now += 60_000
    desk.agree = True
    done = session.resume()
    assert done is not None
    assert (done.verdict, done.released, shop.held(grant.id).used) == (Verdict.DENY, (), 0)


def test_a_register_that_fails_denies_and_says_nothing(shop: Shop, tmp_path: Path) -> None:
    session = shop.guard.session(holder="agent")
    shop.give(["large"], "pay")
    shop.register.close()
    (tmp_path / "guard.sqlite").write_bytes(b"no database" * 1000)
    ruling = shop.pay(session, 150)
    assert ruling.verdict is Verdict.DENY
    assert ruling.steps[0].message in ("Too much.", "This is not allowed here.")


def replayed(shop: Shop) -> tuple[str, ...]:
    shop.guard.close()
    shop.log.publish()
    return replay(Contents(Folder(shop.folder)).items(), people=shop.people).faults


def test_the_ledger_can_be_replayed_with_grants_in_it(shop: Shop) -> None:
    session, other = shop.guard.session(holder="agent", id="s1"), shop.guard.session(holder="helper", id="s2")
    parent = shop.give(["large", "often"], "pay when amount <= 300", uses=4)
    shop.narrow(parent, uses=2)
    unused = shop.give(["large"], "pay", holder="nobody")
    for amount in (50, 150, 250, 350, 150):
        shop.pay(session, amount)
        shop.now += 1000
    shop.guard.heartbeat()
    shop.pay(other, 150)
    shop.revoke(unused.id)
    shop.revoke(parent.id)
    shop.guard.heartbeat()
    shop.pay(other, 150)
    assert replayed(shop) == ()
    kinds = [kind for kind, _ in shop.told()]
    assert (kinds.count("grant.revoke"), kinds.count("grant.use")) == (2, 5)


def test_a_use_that_was_counted_before_a_revocation_may_be_recorded_after_it(shop: Shop) -> None:
    session = shop.guard.session(holder="agent", id="s1")
    grant = shop.give(["large"], "pay", uses=2)
    shop.pay(session, 150)
    early = shop.register.use([grant.id], session="s1", step="late", now=shop.now)
    shop.now += 1000
    shop.revoke(grant.id)
    shop.guard.heartbeat()
    shop.log.record(early)
    assert replayed(shop) == ()


def test_a_use_after_a_revocation_does_not_replay(shop: Shop) -> None:
    session = shop.guard.session(holder="agent", id="s1")
    grant = shop.give(["large"], "pay", uses=2)
    shop.pay(session, 150)
    shop.now += 1000
    shop.revoke(grant.id)
    shop.guard.heartbeat()
    body = {"grant": grant.id, "step": "late", "left": 0, "for": grant.id}
    shop.log.record([Writer(bytes, "s1").item("grant use", shop.now + 1, body)])
    assert any("after it was revoked" in fault for fault in replayed(shop))


def test_a_grant_that_was_never_given_does_not_replay(shop: Shop) -> None:
    """The guard trusted somebody whose key the reader does not know."""
    grant: Held = shop.give(["large"], "pay")
    shop.pay(shop.guard.session(holder="agent", id="s1"), 150)
    shop.guard.close()
    shop.log.publish()
    known = {name: person for name, person in shop.people.items() if name != "ana"}
    faults = replay(Contents(Folder(shop.folder)).items(), people=known).faults
    assert "nobody is named `ana`" in faults[0]
    with pytest.raises(EvidenceError):
        shop.register.use([grant.id], session="s", step="s", now=shop.now)
