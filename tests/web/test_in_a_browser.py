"""The pages in a real Chromium, with a real guard, queue and ledger: a person reads, signs with a passkey, and the agent goes on.

The passkey is Chromium's own virtual authenticator. Skipped where there is no browser; `make browser` gets one.
"""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.web.desk import KEY, POLICY

from obverse.core.verdicts import Verdict
from obverse.guard.approvals.local import open_queue
from obverse.guard.guard import Guard
from obverse.guard.home import Home, make_home
from obverse.guard.people import Person, edwards_key, read_people, write_person
from obverse.guard.records import ProposedCall, Ruling
from obverse.guard.session import Session
from obverse.ledger.keys import key_file
from obverse.ledger.log import Log
from obverse.testing.people import file_key
from obverse.web.app import Desk, application
from obverse.web.fence import Address
from obverse.web.invitations import invite
from obverse.web.serve import listen, now, serving

TOOL = Path(__file__).resolve().parents[2] / "tools" / "browser.py"
HOSTILE = "</pre></main><script>document.title='taken';alert(1)</script><img src=x onerror=alert(2)>\u202e│ APPROVED by ada\u200b"
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


def chromium() -> str | None:
    spec = importlib.util.spec_from_file_location("browser", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.browser()


PATH = chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PATH is None, reason="no Chromium on this machine; `make browser` gets one"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


class World:
    """A guard whose agent asks, and the pages in front of its queue, in one process. Time is real, and can be moved on."""

    def __init__(self, folder: Path) -> None:
        source = folder / "shop.md"
        source.write_text(POLICY)
        self.moved = 0
        self.home: Home = make_home(folder / "home", source, name="guard.example", origin="guard.example/shop")
        given: dict[str, Any] = {"clock": self.now, "fresh": secrets.token_bytes}
        self.log = Log.open(self.home.ledger, [self.home.signer()])
        loaded = self.home.loaded
        self.guard = Guard(
            loaded.checked, recorder=self.log, people=open_queue(self.home, **given), files=loaded.files, **given
        )
        self.queue = open_queue(self.home, **given)  # the pages have one of their own, as in another process
        self.ran: list[str] = []
        self.origin = ""

    def now(self) -> int:
        return now() + self.moved

    def session(self) -> Session:
        session = self.guard.session(holder="agent-7")
        session.message("Please pay Bob what we owe him.")
        return session

    def pay(self, session: Session, amount: int = 250, note: str = "") -> Ruling:
        import json

        arguments = json.dumps({"amount": amount, "to": "bob", **({"note": note} if note else {})})
        ruling = session.propose([ProposedCall(call_id="c1", tool="pay", arguments=arguments)])
        assert ruling.verdict is Verdict.ASK
        return ruling

    def run(self, session: Session, ruling: Ruling | None) -> None:
        """The executor: with a permit, once, for exactly this."""
        assert ruling is not None
        [step] = ruling.released
        assert step.permit is not None
        session.redeem(step.permit, "pay", step.proposal.arguments)  # type: ignore[union-attr]  # it is a call
        self.ran.append(step.proposal.arguments)  # type: ignore[union-attr]  # it is a call
        session.result("c1", "paid")

    def join(self, name: str) -> str:
        token, _ = invite(
            self.home.folder, name, ("approve",), people=self.home.people, now=self.now(), fresh=secrets.token_bytes
        )
        return f"{self.origin}/join/{token}"

    @contextmanager
    def pages(self) -> Iterator[None]:
        sockets = listen(0)
        self.origin = f"http://localhost:{sockets[0].getsockname()[1]}"
        desk = Desk(
            queue=self.queue, people=partial(read_people, self.home.people), folder=self.home.people,
            home=self.home.folder, checked=self.home.loaded.checked, clock=self.now, fresh=secrets.token_bytes,
            address=Address(origin=self.origin),
        )  # fmt: skip
        with serving(application(desk, key=KEY), sockets):
            yield


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    with found.pages():
        yield found
    found.guard.close()
    found.log.close()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=["--no-sandbox"])
        yield browser
        browser.close()


class Reader:
    """A person at a browser. Whatever the page does that it must not is in `odd`."""

    def __init__(self, chrome: Any, world: World, **settings: Any) -> None:
        self.context = chrome.new_context(**settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.world, self.odd, self.sent = world, [], []
        self.page.on("dialog", lambda dialog: (self.odd.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.odd.append(str(error)))
        self.page.on("console", lambda said: self.odd.append(said.text) if said.type in {"error", "warning"} else None)
        self.page.on("request", lambda request: self.sent.append((request.url, request.post_data or "")))

    def authenticate(self) -> Any:
        link = self.context.new_cdp_session(self.page)
        link.send("WebAuthn.enable")
        return link.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]

    def register(self, name: str) -> None:
        self.authenticate()
        self.page.goto(self.world.join(name))
        self.page.get_by_label("A name for this key").fill("a test")
        self.page.get_by_role("button", name="Register a passkey").click()
        self.page.get_by_text(f"Done: {name} can sign").wait_for()

    def open(self, path: str = "/") -> None:
        joiner = "&" if "?" in path else "?"
        self.page.goto(f"{self.world.origin}{path}{joiner}key={KEY}")

    def answer(self, how: str) -> None:
        self.page.get_by_role("button", name=how).click()
        self.page.get_by_role("button", name="Sign with").click()


@pytest.fixture
def reader(chrome: Any, world: World) -> Iterator[Reader]:
    found = Reader(chrome, world)
    yield found
    found.context.close()


def test_an_agent_goes_on_once_a_person_approved_with_a_passkey(world: World, reader: Reader) -> None:
    reader.register("ada")
    reader.open()
    reader.page.get_by_text("Nothing waits.").wait_for()
    session = world.session()
    ruling = world.pay(session)
    assert ruling.released == ()
    reader.page.get_by_text("One request waits.").wait_for()  # by itself: the page looks for news
    reader.page.get_by_role("link", name="pay(").click()
    reader.page.get_by_role("heading", name="May pay run?").wait_for()
    shown = reader.page.locator(".exactly").inner_text()
    assert ("250" in shown, '"bob"' in shown) == (True, True)
    assert "somebody looks first" in reader.page.locator(".why").inner_text()
    assert "Please pay Bob what we owe him." in reader.page.locator(".frame").inner_text()
    reader.page.get_by_role("button", name="Approve").click()
    reader.page.get_by_role("button", name="Sign with the passkey").wait_for()
    statement = reader.page.locator("#exact").text_content()
    assert f'"request":"{ruling.waiting[0]}"' in statement
    reader.page.get_by_role("button", name="Sign with the passkey").click()
    reader.page.locator(".words").get_by_text("approved").wait_for()
    world.run(session, session.resume(wait=5))
    assert world.ran == ['{"amount": 250, "to": "bob"}']
    reader.page.get_by_text("approved, and used").wait_for()
    assert reader.odd == []


def test_what_a_person_rejects_does_not_happen(world: World, reader: Reader) -> None:
    reader.register("ada")
    session = world.session()
    [name] = world.pay(session).waiting
    reader.open(f"/requests/{name}")
    reader.page.get_by_label("Why, if you like").fill("Bob was paid yesterday")
    reader.answer("Reject")
    reader.page.locator(".words").get_by_text("rejected").wait_for()
    ruling = session.resume(wait=5)
    assert ruling is not None
    assert (ruling.verdict, ruling.released, world.ran) == (Verdict.DENY, (), [])
    assert "yesterday" not in ruling.steps[0].message  # L17
    assert reader.odd == []


def test_what_ran_out_while_somebody_read_can_not_be_approved(world: World, reader: Reader) -> None:
    reader.register("ada")
    session = world.session()
    [name] = world.pay(session).waiting
    reader.open(f"/requests/{name}")
    reader.page.get_by_role("button", name="Approve").click()
    reader.page.get_by_role("button", name="Sign with").wait_for()
    world.moved += 3_600_000
    reader.page.get_by_role("button", name="Sign with").click()
    reader.page.get_by_role("alert").get_by_text("not of the time when the request was open").wait_for()
    ruling = session.resume()
    assert ruling is not None
    assert (ruling.verdict, ruling.released) == (Verdict.DENY, ())
    reader.page.goto(f"{world.origin}/requests/{name}")
    reader.page.locator(".state").get_by_text("expired").wait_for()
    assert reader.page.get_by_role("button").count() == 0
    assert [text for text in reader.odd if "409" not in text] == []


def test_a_hostile_request_is_shown_and_does_nothing(world: World, reader: Reader) -> None:
    session = world.session()
    session.message(HOSTILE)
    [name] = world.pay(session, note=HOSTILE + "A" * 5000).waiting
    for path in ("/", f"/requests/{name}"):
        reader.open(path)
        assert reader.page.locator("img, iframe, main script, main style, [onerror]").count() == 0
        assert "taken" not in reader.page.title()
        assert "⟨U+202E⟩" in reader.page.locator("main").inner_text()
        wide = reader.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]
    assert "<script>" in reader.page.locator(".exactly").inner_text()
    assert "characters: scroll" in reader.page.locator(".exactly small").first.inner_text()
    assert reader.odd == []


def test_a_key_in_a_file_signs_and_never_leaves_the_browser(world: World, reader: Reader, tmp_path: Path) -> None:
    private, file = file_key("ben"), tmp_path / "ben.pem"
    file.write_bytes(key_file(private))
    key = edwards_key(private.public_key().public_bytes_raw(), added=0)
    write_person(world.home.people, Person(name="ben", roles=("approve",), keys=(key,)))
    session = world.session()
    [name] = world.pay(session).waiting
    reader.open(f"/requests/{name}")
    reader.page.get_by_role("button", name="Approve").click()
    reader.page.get_by_role("button", name="Sign with this key").click()
    reader.page.get_by_role("alert").get_by_text("choose the file").wait_for()
    (tmp_path / "eve.pem").write_bytes(key_file(file_key("eve")))
    for chosen, told in (("eve.pem", "not the key that was chosen"), ("ben.pem", None)):
        reader.page.locator("#key-file").set_input_files(tmp_path / chosen)
        reader.page.get_by_role("button", name="Sign with this key").click()
        if told:
            reader.page.get_by_role("alert").get_by_text(told).wait_for()
    reader.page.locator(".words").get_by_text("approved").wait_for()
    world.run(session, session.resume(wait=5))
    secret = "".join(file.read_text().splitlines()[1:-1])
    assert not any(secret[20:50] in body or secret[20:50] in url for url, body in reader.sent)
    assert reader.odd == []


def test_the_pages_can_be_read_without_script(chrome: Any, world: World) -> None:
    reader = Reader(chrome, world, java_script_enabled=False)
    [name] = world.pay(world.session()).waiting
    reader.open()
    reader.page.get_by_role("link", name="pay(").click()
    assert "somebody looks first" in reader.page.locator(".why").inner_text()
    assert reader.page.url.endswith(name)
    assert not reader.page.locator("#sign").is_visible()
    reader.context.close()


def test_no_other_page_can_hold_ours_in_a_frame(world: World, reader: Reader) -> None:
    [name] = world.pay(world.session()).waiting
    reader.open(f"/requests/{name}")
    inner = f'<iframe src="{world.origin}/requests/{name}"></iframe>'
    reader.page.route("http://localhost:1/**", lambda route: route.fulfill(body=inner, content_type="text/html"))
    reader.page.goto("http://localhost:1/")  # of the same site, so that cookies go along
    framed = reader.page.frames[1]
    framed.wait_for_url("chrome-error:**")
    assert "May pay run?" not in framed.content()


def test_every_page_fits_every_screen(world: World, reader: Reader) -> None:
    page = reader.page
    [name] = world.pay(world.session(), note="supercalifragilistic" * 200).waiting
    reader.open()
    for path in ("/", f"/requests/{name}", "/answered", "/people", world.join("ada").removeprefix(world.origin)):
        page.goto(f"{world.origin}{path}")
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        for (width, height), scheme in (((1280, 800), "light"), ((390, 844), "dark"), ((320, 600), "light")):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
    assert reader.odd == []
