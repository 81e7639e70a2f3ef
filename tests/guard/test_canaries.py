"""Seeded requests: they look real, execute nothing, and only who has the key can tell them."""

from __future__ import annotations

import random
import stat
from pathlib import Path

import pytest

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.guard.approvals.canaries import FILE, Canaries, Seed, read_canaries, read_seeds, write_canaries
from obverse.guard.approvals.measures import Measured
from obverse.guard.records import ProposedCall
from obverse.guard.signing import sign
from obverse.testing.desk import Desk
from obverse.testing.people import file_key

SEEDS = (
    Seed(tool="pay", arguments={"to": "unknown", "amount": 99_000}, why="nobody is owed so much", clauses=("pay",)),
    Seed(tool="wipe", arguments={"id": "all"}, why="there is no such id", clauses=("wipe",), because=("id is known",)),
)
KEY = "ab" * 32


def pay(number: int) -> ProposedCall:
    return ProposedCall(call_id=f"c{number}", tool="pay", arguments=f'{{"to":"bob","amount":{200 + number}}}')


def asked(folder: Path, rate: float, times: int) -> tuple[Desk, list[str]]:
    desk = Desk(folder)
    desk.queue._canaries = Canaries(rate=rate, seeds=SEEDS, key=KEY)
    session = desk.session()
    session.message("pay bob")
    real = []
    for number in range(times):
        real += session.propose([pay(number)]).waiting
    return desk, real


def test_one_comes_with_each_real_request_at_a_rate_of_one(tmp_path: Path) -> None:
    desk, real = asked(tmp_path, 1, 3)
    chosen = {one.request.id for one in desk.queue.waiting()} - set(real)
    assert len(real) == 3
    assert len(chosen) == 3  # what was superseded is closed, what was seeded waits


def test_the_rate_is_kept(tmp_path: Path) -> None:
    fresh, desk = random.Random(4).randbytes, Desk(tmp_path)
    [request] = desk.session().propose([pay(1)]).waiting
    asked = desk.queue.find(request)
    for rate, least, most in ((0.0, 0, 0), (0.05, 60, 140), (1.0, 2000, 2000)):
        canaries = Canaries(rate=rate, seeds=SEEDS, key=KEY)
        drawn = sum(canaries.draw(asked.request, asked.shown, fresh) is not None for _ in range(2000))
        assert least <= drawn <= most


def test_a_seeded_request_looks_like_its_neighbour(tmp_path: Path) -> None:
    desk, [real] = asked(tmp_path, 1, 1)
    [one, other] = sorted(desk.queue.waiting(), key=lambda found: found.request.id != real)
    assert one.request.id == real
    for name in ("session", "policy", "people", "asked", "expires"):
        assert getattr(one.request, name) == getattr(other.request, name)
    assert other.request.tool in {"pay", "wipe"}
    assert (one.shown["history"], one.shown["holder"]) == (other.shown["history"], other.shown["holder"])
    shape = [line.split("  ")[0] for line in one.page.text.splitlines() if line[:1].strip()]
    assert [line.split("  ")[0] for line in other.page.text.splitlines() if line[:1].strip()][1:] == shape[1:]
    assert len(other.request.id) == len(real)
    assert KEY not in other.page.text


def test_a_seeded_request_has_clauses_and_reasons_of_its_own(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.queue._canaries = Canaries(rate=1, seeds=SEEDS[1:], key=KEY)
    [real] = desk.session().propose([pay(1)]).waiting
    [text] = [one.page.text for one in desk.queue.waiting() if one.request.id != real]
    assert "clause      wipe · developer\n  │ Wiping\n  │ Two people agree." in text
    assert "because     wipe: ask\n  │ id is known: true" in text


def test_approving_a_seeded_request_executes_nothing(tmp_path: Path) -> None:
    desk, [real] = asked(tmp_path, 1, 1)
    [seeded] = [one.request.id for one in desk.queue.waiting() if one.request.id != real]
    desk.sign(seeded)
    assert desk.queue.answers(seeded) == ()
    [session] = desk.guard._sessions.values()
    ruling = session.resume()
    assert ruling is not None
    assert ruling.released == ()


def test_only_the_key_tells_which_were_seeded(tmp_path: Path) -> None:
    desk, [real] = asked(tmp_path, 1, 1)
    [seeded] = [one for one in desk.queue.waiting() if one.request.id != real]
    for one in (real, seeded.request.id):
        desk.another_process().submit(sign(desk.statement(one), file_key("ana")))
    assert desk.another_process().seeded(seeded) is None
    assert desk.queue.seeded(seeded) in {seed.why for seed in SEEDS}
    assert desk.queue.seeded(desk.queue.find(real)) is None

    def seen(measured: Measured) -> list[bool | None]:
        return sorted((one.seeded for one in measured.answers), key=str)

    assert seen(desk.queue.measured()) == [False, True]
    assert seen(desk.another_process().measured()) == [None, None]


def test_seeds_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    assert read_canaries(tmp_path) is None
    write_canaries(tmp_path, SEEDS, rate=0.1, key=bytes.fromhex(KEY))
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert read_canaries(tmp_path) == Canaries(rate=0.1, seeds=SEEDS, key=KEY)
    with pytest.raises(MisuseError):
        write_canaries(tmp_path, SEEDS, rate=1.5, key=bytes.fromhex(KEY))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'[{"tool": "pay"}]', b'[{"tool": 1}]', b"\xff"])
def test_a_file_that_holds_no_seeds_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UntrustedInputError, match="seeded"):
        read_seeds(data)
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(UntrustedInputError, match="seeded"):
        read_canaries(tmp_path)
