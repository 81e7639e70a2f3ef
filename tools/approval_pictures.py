"""Pictures of the pages for approvals as a browser shows them, with a request that a shop's agent might make.

    python tools/approval_pictures.py -o docs/images          needs Chromium (`make browser`) and playwright

It fails when a page is wider than its screen, or makes the browser complain.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from browser import browser
from playwright.sync_api import sync_playwright

from obverse.core.events import AnyEvent, Call, Message, Reply, Result
from obverse.guard.approvals.local import open_queue
from obverse.guard.approvals.queue import Queue
from obverse.guard.approving import shown_arguments
from obverse.guard.home import Home, make_home
from obverse.guard.people import read_people, write_person
from obverse.guard.records import Request
from obverse.policy.decide import call_digest
from obverse.testing.people import person
from obverse.web.app import Desk, application
from obverse.web.fence import Address
from obverse.web.serve import listen, now, serving

POLICY = """\
---
policy: harbour-air-agent
version: 3
---
# Harbour Air service agent

```terms
tool get_reservation(id: text)
tool issue_certificate(user: text, amount: number, note: text optional) effect money
tool close_account(user: text) effect write
```

## Certificates need a person above 100 {#cert.large}

A certificate is as good as cash. Above **100** somebody from the service desk looks at the reservation first, and at what the
customer was promised:

- was there a delay or a cancellation of ours?
- has the customer had a certificate for it already?

```rule
ask issue_certificate when amount > 100
```

## Two people close an account {#account.close}

```rule
ask close_account by 2 people
```
"""
KEY = "look"
SHOTS = {
    "approvals": ("/", (1280, 620), "light"),
    "approval": ("request", (1280, 1180), "light"),
    "approval-phone-dark": ("request", (390, 844), "dark"),
}


def history(time: int) -> list[AnyEvent]:
    """What led there."""
    wish = "My flight HA 210 was cancelled and I had to sleep in a hotel. Can I have 250 for the room and the dinner?"
    found = '{"id": "K7Q2ZD", "flight": "HA 210", "status": "cancelled", "paid": 312.40}'
    return [
        Message(id="e1", time=time - 90_000, text=wish),
        Call(id="e2", time=time - 80_000, call_id="a", tool="get_reservation", arguments='{"id": "K7Q2ZD"}'),
        Result(id="e3", time=time - 79_000, call_id="a", tool="get_reservation", output=found),
        Reply(id="e4", time=time - 60_000, text="I am sorry about that night. Let me ask a colleague."),
    ]


def put(home: Home, queue: Queue, tool: str, arguments: str, clause: str, **given: Any) -> str:
    """The id of a request in the queue."""
    call = Call(id="e5", call_id="c", tool=tool, arguments=arguments)
    request = Request(
        id=f"{len(queue.waiting()):032x}", session="s-4711", policy=home.loaded.checked.digest, head="sha256:" + "0" * 64,
        step="e5", tool=tool, arguments=shown_arguments(call), digest=call_digest(call), clauses=(clause,),
        people=given.get("people", 1), asked=now() - 40_000, expires=now() + given["left"],
    )  # fmt: skip
    why = [{"clause": clause, "verdict": "ask", "conditions": given.get("conditions", []), "unknowns": []}]
    beside = [msgspec.to_builtins(event) for event in history(now())]
    queue.ask(request, {"holder": "agent-7", "why": why, "turn": [], "history": beside})
    return request.id


def pictures(folder: Path, output: Path) -> list[str]:
    """What is wrong with the pages, after a picture of each."""
    (folder / "policy.md").write_text(POLICY)
    home = make_home(folder / "home", folder / "policy.md", name="guard.example", origin="guard.example/air")
    write_person(home.people, person("ada"))
    fresh = Random(7).randbytes
    queue = open_queue(home, clock=now, fresh=fresh)
    asks = [{"text": "amount > 100", "value": "true"}]
    arguments = '{"user": "emma.kim", "amount": 250, "note": "hotel and dinner, flight HA 210"}'
    shown = put(home, queue, "issue_certificate", arguments, "cert.large", left=431_000, conditions=asks)
    put(home, queue, "close_account", '{"user": "j.doe"}', "account.close", left=48_000, people=2)
    sockets = listen(0)
    address = Address(origin=f"http://localhost:{sockets[0].getsockname()[1]}")
    desk = Desk(
        queue=queue, people=partial(read_people, home.people), folder=home.people, home=home.folder,
        checked=home.loaded.checked, clock=now, fresh=fresh, address=address,
    )  # fmt: skip
    with serving(application(desk, key=KEY), sockets), sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox", "--hide-scrollbars"])
        wrong: list[str] = []
        for name, (path, (width, height), scheme) in SHOTS.items():
            context = chrome.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            page.on("console", lambda said: wrong.append(f"the browser says: {said.text[:200]}"))
            page.goto(f"{address.origin}{f'/requests/{shown}' if path == 'request' else path}?key={KEY}")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append(f"{name} is wider than {width} pixels")
            page.screenshot(path=output / f"{name}.png")
            context.close()
        chrome.close()
    return wrong


def main() -> int:
    """0 when all pictures were taken and no fault was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path())
    output = parser.parse_args().output
    if browser() is None:
        print("no Chromium on this machine; `make browser` gets one", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        wrong = pictures(Path(folder), output)
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
