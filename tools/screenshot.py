"""Pictures of a report as a browser shows it, at phone and desktop width, light, dark and printed.

    python tools/screenshot.py runs/demo/report.html -o docs/images          needs Chromium; apt-get install chromium

It speaks the browser's debugging protocol through two pipes, so it needs no package. It fails when the page is wider than
the screen, asks for anything from outside, or complains.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
DESKTOP, PHONE = (1280, 800), (390, 844)
SHOTS = {
    "report": (DESKTOP, "light"),
    "report-dark": (DESKTOP, "dark"),
    "report-phone": (PHONE, "light"),
    "report-phone-dark": (PHONE, "dark"),
}


def browser() -> str | None:
    """The path of a Chromium, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A headless Chromium at the other end of two pipes."""

    def __init__(self, write: int, read: int) -> None:
        self.write, self.read, self.number, self.buffer = write, read, 0, b""
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, **parameters: Any) -> Any:
        """The answer to this command; what happened in the meantime goes to `events`."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def receive(self) -> dict[str, Any]:
        """The next message."""
        while b"\0" not in self.buffer:
            got = os.read(self.read, 1 << 20)
            if not got:
                raise RuntimeError("the browser went away")
            self.buffer += got
        message, self.buffer = self.buffer.split(b"\0", 1)
        received: dict[str, Any] = json.loads(message)
        return received

    def wait(self, method: str) -> None:
        """Until this event has come."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def value(self, expression: str) -> Any:
        """What this expression is worth on the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


@contextmanager
def opened(path: str) -> Iterator[Browser]:
    """A browser with one empty page."""
    to_read, write = os.pipe()
    read, to_write = os.pipe()

    def pipes() -> None:  # the browser reads file descriptor 3 and writes 4
        os.dup2(to_read, 13)
        os.dup2(to_write, 14)
        os.dup2(13, 3)
        os.dup2(14, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:  # its helpers may outlive it by a moment
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
            "--disable-dev-shm-usage", "--font-render-hinting=none", "--remote-debugging-pipe", f"--user-data-dir={profile}",
        ]  # fmt: skip
        process = subprocess.Popen(
            [path, *flags],
            preexec_fn=pipes,  # noqa: PLW1509  # this program has one thread
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        try:
            chrome = Browser(write, read)
            target = chrome.ask("Target.createTarget", url="about:blank")["targetId"]
            chrome.session = chrome.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                chrome.ask(f"{domain}.enable")
            yield chrome
        finally:
            os.close(write)
            process.kill()
            process.wait()
            os.close(read)


def show(chrome: Browser, page: Path, size: tuple[int, int], scheme: str, *, scale: float = 1) -> None:
    """The page, loaded at this size and in this colour scheme."""
    chrome.events.clear()
    width, height = size
    chrome.ask(
        "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600
    )
    chrome.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    chrome.ask("Page.navigate", url=page.resolve().as_uri())
    chrome.wait("Page.loadEventFired")


def faults(chrome: Browser, width: int) -> list[str]:
    """What is wrong with the shown page: too wide, asks for something, or the browser complains."""
    found = []
    wide = chrome.value("document.documentElement.scrollWidth")
    if wide > width:
        found.append(f"the page is {wide} pixels wide on a screen of {width}")
    for event in chrome.events:
        if event.get("method") == "Network.requestWillBeSent":
            url = event["params"]["request"]["url"]
            if not url.startswith("file:"):
                found.append(f"the page asks for {url[:100]}")
        if event.get("method") == "Log.entryAdded":
            found.append(f"the browser says: {event['params']['entry']['text'][:200]}")
    return found


def picture(chrome: Browser, *, whole: bool) -> bytes:
    """The page as a PNG: the first screen, or all of it."""
    options: dict[str, Any] = {}
    if whole:
        height = min(chrome.value("document.documentElement.scrollHeight"), 16_000)
        width = chrome.value("document.documentElement.clientWidth")
        options = {
            "captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        }  # fmt: skip
    return base64.b64decode(chrome.ask("Page.captureScreenshot", format="png", **options)["data"])


def main() -> int:
    """0 when all pictures were taken and no fault was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path())
    parser.add_argument("--whole", action="store_true", help="the whole page, not the first screen")
    parser.add_argument("--open", action="store_true", help="with every fold opened")
    parser.add_argument("--pdf", action="store_true", help="what a printer gets, as well")
    parser.add_argument("--name", default="report", help="what the files begin with")
    options = parser.parse_args()
    path = browser()
    if path is None:
        print("no Chromium on this machine; apt-get install chromium", file=sys.stderr)
        return 2
    wrong = 0
    with opened(path) as chrome:
        for name, (size, scheme) in SHOTS.items():
            show(chrome, options.page, size, scheme)
            for fault in faults(chrome, size[0]):
                wrong += 1
                print(f"{name}: {fault}", file=sys.stderr)
            if options.open:
                chrome.value("document.querySelectorAll('details').forEach(fold => fold.open = true)")
            file = options.output / f"{name.replace('report', options.name, 1)}.png"
            file.write_bytes(picture(chrome, whole=options.whole))
            print(f"{file}  {file.stat().st_size // 1000} kB")
        if options.pdf:
            data = chrome.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
            (options.output / f"{options.name}.pdf").write_bytes(base64.b64decode(data))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
