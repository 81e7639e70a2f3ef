"""A small real model behind the gateway, in the engine that this project ships; slow, and skipped where it is not there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from obverse.core.errors import ObverseError
from obverse.gateway.http.settings import Settings
from obverse.targets import catalogue
from obverse.targets.local_settings import SOCKET, ServerSettings

from .conftest import Gateway, policy, user

pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
pytestmark = pytest.mark.slow


@contextlib.contextmanager
def on_a_port(path: Path) -> Iterator[str]:
    """The engine's Unix socket, reached by a port of loopback: the URL."""
    loop, port = asyncio.new_event_loop(), 0

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(path))
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    server = loop.run_until_complete(asyncio.start_server(relay, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@contextlib.contextmanager
def engine(name: str) -> Iterator[str]:
    """A model that answers at this URL."""
    try:
        model = next(catalogue.verified(name, catalogue.cache_folder(os.environ)).glob("*.gguf"))
    except (ObverseError, OSError, StopIteration) as error:
        pytest.skip(f"`{name}` is not here: {error}")
    with tempfile.TemporaryDirectory() as folder:
        told = ServerSettings(model=str(model), folder=folder, context=2048, slots=1, threads=2)
        command = [sys.executable, "-m", "obverse.targets.local_server", msgspec.json.encode(told).decode()]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as running:
            assert running.stdout.readline() == b"ready\n"
            with on_a_port(Path(folder, SOCKET)) as url:
                yield url
            running.kill()


def said(gateway: Gateway, **more: Any) -> str:
    body = {
        "model": "m",
        "messages": [user("Tell me a long story about a dog and a cat.")],
        "max_tokens": 90,
        "temperature": 0,
        **more,
    }
    made = gateway.sdk().chat.completions.create(**body)
    if not more.get("stream"):
        return made.choices[0].message.content
    return "".join(chunk.choices[0].delta.content or "" for chunk in made if chunk.choices)


def test_a_real_model_speaks_through_the_gateway_streamed_and_whole() -> None:
    with engine("smollm2-135m") as url, Gateway(url, policy(), Settings(smallest_piece=10)) as gateway:
        whole, streamed = said(gateway), said(gateway, stream=True)
        replies = [event["text"] for event in gateway.events("reply")]
    assert whole
    assert streamed
    assert replies[0] == whole
    assert replies[-1] == streamed
    assert len(replies) > 2  # the streamed one left by sentences


def test_a_real_model_answers_in_the_responses_protocol_too() -> None:
    with engine("smollm2-135m") as url, Gateway(url, policy(), Settings(smallest_piece=10)) as gateway:
        client, asked = gateway.sdk(), "Tell me a long story about a dog and a cat."
        whole = client.responses.create(model="m", input=asked, max_output_tokens=60, temperature=0)
        events = list(client.responses.create(model="m", input=asked, max_output_tokens=60, temperature=0, stream=True))
    assert whole.output_text
    assert events[-1].response.output_text
