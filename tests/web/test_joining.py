"""Registering a passkey by an invitation: once, soon, in one person's name, from our own page."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from tests.web.desk import ORIGIN, Clock, Place

from obverse.core.errors import MisuseError
from obverse.guard.approvals.statement import statement_of
from obverse.guard.people import Person
from obverse.guard.signing import asserted, challenge
from obverse.testing.people import SoftPasskey, person
from obverse.web.invitations import FOLDER, LIFETIME, invite


def invitation(place: Place, name: str = "ada", roles: tuple[Any, ...] = ("approve",)) -> str:
    given = {"people": place.home.people, "now": place.clock(), "fresh": random.Random(3).randbytes}
    return invite(place.home.folder, name, roles, **given)[0]


def asked(place: Place, token: str) -> bytes:
    options = place.post(f"/join/{token}/options", {}).json
    text = options["challenge"]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def register(place: Place, token: str, key: SoftPasskey, **lies: Any) -> Any:
    made = key.registration(asked(place, token), **lies)
    return place.post(f"/join/{token}", {"credential": made, "label": "laptop"})


def test_an_invited_person_registers_a_passkey_and_approves_with_it(place: Place) -> None:
    key, token = SoftPasskey("ada", origin=ORIGIN), invitation(place)
    page = place.ask(f"/join/{token}", headers={"cookie": ""})  # who is invited has no key to look
    assert page.status == 200
    assert "A passkey for" in page.text
    got = register(place, token, key)
    assert got.status == 200
    [kept] = place.queue_people()["ada"].keys
    assert (kept.id, kept.label, kept.rp_id, kept.origins) == (got.json["key"], "laptop", "localhost", (ORIGIN,))
    request = place.put()
    page_digest = place.queue.find(request.id).page.digest
    said = statement_of(request, page_digest, answer="approve", by="ada", time=place.clock())
    signed = asserted(said, kept, key.assertion(challenge(said)))
    assert place.post(f"/requests/{request.id}/answers", signed.envelope).status == 200
    assert [one.by for one in place.queue.answers(request.id)] == ["ada"]


def test_an_invitation_is_good_once(place: Place) -> None:
    token = invitation(place)
    assert register(place, token, SoftPasskey("one", origin=ORIGIN)).status == 200
    assert place.post(f"/join/{token}/options", {}).status == 404
    assert place.ask(f"/join/{token}").status == 404
    assert len(place.queue_people()["ada"].keys) == 1


def test_an_invitation_is_good_for_a_day(place: Place, clock: Clock) -> None:
    token = invitation(place)
    clock.move(LIFETIME / 1000)
    assert place.ask(f"/join/{token}").status == 404
    assert place.post(f"/join/{token}/options", {}).json["error"]["code"] == "G611"


def test_a_token_is_not_on_the_disk(place: Place) -> None:
    token = invitation(place)
    files = [path for path in (place.home.folder / FOLDER).rglob("*") if path.is_file()]
    assert files
    assert not any(token in path.name or token in path.read_text() for path in files)


def test_somebody_who_is_there_keeps_their_roles_and_other_keys(place: Place) -> None:
    place.add(person("ada", roles=("approve",)))
    token = invitation(place, roles=("approve", "grant", "stop"))
    assert register(place, token, SoftPasskey("second", origin=ORIGIN)).status == 200
    ada = place.queue_people()["ada"]
    assert ada.roles == ("approve",)
    assert [key.kind for key in ada.keys] == ["ed25519", "webauthn"]


def test_nobody_registers_the_key_of_somebody_else(place: Place) -> None:
    key = SoftPasskey("one", origin=ORIGIN)
    place.add(Person(name="ben", roles=("approve",), keys=(key.public(),)))
    got = register(place, invitation(place), key)
    assert (got.status, got.json["error"]["code"]) == (400, "G202")
    assert "ada" not in place.queue_people()


def test_a_removed_name_is_not_used_again(place: Place) -> None:
    place.add(Person(name="ada", roles=("approve",), removed=1))
    with pytest.raises(MisuseError, match="was removed"):
        invitation(place)


LIES: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "http://localhost:9999"},
    "another site": {"origin": "https://evil.example"},
    "another relying party": {"rp_id": "evil.example"},
    "nobody verified": {"verified": False},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_registration_that_lies_leaves_no_key(place: Place, lie: dict[str, Any]) -> None:
    token = invitation(place)
    got = register(place, token, SoftPasskey("ada", origin=ORIGIN), **lie)
    assert (got.status, got.json["error"]["code"]) == (409, "G612")
    assert place.queue_people() == {}
    assert register(place, token, SoftPasskey("ada", origin=ORIGIN)).status == 200  # the invitation is still good


def test_a_challenge_is_good_once_and_for_minutes(place: Place, clock: Clock) -> None:
    token, key = invitation(place), SoftPasskey("ada", origin=ORIGIN)
    made = key.registration(asked(place, token))
    clock.move(301)
    assert place.post(f"/join/{token}", {"credential": made, "label": ""}).json["error"]["code"] == "G612"
    other = key.registration(asked(place, token), verified=False)
    assert place.post(f"/join/{token}", {"credential": other, "label": ""}).json["error"]["code"] == "G612"
    right = key.registration(base64.urlsafe_b64decode("AAAA"))
    assert place.post(f"/join/{token}", {"credential": right, "label": ""}).json["error"]["code"] == "G612"


NONSENSE = [
    None,
    [],
    {},
    {"credential": 1, "label": "x"},
    {"credential": {}, "label": ""},
    {"credential": {"id": []}, "label": "x"},
]


@pytest.mark.parametrize("body", NONSENSE)
def test_nonsense_is_refused_in_one_line(place: Place, body: object) -> None:
    token = invitation(place)
    place.post(f"/join/{token}/options", {})
    got = place.post(f"/join/{token}", body)
    assert (got.status in {400, 409}, got.json["error"]["code"]) == (True, "G612")
