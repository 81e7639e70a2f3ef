"""An agent under a guard: let through, asked about, approved, rejected, denied, stopped; then the evidence, verified by a stranger.

    python examples/guarded-shop/demo.py FOLDER [--model TARGET]

FOLDER is made. The model is real, small and on this machine (`local:qwen-coder-0.5b`); `--model scripted` takes a list of calls in its place. The
reviewer is another process with a key of her own, at a terminal: `obverse approve` and `obverse reject` are run for her.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from agent import Agent
from shop import Shop

from obverse.core.chat import ChatMessage, Completion, ToolCall
from obverse.guard.home import open_home
from obverse.guard.local import open_guard
from obverse.guard.records import Ruling

HERE = Path(__file__).parent
ASKED = (
    ("Look up order A-1001.", "find_order", '{"order": "A-1001"}', None),
    ("Refund 40 for order A-1001.", "refund", '{"order": "A-1001", "amount": 40}', None),
    ("Refund 400 for order A-1001, it never came.", "refund", '{"order": "A-1001", "amount": 400}', "approve"),
    ("Refund 60 more for order A-1001.", "refund", '{"order": "A-1001", "amount": 60}', "reject"),
    ("Close the account of customer anna.", "close_account", '{"customer": "anna"}', None),
    ("Look up order A-1002.", "find_order", '{"order": "A-1002"}', None),
)
"""What the customer asks, what a model should make of it, and what the reviewer will say if she is asked."""


class Scripted:
    """In the place of a model: the calls of the list, in order."""

    def __init__(self) -> None:
        self.calls = [
            ToolCall(id=f"s{place}", name=tool, arguments=given) for place, (_, tool, given, _) in enumerate(ASKED)
        ]

    async def complete(self, messages: list[ChatMessage], **_: Any) -> Completion:
        return Completion(text="", tool_calls=(self.calls.pop(0),))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="local:qwen-coder-0.5b")
    options = parser.parse_args()
    home, keys = options.folder / "guard", options.folder / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    title("A guard for the desk of a shop")
    public = run("guard", "init", home, "--policy", HERE / "policy.md").splitlines()[-1]
    run("reviewer", "key", keys / "ada.pem", into=keys / "ada.pub")
    run("reviewer", "add", home, "ada", "--key", keys / "ada.pub")
    shop = Shop()
    talk(home, keys / "ada.pem", model(options.model), shop)
    title("What really happened in the shop")
    for line in shop.done:
        print(f"  {line}")
    return evidence(home, options.folder / "bundle.zip", public)


def model(name: str) -> Any:
    """The model, ready to be asked."""
    if name == "scripted":
        return Scripted()
    from obverse.targets.open import open_target

    return open_target(name)


def talk(home: Path, key: Path, target: Any, shop: Shop) -> None:
    """The customer's requests, one after the other, in one session."""
    guard = open_guard(open_home(home))
    try:
        session = guard.session(holder="desk")
        agent = Agent(target, session, shop, told)
        for request, _, _, answer in ASKED:
            title(f"customer: {request}")
            reviewer = threading.Thread(target=review, args=(home, key, answer)) if answer else None
            if reviewer:
                reviewer.start()
            agent.answer(request, wait=60)
            if reviewer:
                reviewer.join()
    finally:
        guard.close()


def told(call: ToolCall, ruling: Ruling) -> None:
    """What the guard says to a call."""
    step = ruling.steps[0]
    print(f"  agent:    {call.name} {call.arguments}")
    print(f"  guard:    {ruling.verdict.value.upper()}{': ' + step.message if step.message else ''}")


def review(home: Path, key: Path, answer: str) -> None:
    """The reviewer: waits for a request, reads it, answers it with her key."""
    for _ in range(240):
        waiting = json.loads(run("inbox", home, "--as", "ada", "--json", quiet=True))["waiting"]
        if waiting:
            break
        time.sleep(0.25)
    else:
        return
    name = waiting[0]["id"]
    page = json.loads(run("inbox", home, name, "--as", "ada", "--json", quiet=True))
    print(f"  reviewer: {answer}s {waiting[0]['tool']} with a signature over {page['statement']['page'][:23]}…")
    run(answer, home, name, "--key", key, "--as", "ada", "--yes", "--digest", page["statement"]["page"], quiet=True)


def evidence(home: Path, bundle: Path, public: str) -> int:
    """The log as one file, verified by who has that file and the public keys; then with one bit changed."""
    title("The evidence, verified by a stranger")
    run("ledger", "bundle", home / "ledger", "-o", bundle)
    print(run("ledger", "verify", bundle, "--key", public, "--people", home / "people"))
    data = bytearray(bundle.read_bytes())
    data[len(data) // 3] ^= 1
    forged = bundle.with_name("forged.zip")
    forged.write_bytes(data)
    title("The same with one bit flipped")
    print(run("ledger", "verify", forged, "--key", public, code=5))
    return 0


def run(*words: Any, quiet: bool = False, into: Path | None = None, code: int = 0) -> str:
    """One command of `obverse`, as a person would type it."""
    if not quiet:
        print(f"  $ obverse {' '.join(map(str, words))}")
    done = subprocess.run(
        [sys.executable, "-m", "obverse.cli", *map(str, words)], capture_output=True, text=True, check=False
    )
    if done.returncode != code:
        raise SystemExit(
            f"obverse {' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    if into is not None:
        into.write_text(done.stdout)
    return done.stdout if done.stdout.strip() or not code else done.stderr


def title(text: str) -> None:
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
