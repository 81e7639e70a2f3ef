"""`obverse draft`: from a policy in prose to rules, by several formalisations, questions, and a person who accepts."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, note, print_json, say, when_interrupted
from obverse.core.errors import MisuseError, UntrustedInputError

if TYPE_CHECKING:
    from obverse.draft.model import Prompt
    from obverse.draft.state import State
    from obverse.draft.terms import Ground
    from obverse.draft.work import Design, Drafting, Progress
    from obverse.targets.protocol import Target

_SOME = Finite(min=0, min_open=True)
_COUNT = click.IntRange(min=1, max=100)
_EVERY_S: Final = 2.0  # between two writings of the state


@click.command()
@click.argument("prose", type=click.Path(path_type=Path))
@click.option("--model", "spec", help="What drafts: openai:MODEL, anthropic:MODEL, local:NAME, python:MODULE:CALLABLE.")
@click.option("--second-model", "second", help="Another one, which writes every other draft.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The policy; by default PROSE.policy.md.")
@click.option(
    "--terms",
    type=click.Path(path_type=Path),
    help="What rules may speak of: a policy, lines of terms, or a tool list (OpenAI, JSON Schema, MCP).",
)
@click.option("--drafts", type=_COUNT, default=5, show_default=True, help="Formalisations of each statement.")
@click.option("--refine", is_flag=True, help="Let the model cut compound statements, word for word.")
@click.option(
    "--confirm",
    type=click.IntRange(min=0, max=20),
    default=0,
    help="Ask so many questions also where all drafts agree.",
)
@click.option("--retry", is_flag=True, help="Ask again for drafts that could not be read.")
@click.option("--answer", "answers", multiple=True, metavar="ID=yes|no|ask", help="Answer an open question.")
@click.option(
    "--accept", "accepted", multiple=True, metavar="ID|all", help="Accept what its drafts agree on; ID:N, draft N."
)
@click.option("--drop", "dropped", multiple=True, metavar="ID", help="Accept it no longer.")
@click.option(
    "--kind", "kinds", multiple=True, metavar="ID=KIND", help="What a statement is: normative, definition, background."
)
@click.option("--by", help="Who answers and accepts.")
@click.option("--base-url", help="Where an openai: or anthropic: endpoint is, such as http://localhost:8000/v1.")
@click.option("--api-key-env", help="The environment variable that holds the key; by default that of the SDK.")
@click.option("--temperature", type=Finite(min=0), default=0.7, show_default=True, help="Of all drafts but the first.")
@click.option("--concurrency", type=_COUNT, default=4, show_default=True, help="Calls under way at once.")
@click.option("--timeout", type=_SOME, default=120.0, show_default=True, help="Seconds for one call.")
@click.option("--attempts", type=_COUNT, default=3, show_default=True, help="How often a call that failed is tried.")
@json_option
def draft(prose: Path, **given: Any) -> ExitCode:
    """Draft rules for the policy in PROSE with a model; nothing is accepted but by a person, with --accept and --by.

    Without --model nothing is asked: what is there is split, settled and shown. What is done is kept in a state file beside the
    policy; the same command goes on where it stopped, and after an edit asks only about what changed. Exit codes: 0 nothing
    waits for anyone, 4 questions are open or statements wait to be drafted or accepted.
    """
    from obverse.cli.drafted import lines, summary
    from obverse.draft.document import document
    from obverse.draft.split import read_prose
    from obverse.draft.state import State

    text = read_prose(_bytes(prose), source=str(prose))
    output, beside = _places(prose, given)
    state = _state(beside) or State()
    _unedited(output, state)
    keeper = _Keeper(beside)
    drafting = _drafting(state, given, keeper)
    stopped = False
    try:
        drafting.take_up(text, source=prose.name, ground=_ground(given["terms"]))
        drafting.state = _decided(drafting.state, given)
        with when_interrupted("what was finished is kept; the same command goes on"):
            drafting.settle()
            if given["spec"]:
                stopped = asyncio.run(_go(drafting, text))
                drafting.settle()
        for name in given["accepted"]:
            drafting.state = _accepted(drafting.state, name, given)
        written = document(drafting.state, name=_name(output))
        drafting.state = _write(output, written, drafting.state)
    finally:
        keeper.flush(drafting.state)
    found = summary(drafting.state, output, beside)
    if given["as_json"]:
        print_json(found)
    else:
        for line in lines(drafting.state, output, beside):
            say(line)
    return ExitCode.INTERRUPTED if stopped else ExitCode.UNDECIDED if found["waiting"] else ExitCode.HOLDS


# --- files --------------------------------------------------------------------------------------------------------------


def _places(prose: Path, given: dict[str, Any]) -> tuple[Path, Path]:
    """The policy and the state beside it."""
    output = given["output"] or prose.with_name(f"{prose.stem}.policy.md")
    if output.resolve() == prose.resolve():
        raise MisuseError(f"`{output}` is the prose itself", code="F109", hint="name another file with `-o`")
    return output, output.with_name(f"{output.stem}.draft.json")


def _bytes(path: Path) -> bytes:
    from obverse.draft.split import LARGEST

    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise MisuseError(f"`{path}` is {kind}", code="U004", hint="name the file itself")
    if path.stat().st_size > LARGEST:
        raise UntrustedInputError(
            f"the prose is larger than {LARGEST:,} bytes", code="F101", source=str(path), hint="draft it part by part"
        )
    return path.read_bytes()


def _state(beside: Path) -> State | None:
    from obverse.draft.state import read_state

    return read_state(beside.read_bytes(), source=str(beside)) if beside.exists() else None


def _unedited(output: Path, state: State) -> None:
    """A document that is not as we wrote it is somebody's work."""
    from obverse.core.canon import digest_bytes

    if output.exists() and digest_bytes(output.read_bytes()) != state.written:
        raise MisuseError(
            f"`{output}` is not as it was written last", code="F111",
            hint="somebody edited it: move it away, or name another file with `-o`",
        )  # fmt: skip


def _write(output: Path, text: str, state: State) -> State:
    from obverse.core.canon import digest_bytes
    from obverse.core.files import write_whole

    data = text.encode()
    write_whole(output, data)
    return msgspec.structs.replace(state, written=digest_bytes(data))


def _ground(path: Path | None) -> Ground | None:
    """What rules may speak of, by what the file holds; None where none is named: what was given before stands."""
    from obverse.cli.load import load
    from obverse.draft.terms import ground_of, ground_of_text, ground_of_tools
    from obverse.policy.tools import read_tools

    if path is None:
        return None
    data = _bytes(path)
    first = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:3]
    if first[:1] in (b"{", b"["):
        return ground_of_tools(read_tools(data, source=str(path)))
    if first == b"---":
        return ground_of(load(path))
    try:
        return ground_of_text(data.decode("utf-8-sig"), source=str(path))
    except UnicodeDecodeError as error:
        raise UntrustedInputError("the terms are not UTF-8 text", code="F104", source=str(path)) from error


def _name(output: Path) -> str:
    return re.sub(r"[^\w.-]+", "-", output.name.removesuffix(".md").removesuffix(".policy")) or "policy"


class _Keeper:
    """Writes the state now and then while work goes on, and at its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = time.monotonic()

    def keep(self, state: State) -> None:
        if time.monotonic() - self.last >= _EVERY_S:
            self.flush(state)

    def flush(self, state: State) -> None:
        from obverse.core.files import write_whole
        from obverse.draft.state import write_state

        if state.prose:
            write_whole(self.path, write_state(state))
        self.last = time.monotonic()


# --- what a person says -------------------------------------------------------------------------------------------------


def _decided(state: State, given: dict[str, Any]) -> State:
    from obverse.draft.accept import answer, drop, overrule

    for one in given["kinds"]:
        name, kind = _pair(one, "--kind")
        if kind not in {"normative", "definition", "background"}:
            raise click.UsageError(f"`{kind}` is not one of normative, definition, background")
        state = overrule(state, name, kind)  # type: ignore[arg-type]  # just tested
    for name in given["dropped"]:
        _who(given)
        state = drop(state, name)
    for one in given["answers"]:
        name, says = _pair(one, "--answer")
        state = answer(state, name, says, by=_who(given), on=_today())
    return state


def _accepted(state: State, name: str, given: dict[str, Any]) -> State:
    from obverse.draft.accept import accept

    return accept(state, name, by=_who(given), on=_today())


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise click.UsageError(f"{option} takes ID=VALUE, not `{text}`")
    return name, value


def _who(given: dict[str, Any]) -> str:
    if not given["by"]:
        raise click.UsageError("say who answers or accepts with --by NAME")
    return str(given["by"])


def _today() -> str:
    return dt.datetime.now(tz=dt.UTC).date().isoformat()


# --- the model ----------------------------------------------------------------------------------------------------------


class _Asked:
    """A target as a model that drafts: retries what may pass, within the attempts."""

    def __init__(self, target: Target, attempts: int) -> None:
        self.target, self.attempts = target, attempts
        self.identity = target.fingerprint()

    async def complete(self, prompt: Prompt) -> str:
        from obverse.core.chat import ChatMessage, Sampling
        from obverse.targets.protocol import TargetError

        messages = (ChatMessage(role="system", content=prompt.system), ChatMessage(role="user", content=prompt.user))
        sampling = Sampling(temperature=prompt.temperature, max_tokens=prompt.max_tokens, seed=prompt.seed)
        for attempt in range(self.attempts - 1):
            try:
                return (await self.target.complete(messages, sampling=sampling)).text
            except TargetError as error:
                if not error.is_retryable:
                    raise
                await asyncio.sleep(min(error.retry_after_s or 2.0**attempt, 30.0))
        return (await self.target.complete(messages, sampling=sampling)).text


def _drafting(state: State, given: dict[str, Any], keeper: _Keeper) -> Drafting:
    from obverse.draft.work import Drafting

    specs = [spec for spec in (given["spec"], given["second"]) if spec]
    if given["second"] and not given["spec"]:
        raise click.UsageError("--second-model goes with --model")
    models = [_Asked(_target(spec, given), given["attempts"]) for spec in specs]
    return Drafting(state, models, _design(given), keep=keeper.keep, tell=_Told().tell)


def _design(given: dict[str, Any]) -> Design:
    from obverse.draft.work import Design

    names = ("drafts", "temperature", "concurrency", "refine", "confirm", "retry")
    return Design(**{name: given[name] for name in names})


def _target(spec: str, given: dict[str, Any]) -> Target:
    from obverse.targets.open import open_target
    from obverse.targets.protocol import Connection

    name = given["api_key_env"]
    if name is not None and name not in os.environ:
        raise click.UsageError(f"the environment has no `{name}`")
    default = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}.get(spec.partition(":")[0], "")
    connection = Connection(
        base_url=given["base_url"],
        api_key=os.environ.get(name or default),
        timeout_s=given["timeout"],
        concurrency=given["concurrency"],
        python_path=(str(Path.cwd()),),
    )
    return open_target(spec, connection)


async def _go(drafting: Drafting, text: str) -> bool:
    """Whether it was interrupted: the first Ctrl-C ends the work in order."""
    stopped = False

    def interrupt() -> None:
        nonlocal stopped
        stopped = True
        drafting.stop()
        note("\nstopping: waiting for what is under way (Ctrl-C again to leave at once)")
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
    try:
        await drafting.run(text)
    finally:
        for model in drafting.models:
            if isinstance(model, _Asked):
                await model.target.close()
    return stopped


class _Told:
    """Rate and time left on stderr, a line every ten seconds."""

    def __init__(self) -> None:
        self.stage = ""
        self.began = self.last = time.monotonic()

    def tell(self, now: Progress) -> None:
        moment = time.monotonic()
        if now.stage != self.stage:
            self.stage, self.began, self.last = now.stage, moment, moment
        if moment - self.last < 10 or not now.done:
            return
        self.last = moment
        rate = now.done / (moment - self.began)
        left = (now.total - now.done) / rate
        note(f"{now.stage}: {now.done:,}/{now.total:,}, {rate:,.1f}/s, about {left:,.0f} s left, {now.calls:,} calls")
