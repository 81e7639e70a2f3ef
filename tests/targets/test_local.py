"""The embedded model itself: fetched once into the user's cache, loaded, asked, interrupted, closed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolSpec
from obverse.core.errors import EvidenceError, MisuseError, UnavailableError
from obverse.targets import catalogue, catalogue_fetch
from obverse.targets.local import LocalModel, usable_cores
from obverse.targets.local_settings import LocalSettings
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection, Target, TargetError

pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")

SYSTEM = ChatMessage(role="system", content="You are the support agent of a small shop. Be brief.")
ASKED = ("Hello!", "I want my money back.", "Where is my parcel?", "Tell me a joke.", "Who are you?", "Bye.")
CACHE = catalogue.cache_folder(os.environ)
TWO = LocalSettings(engines=2, cores=2, context=2048)


def chat(text: str) -> list[ChatMessage]:
    return [SYSTEM, ChatMessage(role="user", content=text)]


@pytest.fixture(scope="session")
def smollm() -> str:
    """The name of the embedded model, which is there."""
    try:
        catalogue_fetch.fetch(catalogue.find("smollm2-135m"), cache=CACHE, environ=os.environ)
    except (UnavailableError, EvidenceError) as error:
        pytest.skip(f"the embedded model cannot be fetched: {error}")
    return "smollm2-135m"


@pytest.fixture
async def model(smollm: str) -> AsyncIterator[LocalModel]:
    model = LocalModel(smollm, Connection(), TWO)
    yield model
    await model.close()


async def texts(model: Target, asked: Sequence[str], sampling: Sampling) -> list[str]:
    answers = await asyncio.gather(*(model.complete(chat(text), sampling=sampling) for text in asked))
    return [answer.text for answer in answers]


async def test_it_answers_and_counts_its_tokens(model: LocalModel, capfd: pytest.CaptureFixture[str]) -> None:
    answer = await model.complete(chat("Hello!"), sampling=Sampling(max_tokens=8))
    assert answer.text
    assert answer.stop == "length"
    assert answer.usage.completion_tokens == 8
    assert (answer.usage.prompt_tokens or 0) > 20
    assert capfd.readouterr() == ("", "")


async def test_a_greedy_answer_does_not_depend_on_what_else_is_asked_or_was(model: LocalModel) -> None:
    greedy = Sampling(max_tokens=16)
    alone = [(await texts(model, [text], greedy))[0] for text in ASKED]
    together = await texts(model, ASKED, greedy)
    backwards = await texts(model, ASKED[::-1], greedy)
    assert alone == together == backwards[::-1]
    assert len(set(alone)) > 3


async def test_a_seed_repeats_a_sampled_answer_and_another_seed_gives_another(model: LocalModel) -> None:
    seeds = [Sampling(temperature=1.0, max_tokens=16, seed=seed) for seed in (1, 2, 1, 2, 2**32 - 1, 2**32 - 1)]
    answers = await asyncio.gather(*(model.complete(chat("Tell me a story."), sampling=seed) for seed in seeds))
    one, two, *again, largest, largest_again = [answer.text for answer in answers]
    assert [one, two] == again
    assert one != two
    assert largest == largest_again


async def test_a_conversation_without_a_system_message_repeats_too(model: LocalModel) -> None:
    ask = [ChatMessage(role="user", content="Hello!")]
    first, other, again = [
        await model.complete(messages, sampling=Sampling(max_tokens=12)) for messages in (ask, chat("Bye."), ask)
    ]
    assert first.text == again.text != other.text


async def test_a_conversation_that_is_too_long_is_refused_with_its_length(model: LocalModel) -> None:
    with pytest.raises(TargetError, match=r"tokens, the context of `local:smollm2-135m` 2048") as raised:
        await model.complete(chat("word " * 4000))
    assert raised.value.kind == "bad-request"


async def test_an_interrupted_call_ends_at_once_and_the_next_one_is_answered(model: LocalModel) -> None:
    before = await model.complete(chat("Hello!"), sampling=Sampling(max_tokens=8))
    asked = asyncio.create_task(model.complete(chat("Tell me a long story."), sampling=Sampling(max_tokens=2000)))
    await asyncio.sleep(0.3)
    start = time.monotonic()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert time.monotonic() - start < 1
    assert await model.complete(chat("Hello!"), sampling=Sampling(max_tokens=8)) == before


async def test_a_time_out_is_a_failure_of_the_target(smollm: str) -> None:
    model = LocalModel(smollm, Connection(timeout_s=0.5), TWO)
    try:
        with pytest.raises(TargetError) as raised:
            await model.complete(chat("Tell me a long story."), sampling=Sampling(max_tokens=2000, temperature=2.0))
        assert raised.value.kind == "time-out"
    finally:
        await model.close()


async def test_an_engine_that_dies_is_an_error_of_one_call_and_comes_back(model: LocalModel) -> None:
    before = await model.complete(chat("Hello!"), sampling=Sampling(max_tokens=8))
    asked = asyncio.create_task(model.complete(chat("Tell me a long story."), sampling=Sampling(max_tokens=2000)))
    await asyncio.sleep(0.3)
    for pid in children():
        os.kill(pid, 9)
    with pytest.raises(TargetError, match="ended by signal 9") as raised:
        await asked
    assert raised.value.is_retryable
    assert await model.complete(chat("Hello!"), sampling=Sampling(max_tokens=8)) == before


@pytest.mark.parametrize("pause", [0.1, 0.5, 1.5], ids=["before it loads", "while it loads", "while it answers"])
async def test_closing_leaves_no_process_and_no_folder(
    pause: float, smollm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = LocalModel(smollm, Connection(), TWO)
    asked = [asyncio.create_task(model.complete(chat(text), sampling=Sampling(max_tokens=2000))) for text in ASKED]
    await asyncio.sleep(pause)
    await model.close()
    *_, last = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(last, TargetError)
    assert not children()
    assert not os.listdir(tmp_path)  # noqa: PTH208  # no blocking paths in async functions


def test_one_model_serves_one_event_loop_after_another(smollm: str) -> None:
    model = LocalModel(smollm, Connection(), LocalSettings(engines=1, cores=1))

    async def three() -> list[str]:
        return await texts(model, ASKED[:3], Sampling(max_tokens=4))

    try:
        assert asyncio.run(three()) == asyncio.run(three())
    finally:
        asyncio.run(model.close())


async def test_tools_are_offered_and_what_comes_back_is_text_or_calls(model: LocalModel) -> None:
    look = ToolSpec(name="look", description="Look up a parcel.", parameters={"type": "object", "properties": {}})
    answer = await model.complete(chat("Where is my parcel?"), tools=[look], sampling=Sampling(max_tokens=24))
    assert isinstance(answer, Completion)
    assert answer.text or answer.tool_calls


async def test_qwen_calls_a_tool(smollm: str) -> None:
    if catalogue.listed(CACHE)[1].path is None:
        pytest.skip("`qwen-coder-0.5b` is not here: optional, `obverse models fetch qwen-coder-0.5b` gets it")
    schema = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    tool = ToolSpec(name="get_reservation", description="Look up a reservation.", parameters=schema)
    model = LocalModel("qwen-coder-0.5b", Connection(), TWO)
    try:
        answer = await model.complete(
            chat("Please look up reservation XK42."), tools=[tool], sampling=Sampling(max_tokens=64)
        )
    finally:
        await model.close()
    [call] = answer.tool_calls
    assert (call.name, call.arguments) == ("get_reservation", '{"id": "XK42"}')


def test_the_fingerprint_changes_with_what_can_change_an_answer_and_only_with_that(smollm: str) -> None:
    def print_of(settings: LocalSettings) -> str:
        return LocalModel(smollm, Connection(), settings).fingerprint()

    assert print_of(LocalSettings(engines=1)) == print_of(LocalSettings(engines=2, cores=4, load_timeout_s=9))
    assert len({print_of(LocalSettings(slots=slots, context=size)) for slots in (1, 2) for size in (512, 1024)}) == 4
    assert print_of(LocalSettings()).startswith("local:smollm2-135m sha256:")


def test_it_is_opened_by_name(smollm: str) -> None:
    target = open_target("local:smollm2-135m")
    assert isinstance(target, Target)
    assert target.name == "local:smollm2-135m"


REFUSED = {
    "no such model": ("smollm", LocalSettings(), "unknown model `smollm`"),
    "an encoder": ("minilm-l6-v2", LocalSettings(), "no model to talk to"),
    "a context that it never learned": ("smollm2-135m", LocalSettings(context=9000), "a context of `9000` tokens"),
}


@pytest.mark.parametrize(("name", "settings", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_opened_is_said_at_once(name: str, settings: LocalSettings, said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        LocalModel(name, Connection(), settings)


def test_a_model_that_is_not_here_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBVERSE_CACHE", str(tmp_path))
    with pytest.raises(UnavailableError) as raised:
        LocalModel("smollm2-135m", Connection())
    assert raised.value.hint == "`obverse models fetch smollm2-135m` gets it"


async def test_weights_that_were_changed_are_never_loaded(
    smollm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = catalogue.find(smollm)
    folder = catalogue.folder_of(package, tmp_path / "models")
    folder.mkdir(parents=True)
    with (folder / "model.gguf").open("wb") as file:
        file.truncate(package.size)
    monkeypatch.setenv("OBVERSE_CACHE", str(tmp_path))
    with pytest.raises(EvidenceError):
        await LocalModel(smollm, Connection()).complete(chat("Hello!"))


def test_there_is_at_least_one_core() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def children() -> list[int]:
    """The server processes that this one has."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"local_server" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (OSError, IndexError, ValueError):
            continue
    return found
