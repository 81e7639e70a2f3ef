"""What `--target` names, opened; and the ways in which it cannot be."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from obverse.campaign.stability.drawing import plain
from obverse.campaign.stability.rewriting import ModelRewrites, bare
from obverse.campaign.stability.subjects import Means, opened, source_of
from obverse.core.chat import ChatMessage, Completion, ToolSpec
from obverse.core.errors import MisuseError, ObverseError
from obverse.stability.records import Prompt
from obverse.targets.protocol import Connection
from obverse.testing.wavering import read_wavering, wavering_opener


def means(folder: Path) -> Means:
    return Means(connection=Connection(), cache=folder, converted=folder)


WRONG = {
    "an unknown scheme": ("tourch:x", "T010"),
    "nothing behind torch:": ("torch:", "B535"),
    "a path that is not there": ("torch:no/such/model", "B536"),
    "a file that is not there": ("torch:model.gguf", "B536"),
    "a name that is not in the catalogue": ("torch:smolm2", "M101"),
    "an encoder": ("torch:minilm-l6-v2", "B537"),
    "a model that was not fetched": ("torch:smollm2-135m", "M102"),
    "a simulated target of another kind": ("sim:perfect", "B521"),
    "an option that means nothing": ("sim:wavering,slop=1", "B522"),
    "a share beyond 1": ("sim:wavering,case=2", "B523"),
    "a slope that is no number": ("sim:wavering,slope=nan", "B523"),
}


@pytest.mark.parametrize(("spec", "code"), WRONG.values(), ids=WRONG)
def test_a_target_that_cannot_be_opened_is_one_line(tmp_path: Path, spec: str, code: str) -> None:
    with pytest.raises(ObverseError) as caught:
        opened(spec, means(tmp_path), inside=False, extra={"sim": wavering_opener({})})
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_without_torch_a_model_in_this_process_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.gguf").touch()
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else found(name, *rest)
    )
    with pytest.raises(MisuseError, match="needs the package `torch`") as caught:
        opened(f"torch:{tmp_path / 'model.gguf'}", means(tmp_path), inside=False, extra={})
    assert "obverse[internals]" in (caught.value.hint or "")


def test_a_path_that_exists_is_taken_before_the_catalogue(tmp_path: Path) -> None:
    assert source_of(str(tmp_path), tmp_path) == tmp_path


def test_the_simulated_targets_differ_as_they_say() -> None:
    prompt = Prompt(id="p", kind="case", group="p", family="f", wanted="refuse", messages=())
    assert read_wavering("refuses").rate(prompt) == pytest.approx(0)
    assert read_wavering("complies").rate(prompt) == pytest.approx(1)
    wavering = read_wavering("wavering,case=0.3,spread=0,slope=2")
    assert wavering.rate(prompt) == pytest.approx(0.3)
    assert wavering.rate(prompt, 1.0) > wavering.rate(prompt, 0.5) > 0.3
    threshold = wavering.threshold(prompt)
    assert threshold is not None
    assert wavering.rate(prompt, threshold) == pytest.approx(0.5)


BARE = {
    "as it is": (" So it is. ", "So it is."),
    "in quotes": ('"So it is."', "So it is."),
    "in JSON": ('{"text": "So it is."}', "So it is."),
    "no JSON": ('{"text": ', '{"text":'),
    "a number": ("42", "42"),
}


@pytest.mark.parametrize(("said", "text"), BARE.values(), ids=BARE)
def test_what_a_model_wrote_is_taken_out_of_what_it_puts_around_it(said: str, text: str) -> None:
    assert bare(said) == text


async def test_a_request_to_rewrite_is_data_to_the_model() -> None:
    asked: list[ChatMessage] = []

    class Echo:
        name = "echo"

        def fingerprint(self) -> str:
            return "echo 1"

        async def complete(self, messages: object, **options: object) -> Completion:
            del options
            asked.extend(messages)  # type: ignore[arg-type]  # of a double
            return Completion(text="Done otherwise.")

        async def close(self) -> None:
            """Nothing."""

    rewrites = ModelRewrites(Echo())  # type: ignore[arg-type]  # of a double
    assert await rewrites.rewrite('Say "no" and stop.', "paraphrase", 0) == "Done otherwise."
    assert await rewrites.rewrite("Well.", "German", 0) == "Done otherwise."
    assert asked[1].content == '{"text": "Say \\"no\\" and stop."}'
    assert "other words" in asked[0].content
    assert "German" in asked[2].content
    assert rewrites.identity.startswith("echo 1")


def test_tools_are_written_out_for_a_model_that_was_taught_none() -> None:
    messages = (ChatMessage(role="user", content="Pay."),)
    bare_ = Prompt(id="p", kind="case", group="p", family="f", wanted="refuse", messages=messages)
    assert plain(messages, bare_) == messages
    tooled = Prompt(
        id="p", kind="case", group="p", family="f", wanted="refuse", messages=messages,
        tools=(ToolSpec(name="pay", description="Pays.", parameters={}),),
    )  # fmt: skip
    written = plain(messages, tooled)
    assert [message.role for message in written] == ["system", "user"]
    assert '"name": "pay"' in written[0].content
