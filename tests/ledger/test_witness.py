"""Witnesses: they sign what goes on from what they signed, nothing else; and who must have signed is read from a file."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import EvidenceError, UnavailableError, UntrustedInputError
from obverse.ledger.checkpoint import Trust
from obverse.ledger.cosigning import Asked, Cosigned, ask_witnesses
from obverse.ledger.entries import Entry
from obverse.ledger.keys import FileSigner, new_key
from obverse.ledger.log import Log, cosign
from obverse.ledger.merkle import consistency_proof
from obverse.ledger.note import Note, check_note, read_note, read_signature
from obverse.ledger.reader import Files, Folder, Reader, read_head
from obverse.ledger.rotation import rotate, rotation_path
from obverse.ledger.trust import read_trust_policy
from obverse.ledger.verify import Verification, verify
from obverse.ledger.witness import Answer, Memory, Request, Witness

ORIGIN = "log.example/1"
SIGNER = FileSigner(ORIGIN, new_key())
LATER = FileSigner(ORIGIN, new_key())
WITNESSES = [
    FileSigner("w.example/1", new_key(), clock=lambda: 1_800_000_000),
    FileSigner("w.example/2", new_key("ml-dsa-44-cosignature"), clock=lambda: 1_800_000_000),
]


def entries(count: int, start: int = 0) -> list[Entry]:
    return [Entry(type="note", time=number) for number in range(start, start + count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Log.create(tmp_path / "log", ORIGIN, [SIGNER]) as log:
        log.extend(entries(300))
    return tmp_path / "log"


def grow(folder: Path, count: int) -> None:
    with Log.open(folder, [SIGNER]) as log:
        log.extend(entries(count, log.size))


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(WITNESSES, {ORIGIN: [SIGNER.key]}, Memory(tmp_path / "memory"))


def head(folder: Path) -> Note:
    note = read_head(Folder(folder))
    assert note is not None
    return note


def post(witness: Witness) -> Callable[[str, bytes], tuple[int, bytes]]:
    def send(url: str, body: bytes) -> tuple[int, bytes]:
        assert url == "https://w.example/add-checkpoint"
        answer = witness.add_checkpoint(body)
        return answer.status, answer.body.encode()

    return send


def asker(witness: Witness) -> Callable[[Files, Note], Cosigned]:
    asked = Asked(url="https://w.example/", keys=tuple(signer.key for signer in WITNESSES))
    return lambda files, note: ask_witnesses(files, note, [asked], post(witness))


def request(folder: Path, old: int) -> bytes:
    note = head(folder)
    size = int(note.text.split("\n")[1])
    proof = consistency_proof(old, size, Reader(Folder(folder), size).hashes) if 0 < old <= size else ()
    return bytes(Request(old=old, proof=proof, note=note))


def found(folder: Path, quorum: int = 2) -> Verification:
    trust = Trust(log=(SIGNER.key,), witnesses=tuple(signer.key for signer in WITNESSES), quorum=quorum)
    return verify(Folder(folder), trust)


def test_a_log_that_grows_is_cosigned_again_and_again(folder: Path, witness: Witness) -> None:
    for _ in range(3):
        result = cosign(folder, asker(witness))
        assert (result.names, result.missing) == (("w.example/1", "w.example/2"), {})
        assert found(folder).outcome == "holds"
        assert len(found(folder).witnesses) == 2
        grow(folder, 77)
    grown = found(folder)
    assert grown.outcome == "holds"
    assert any("no witness has seen the rest" in check.found for check in grown.checks)
    assert any("quorum" in check.found or "witnesses have signed" in check.found for check in found(folder, 3).checks)
    assert found(folder, 3).outcome == "fails"


def test_a_log_is_cosigned_while_it_is_written(folder: Path, witness: Witness) -> None:
    with Log.open(folder, [SIGNER]) as log:
        assert log.cosign(asker(witness)).names
        log.extend(entries(5, 300))
        log.publish()
        assert found(folder).outcome == "holds"
        assert cosign(folder, asker(witness)).names  # by somebody else, beside the writer
        assert found(folder).outcome == "holds"
        log.extend(entries(5, 305))
    assert found(folder).outcome == "holds"
    assert b"\n305\n" in (folder / "checkpoint.cosigned").read_bytes()


def answered(witness: Witness, body: bytes) -> tuple[int, str]:
    answer: Answer = witness.add_checkpoint(body)
    return answer.status, answer.body


def test_what_the_specification_answers(folder: Path, witness: Witness, tmp_path: Path) -> None:
    first = request(folder, 0)
    status, body = answered(witness, first)
    assert status == 200
    signatures = tuple(map(read_signature, body.splitlines()))
    note = Note(text=head(folder).text, signatures=signatures)
    assert len(check_note(note, [signer.key for signer in WITNESSES])) == 2
    assert answered(witness, first) == (409, "300\n")
    assert witness.add_checkpoint(first).type == "text/x.tlog.size"
    assert answered(witness, request(folder, 300))[0] == 200  # the same again, by the right size
    assert answered(witness, request(folder, 301))[0] == 400
    grow(folder, 100)
    assert answered(witness, request(folder, 0)) == (409, "300\n")
    wrong = request(folder, 300).replace(b"\n", b"\n" + b"A" * 43 + b"=\n", 1)
    assert answered(witness, wrong)[0] == 422
    assert answered(witness, b"old 300\n\n" + str(head(folder)).encode())[0] == 422
    assert answered(witness, request(folder, 300))[0] == 200
    other = Witness(WITNESSES, {"another": [SIGNER.key]}, Memory(tmp_path / "other"))
    assert answered(other, first)[0] == 404
    stranger = Witness(WITNESSES, {ORIGIN: [LATER.key]}, Memory(tmp_path / "stranger"))
    assert answered(stranger, first)[0] == 403
    for body_ in (
        b"",
        b"old\n\n",
        b"old 01\n\n",
        b"old 1\nx\n\n" + first,
        first[:-3],
        first.replace(b"old 0", b"old -1"),
    ):
        assert answered(witness, body_)[0] == 400


class NoMemory(Memory):
    """Is never looked at: nothing random is signed by the log."""

    def __init__(self) -> None:
        pass


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda more: b"old 0\n\n" + more))
def test_whatever_is_posted_gets_an_answer(body: bytes) -> None:
    witness = Witness(WITNESSES, {ORIGIN: [SIGNER.key]}, NoMemory())
    assert witness.add_checkpoint(body).status in (400, 403, 404)


def test_L15_a_witness_signs_no_fork_and_no_step_back_after_a_restart_either(
    folder: Path, tmp_path: Path, witness: Witness
) -> None:
    shutil.copytree(folder, tmp_path / "fork")
    shutil.copytree(folder, tmp_path / "back")
    grow(folder, 100)
    assert answered(witness, request(folder, 0))[0] == 200
    with Log.open(tmp_path / "fork", [SIGNER]) as log:
        log.extend(entries(100, 7))  # as many, and others
    refused: list[str] = []
    again = Witness(
        WITNESSES, {ORIGIN: [SIGNER.key]}, Memory(tmp_path / "memory"), refused=lambda why, _: refused.append(why)
    )
    assert answered(again, request(tmp_path / "fork", 400)) == (409, "400\n")
    assert answered(again, request(tmp_path / "back", 300)) == (409, "400\n")
    grow(tmp_path / "fork", 5)
    assert answered(again, request(tmp_path / "fork", 400))[0] == 422
    assert len(refused) == 2
    result = cosign(tmp_path / "fork", asker(again))
    assert not result.names
    result = cosign(tmp_path / "back", asker(again))
    assert "has seen 400" in result.missing["https://w.example/"]


def test_a_memory_that_was_damaged_signs_nothing(folder: Path, tmp_path: Path, witness: Witness) -> None:
    assert answered(witness, request(folder, 0))[0] == 200
    [kept] = [path for path in (tmp_path / "memory").iterdir() if path.name != "lock"]
    kept.write_bytes(b"garbage")
    with pytest.raises(EvidenceError):
        witness.add_checkpoint(request(folder, 0))


def test_a_witness_that_lies_or_is_down_costs_its_signature_and_nothing_else(folder: Path, witness: Witness) -> None:
    asked = [Asked(url="https://w.example/", keys=(WITNESSES[0].key,)), Asked(url="https://down.example", keys=())]
    good = post(witness)

    def send(url: str, body: bytes) -> tuple[int, bytes]:
        if "down" in url:
            raise UnavailableError("nobody answers", code="E147")
        return good(url, body)

    result = ask_witnesses(Folder(folder), head(folder), asked, send)
    assert result.names == ("w.example/1",)
    assert result.missing == {"https://down.example": "nobody answers"}
    stranger = FileSigner("w.example/1", new_key(), clock=lambda: 1)
    for lie in (
        (200, b""),
        (200, b"nonsense\n"),
        (200, f"{stranger.sign(head(folder).text)}\n".encode()),
        (409, b"9\n"),
        (409, b"x"),
        (500, b"\xff\n"),
        (200, str(WITNESSES[0].sign(head(folder).text.replace("300", "301"))).encode()),
    ):
        result = ask_witnesses(Folder(folder), head(folder), asked[:1], partial(always, lie))
        assert (result.names, len(result.missing)) == ((), 1)
        assert result.note == head(folder)


def always(answer: tuple[int, bytes], _url: str, _body: bytes) -> tuple[int, bytes]:
    return answer


# --- trust policies -------------------------------------------------------------------------------------------------------


def policy(*lines: str) -> bytes:
    first = [f"# a policy\nlog {SIGNER.key} https://log.example", f"witness one {WITNESSES[0].key} https://w.example"]
    return "\n".join([*first, f"witness\ttwo  {WITNESSES[1].key}", *lines]).encode()


def test_a_trust_policy_says_who_must_have_signed(folder: Path, witness: Witness) -> None:
    only_one = Witness(WITNESSES[:1], {ORIGIN: [SIGNER.key]}, witness.memory)
    cosign(folder, asker(only_one))
    rules = {
        "group g any one two\nquorum g": "holds",
        "group g all one two\nquorum g": "fails",
        "group g 2 one two\nquorum g": "fails",
        "quorum one": "holds",
        "quorum two": "fails",
        "quorum none": "holds",
        "group a any one\ngroup b all a two\nquorum b": "fails",
        "group a any one\ngroup b any a two\nquorum b": "holds",
    }
    for rule, outcome in rules.items():
        assert verify(Folder(folder), read_trust_policy(policy(rule)).trust).outcome == outcome, rule
    assert read_trust_policy(policy("quorum none")).urls == {"w.example/1": "https://w.example"}


def test_a_key_of_another_name_is_no_log_of_a_trust_policy(tmp_path: Path) -> None:
    other = FileSigner("somebody.else", new_key())
    Log.create(tmp_path / "log", ORIGIN, [other]).close()
    trust = read_trust_policy(f"log {other.key}\nquorum none\n".encode()).trust
    assert verify(Folder(tmp_path / "log"), trust).outcome == "fails"


@pytest.mark.parametrize(
    "lines",
    [
        [], ["quorum x"], ["quorum none", "quorum none"], ["group g any"], ["group g 3 one two", "quorum g"],
        ["group g 0 one", "quorum g"], ["group g any one one", "quorum g"], ["group none any one", "quorum none"],
        ["group one any two", "quorum one"], ["group g any none", "quorum g"], ["nonsense", "quorum none"],
        ["group a any one", "group b any one", "quorum b"], [f"log {SIGNER.key}", "quorum none"],
        [f"log {WITNESSES[0].key}", "quorum none"], [f"witness three {LATER.key}", "quorum none"],
        ["log x+y+z", "quorum none"], ["quorum none\r"], ["group g any h", "group h any one", "quorum g"],
    ],
)  # fmt: skip
def test_what_is_no_trust_policy_is_refused(lines: list[str]) -> None:
    with pytest.raises(UntrustedInputError):
        read_trust_policy(policy(*lines))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_trust_policy_or_refused(data: bytes) -> None:
    with contextlib.suppress(UntrustedInputError):
        read_trust_policy(data)


# --- another key ----------------------------------------------------------------------------------------------------------


def test_another_key_is_entered_into_the_log_and_older_checkpoints_still_verify(folder: Path) -> None:
    kept = head(folder)
    rotate(folder, [SIGNER], LATER, time=400)
    both = head(folder)
    with Log.open(folder, [LATER]) as log:
        log.extend(entries(5, 401))
    for key in (SIGNER.key, LATER.key):
        result = verify(Folder(folder), Trust(log=(key,)), older=[both])
        assert result.outcome == "holds", result.checks
        assert any(check.name == "rotation" for check in result.checks)
    assert verify(Folder(folder), Trust(log=(SIGNER.key,)), older=[kept]).outcome == "holds"
    assert len(check_note(both, [SIGNER.key, LATER.key])) == 2


def test_L15_a_replaced_key_signs_no_more(folder: Path) -> None:
    rotate(folder, [SIGNER], LATER, time=400)
    with Log.open(folder, [SIGNER]) as log:  # the thief of the old key
        log.extend(entries(5, 401))
    assert verify(Folder(folder), Trust(log=(SIGNER.key,))).outcome == "fails"
    assert verify(Folder(folder), Trust(log=(LATER.key,))).outcome == "fails"


def test_L15_a_rotation_that_the_log_does_not_hold_is_found(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    rotate(tmp_path / "other", [SIGNER], LATER, time=400)
    (folder / "rotation").mkdir()
    shutil.copy(tmp_path / "other" / rotation_path(0), folder / rotation_path(0))
    assert verify(Folder(folder), Trust(log=(SIGNER.key,))).outcome == "fails"  # no such entry
    note = read_note((folder / rotation_path(0)).read_bytes())
    (folder / rotation_path(0)).write_bytes(str(Note(text=note.text, signatures=note.signatures[1:])).encode())
    assert verify(Folder(folder), Trust(log=(SIGNER.key,))).outcome == "holds"  # of no believed key: passed over
