"""What drafting needs of a model, and nothing more: one prompt, one text. Adapters stand in `cli` and `testing`."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a model. The same prompt to the same model may be answered alike."""

    system: str
    user: str
    seed: int = 0
    temperature: float = 0.0
    max_tokens: int = 600


class Model(Protocol):
    """A model that answers prompts; calls may run at the same time."""

    @property
    def identity(self) -> str:
        """What it is called in the state file: enough to tell it from another one."""
        ...

    async def complete(self, prompt: Prompt) -> str:
        """What it says.

        Raises:
            UnavailableError: it gave no answer.
        """
        ...
