"""Long work beside the event loop, in a thread that does not keep the program from ending."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def aside(call: Callable[[], _T]) -> _T:
    """What the call returns or raises, while the loop goes on."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def finish(result: list[_T], error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error is not None else done.set_result(result[0])

    def work() -> None:
        result: list[_T] = []
        failed: BaseException | None = None
        try:
            result.append(call())
        except BaseException as error:  # boundary: of the thread; handed over, and raised by who waits
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, result, failed)

    threading.Thread(target=work, name="aside", daemon=True).start()
    return await done
