"""The pages as an application: each address calls one function of `guard` and shows what it gave.

No key lies here, and nothing here approves: what people sign is passed to the queue, which checks it, and the guard checks it again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from obverse.campaign.reviewers import reviews
from obverse.core.canon import digest
from obverse.core.errors import EvidenceError, MisuseError, ObverseError, UntrustedInputError
from obverse.guard.approvals.asked import Asked
from obverse.guard.approvals.page import moment
from obverse.guard.approvals.queue import Queue
from obverse.guard.approvals.sight import seen_line
from obverse.guard.approvals.statement import KIND, statement_of
from obverse.guard.people import Person
from obverse.guard.ports import Clock, Fresh
from obverse.guard.signing import PAYLOAD_TYPE, read_envelope, read_statement, statement_bytes
from obverse.policy.checked import Checked
from obverse.report.visible import one_line, visible
from obverse.report.wording import listed
from obverse.solver.preview import Preview
from obverse.web.asking import Ask, Shown, Tell
from obverse.web.fence import Address, Fence
from obverse.web.granting import grant_page, previewed_for
from obverse.web.invitations import accept, invited
from obverse.web.pages import answered_page, inbox_page, request_page, reviewers_page, signers
from obverse.web.passkeys import Ceremonies
from obverse.web.render import NavItem, Site, files, render
from obverse.web.views import JoinPage, Sorry

MOST: Final = 200
"""Requests on one page."""

_NO_KEY: Final = (
    "Open the address that the command printed on the terminal: it holds the key. It is another one after each start."
)
_LONGEST_LABEL: Final = 60
_LONGEST_WAIT: Final = 80  # looks, and so about twenty seconds
_LOOK: Final = 0.25
_MOST_PREVIEWS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the pages work on: the queue, who may sign (`folder` holds their keys), and where invitations lie (`home`). `checked` is the policy."""

    queue: Queue
    people: Callable[[], Mapping[str, Person]]
    folder: Path
    home: Path
    checked: Checked
    clock: Clock
    fresh: Fresh
    address: Address


def application(desk: Desk, *, key: str) -> ASGIApp:
    """The pages, behind the fence. `key` is the key to look, for the address that the terminal prints."""
    pages = Pages(desk)
    answers = {
        ("/", "GET"): pages.inbox,
        ("/inbox.json", "GET"): pages.inbox,
        ("/answered", "GET"): pages.answered,
        ("/answered.json", "GET"): pages.answered,
        ("/people", "GET"): pages.reviewers,
        ("/people.json", "GET"): pages.reviewers,
        ("/requests/{name}", "GET"): pages.request,
        ("/requests/{name}/grant", "GET"): pages.grant,
        ("/requests/{name}/grant.json", "GET"): pages.grant,
        ("/requests/{name}/statement", "GET"): pages.statement,
        ("/requests/{name}/answers", "POST"): pages.answer,
        ("/requests/{name}/views", "POST"): pages.view,
        ("/join/{token}", "GET"): pages.join,
        ("/join/{token}/options", "POST"): pages.options,
        ("/join/{token}", "POST"): pages.register,
    }
    told = [
        Route(path, Tell(to, pages.html, pages.sorry).__call__, methods=[how]) for (path, how), to in answers.items()
    ]
    nowhere = Route("/{rest:path}", Tell(_nowhere, pages.html, pages.sorry).__call__)
    app = Starlette(routes=[*told, Route("/changes", pages.changes), Route("/static/{name}", _static), nowhere])
    return Fence(
        app,
        address=desk.address,
        key=key,
        refused=lambda why: pages.html(pages.sorry(MisuseError(why, code="G630", hint=_NO_KEY))),
    )


class Pages:
    """One method for each address."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.ceremonies = Ceremonies(desk.address, clock=desk.clock, fresh=desk.fresh)
        self._lock = threading.Lock()
        self._solving = threading.Lock()
        self._previews: dict[tuple[str, tuple[str, ...], str | None], Preview] = {}

    # --- what is shown --------------------------------------------------------------------------------------------------

    def inbox(self, ask: Ask) -> Shown:
        """What waits."""
        waiting = self.desk.queue.waiting()
        said = {asked.request.id: self.desk.queue.said(asked.request.id) for asked in waiting[:MOST]}
        return Shown(template="inbox.html", view=inbox_page(waiting, said, self.desk.clock(), most=MOST), here="/")

    def answered(self, ask: Ask) -> Shown:
        """What was asked before."""
        past = self.desk.queue.past(MOST + 1)
        said = {asked.request.id: self.desk.queue.said(asked.request.id) for asked in past[:MOST]}
        view = answered_page(past[:MOST], said, self.desk.clock(), more=len(past) > MOST)
        return Shown(template="answered.html", view=view, here="/answered")

    def reviewers(self, ask: Ask) -> Shown:
        """Who may sign, and how they do."""
        view = reviewers_page(self.desk.people(), reviews(self.desk.queue.measured()), self.desk.clock())
        return Shown(template="people.html", view=view, here="/people")

    def request(self, ask: Ask) -> Shown:
        """One request."""
        asked, desk = self._asked(ask), self.desk
        said = desk.queue.said(asked.request.id)
        view = request_page(asked, said, desk.people(), origin=desk.address.origin, now=desk.clock())
        return Shown(template="request.html", view=view, about=asked.request.id)

    def grant(self, ask: Ask) -> Shown:
        """What a grant in place of an approval would newly allow."""
        asked = self._asked(ask)
        request = asked.request
        with self._solving:  # one at a time: it is work for a core
            known = (request.policy, request.clauses, request.tool)
            if known not in self._previews:
                self._previews[known] = previewed_for(asked, self.desk.checked)
                while len(self._previews) > _MOST_PREVIEWS:
                    self._previews.pop(next(iter(self._previews)))
            found = self._previews[known]
        return Shown(template="grant.html", view=grant_page(asked, found), about=request.id)

    # --- answering ------------------------------------------------------------------------------------------------------

    def statement(self, ask: Ask) -> dict[str, Any]:
        """The bytes that this person signs with this key, and what the browser needs for it."""
        asked, desk = self._asked(ask), self.desk
        now = desk.clock()
        by, key, answer = (ask.query.get(name, "") for name in ("by", "key", "answer"))
        able = signers(desk.people(), origin=desk.address.origin, now=now)
        if not any(one.name == by and one.id == key for one in able):
            raise MisuseError("nobody of this name can sign here with this key", code="G623")
        if answer not in {"approve", "reject"}:
            raise MisuseError("an answer is `approve` or `reject`", code="G623")
        owned = next(one for one in desk.people()[by].keys if one.id == key)
        said = statement_of(
            asked.request, asked.page.digest, answer="approve" if answer == "approve" else "reject", by=by, time=now,
            because=ask.query.get("because", ""),
        )  # fmt: skip
        return {
            "statement": statement_bytes(said).decode(), "type": PAYLOAD_TYPE, "key": key, "way": owned.kind,
            "credential": owned.credential, "rp": owned.rp_id,
        }  # fmt: skip

    def answer(self, ask: Ask) -> dict[str, Any]:
        """What was said, once the queue took it; only now, whether it was a test."""
        signed = read_envelope(ask.body)
        if read_statement(signed.payload, KIND).get("request") != ask.path["name"]:
            raise EvidenceError("the answer is to another request", code="G624")
        queue = self.desk.queue
        said = queue.submit(signed)
        why = queue.seeded(queue.find(said.request))
        seeded = None if why is None else seen_line(why, 400)
        return {"request": said.request, "by": said.by, "answer": said.answer, "seeded": seeded}

    def view(self, ask: Ask) -> dict[str, Any]:
        """Notes that somebody has this request before them, for the figures of reviewers."""
        by = ask.body.get("by") if isinstance(ask.body, dict) else None
        if not isinstance(by, str) or by not in self.desk.people():
            raise UntrustedInputError("nobody of this name", code="G623")
        self.desk.queue.view(self._asked(ask).request.id, by)
        return {"by": by}

    # --- joining --------------------------------------------------------------------------------------------------------

    def join(self, ask: Ask) -> Shown:
        """The page of an invitation."""
        token = ask.path["token"]
        found = invited(self.desk.home, token, now=self.desk.clock())
        roles, until = listed(found.roles), moment(found.expires)
        view = JoinPage(title=f"a passkey for {found.name}", name=found.name, roles=roles, until=until, token=token)
        return Shown(template="join.html", view=view, here="/join", fresh=False)

    def options(self, ask: Ask) -> dict[str, Any]:
        """What the browser asks an authenticator for."""
        token = ask.path["token"]
        found = invited(self.desk.home, token, now=self.desk.clock())
        person = self.desk.people().get(found.name) or Person(name=found.name, roles=found.roles)
        return self.ceremonies.options(token, person)

    def register(self, ask: Ask) -> dict[str, Any]:
        """The person with the key that was made, once it is written down; the invitation is used up."""
        token, now = ask.path["token"], self.desk.clock()
        invited(self.desk.home, token, now=now)
        match ask.body:
            case {"credential": dict(credential), "label": str(label)}:
                key = self.ceremonies.registered(token, credential, visible(label.strip())[:_LONGEST_LABEL])
            case _:
                raise UntrustedInputError("no passkey in what was sent", code="G612")
        with self._lock:
            person = accept(self.desk.home, token, key, people=self.desk.folder, now=now)
        return {"name": person.name, "key": key.id}

    # --- around them ----------------------------------------------------------------------------------------------------

    async def changes(self, request: Request) -> Response:
        """The present tag, as soon as it is another than the one that was seen; after a while in any case."""
        seen, tag = request.query_params.get("seen"), ""
        about = request.query_params.get("about", "")
        for _ in range(_LONGEST_WAIT):
            try:
                tag = await run_in_threadpool(self.tag, about)
            except ObverseError as error:
                return JSONResponse({"error": {"code": error.code, "message": error.message}}, status_code=503)
            if tag != seen or await request.is_disconnected():
                break
            await asyncio.sleep(_LOOK)
        return JSONResponse({"tag": tag})

    def tag(self, about: str) -> str:
        """Another one whenever a request came, was answered, closed or ran out; about one request, when that one did."""
        queue = self.desk.queue
        if not about:
            return digest(list(queue.pulse()))[-16:]
        asked = queue.find(about)
        said = [list(one) for one in queue.said(asked.request.id)]
        return digest([asked.closed, said, self.desk.clock() >= asked.request.expires])[-16:]

    def html(self, shown: Shown) -> str:
        """The page with what stands around it."""
        return render(shown.template, shown.view, self._site(shown))

    def sorry(self, error: ObverseError) -> Shown:
        """The page that says why there is none."""
        message = error.message[:1].upper() + error.message[1:]
        view = Sorry(title="not here", answer=one_line(message, 300), text=one_line(error.hint or "", 300))
        return Shown(template="sorry.html", view=view, here="/sorry", fresh=False)

    def _site(self, shown: Shown) -> Site:
        desk = self.desk
        if not shown.fresh:  # for who may have no key to look: no word of what waits
            return Site(policy="", now=desk.clock())
        waiting = desk.queue.pulse()[-1]
        nav = (
            ("Waiting", "/", f"{waiting}" if waiting else ""),
            ("Answered", "/answered", ""),
            ("People", "/people", ""),
        )
        return Site(
            policy=one_line(desk.checked.name),
            now=desk.clock(),
            tag=self.tag(shown.about),
            about=shown.about,
            nav=tuple(NavItem(name=name, path=path, here=path == shown.here, count=count) for name, path, count in nav),
        )

    def _asked(self, ask: Ask) -> Asked:
        """The request of exactly this id."""
        wrong = MisuseError("there is no such request", code="G620", hint="what waits stands on the first page")
        try:
            asked = self.desk.queue.find(ask.path["name"])
        except MisuseError as error:
            raise wrong from error
        if asked.request.id != ask.path["name"]:
            raise wrong
        return asked


def _nowhere(_: Ask) -> object:
    raise MisuseError("there is no such page", code="G620", hint="what waits stands on the first page")


def _static(request: Request) -> Response:
    found = files().get(request.path_params["name"])
    return Response(status_code=404) if found is None else Response(found[0], media_type=found[1])
