"""A session that is suspended goes on elsewhere once, with its history, and without its permits and requests."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError
from obverse.core.verdicts import Verdict
from obverse.guard.guard import Guard
from obverse.guard.replay import replay
from obverse.testing.guards import call, items_of
from obverse.testing.recorder import MemoryRecorder

Make = Callable[..., Guard]
PAY = '{"to": "bob", "amount": 5}'


def test_a_session_goes_on_where_it_was(make: Make, recorder: MemoryRecorder, desk: Any) -> None:
    first = make(people=desk)
    session = first.session(holder="alice", id="s")
    session.fact("rate", Decimal("1.10"))
    session.message("Pay twice.")
    for number in range(2):
        session.propose([call("pay", PAY, f"c{number}")])
    [kept] = session.propose([call("look", '{"id": "a"}', "open")]).released
    session.propose([call("pay", '{"to": "bob", "amount": 500}', "asked")])
    data, digest = session.suspend()
    assert (session.state, list(desk.closed.values())) == ("ended", ["superseded"])
    assert session.propose([call("pay", PAY, "late")]).verdict is Verdict.DENY
    first.close()

    second = make()
    again = second.restore(data, digest=digest)
    assert (again.id, again.holder, again.state) == ("s", "alice", "open")
    assert kept.permit is not None
    with pytest.raises(EvidenceError, match="no such permit"):
        again.redeem(kept.permit, "look", '{"id": "a"}')
    again.result("open", '{"owner": "ana", "price": 5}')
    verdicts = [again.propose([call("pay", PAY, f"d{number}")]).verdict for number in range(2)]
    assert verdicts == [Verdict.ALLOW, Verdict.DENY], "two payments were made before"
    assert again.propose([call("wipe", '{"id": "a"}', "w")]).verdict is Verdict.ALLOW
    second.close()
    found = replay(items_of(recorder))
    assert not found.faults, found.faults


def test_a_session_goes_on_once_and_only_as_it_was(make: Make, recorder: MemoryRecorder) -> None:
    guard = make()
    data, digest = guard.session(holder="alice", id="s").suspend()
    other = make()
    with pytest.raises(EvidenceError, match="not the session"):
        other.restore(data.replace(b"alice", b"mally"), digest=digest)
    with pytest.raises(UntrustedInputError):
        other.restore(b"x", digest="sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")
    other.restore(data, digest=digest)
    with pytest.raises(MisuseError, match="there was a session"):
        other.restore(data, digest=digest)
    third = make()
    third.restore(data, digest=digest)
    assert any("went on before" in fault for fault in replay(items_of(recorder)).faults)
    lenient = make("---\npolicy: other\n---\n## Nothing {#nothing}\n")
    with pytest.raises(MisuseError, match="another policy"):
        lenient.restore(data, digest=digest)
