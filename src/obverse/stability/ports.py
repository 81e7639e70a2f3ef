"""What this room needs of the outside: somebody who answers, somebody who judges, somebody who looks inside.

    Answers     prompts in, draws of text out: an endpoint behind `targets`, or `local.engine`      (wired by `campaign`)
    Scores      one answer to one prompt → a behaviour: a policy's own rules, or judges             (wired by `campaign`)
    Looks       token sequences in, what each layer holds out, reduced to a few arrays: `local.engine`
    Embeds      texts → unit vectors: the encoder of `judges`                                       (wired by `campaign`)
    Rewrites    a text → the same in other words or another language, by a model                    (wired by `campaign`)

Arrays are numpy, f32 unless said. No torch here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from obverse.core.chat import ChatMessage, ToolSpec
from obverse.stability.records import Behaviour, Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Draw from these messages once for each seed. `id` comes back with each answer."""

    id: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    seeds: tuple[int, ...]
    temperature: float
    max_tokens: int


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, or why there is none: `error` is a kind (`context overflow`, `not a number`, `unknown token`, `time-out`, …, or
    `template`, where that refuses the messages) and `reason` one line.

    `entropy` and `logprob` are means over the generated tokens, the end of the answer included and nothing after it; None where
    unknown. `entropy` is of the distribution that was sampled from (after temperature), in nats; at temperature 0, where that would be
    a single point, both are of the model's own distribution, at temperature 1.
    """

    id: str
    seed: int
    text: str = ""
    tokens: int | None = None
    prompt_tokens: int | None = None
    stop: str | None = None
    entropy: float | None = None
    logprob: float | None = None
    error: str | None = None
    reason: str = ""
    seconds: float | None = None


class Answers(Protocol):
    """A target in this process that draws many at once. Answers come in any order, each exactly once, as soon as it is there.

    A draw depends on (weights, messages, seed, temperature, max_tokens) and, in reduced precision only, on what is asked beside it.
    """

    @property
    def name(self) -> str: ...

    def fingerprint(self) -> str: ...

    def draw(self, jobs: Sequence[Job], *, stopped: Callable[[], bool] = lambda: False) -> Iterator[Answered]: ...


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer came to, and what each judge made of it (`Draw.judged`)."""

    behaviour: Behaviour
    reason: str
    judged: dict[str, str]


class Scores(Protocol):
    """Says what an answer to a prompt came to; doubt is `unscored`, never an exception."""

    async def score(self, prompt: Prompt, text: str) -> Scored: ...


class Embeds(Protocol):
    """Texts to unit vectors, one row each: shape (texts, width)."""

    @property
    def identity(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Floats: ...


class Rewrites(Protocol):
    """A model that puts a text into other words (`how` = `paraphrase`) or another language (`how` = its English name)."""

    @property
    def identity(self) -> str: ...

    async def rewrite(self, text: str, how: str, seed: int) -> str: ...


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What one prompt is read for: its messages, and the words whose tokens are the span (empty: the whole request).

    `words` are groups of words for the logit lens and the refusal margin, by name: each word stands for the first token of it,
    with and without a leading space, capitalised and not, without repeats.
    """

    id: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    span: str = ""


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """Which signals to read in the one forward pass. `words`: named groups of words (`refusal`, `hazard`, `compliance`)."""

    residual: bool = True
    attention: bool = True
    routing: bool = True
    words: dict[str, tuple[str, ...]] = {}
    perplexity: bool = True
    dtype: Literal["f32", "f64"] = "f32"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one forward pass over one prompt left, reduced on the fly; L layers, H heads, E experts, d width.

    `last`      (L + 1, d)  residual stream at the last prompt token; row 0 is the embedding
    `mean`      (L + 1, d)  the same, mean over the tokens of the span
    `attention` (L, H)      entropy in nats of the last token's attention, renormalised over the tokens of the span; None if the span is
                            shorter than two tokens or the model gives no weights
    `weight`    (L, H)      how much of the last token's attention falls on the span at all
                            (a layer that sees only a window which does not reach the span: entropy NaN, weight 0)
    `routing`   (L, E)      mean router probability over the tokens of the span; rows of dense layers are NaN; None without experts
    `words`     by group    (L + 1,) log of the probability that the logit lens gives to the group's tokens at the last prompt token
    `logits`    by group    log of the probability of the group's tokens as the next token (the model's own, not the lens)
    `perplexity`            exp of the mean negative log-probability of the tokens of the span, each given those before it
    `error`                 a kind, and then no arrays: `context overflow`, `not a number`, `no span`, `template`, `unknown token`
    """

    id: str
    tokens: int
    span: tuple[int, int] | None = None
    """First token of the span, and one past its last."""
    last: Floats | None = None
    mean: Floats | None = None
    attention: Floats | None = None
    weight: Floats | None = None
    routing: Floats | None = None
    words: dict[str, Floats] = {}
    logits: dict[str, float] = {}
    perplexity: float | None = None
    error: str | None = None
    reason: str = ""


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """A change to the residual stream while the model runs, at every token, behind the named layers (1 = behind the first; None = all).

    `ablate` takes the component along `vector` (unit, length d) out; `add` adds `scale` × `vector`. Ablation is also applied to the
    embedding when `layers` is None.
    """

    kind: Literal["ablate", "add"]
    vector: tuple[float, ...]
    layers: tuple[int, ...] | None = None
    scale: float = 1.0


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is made of: layers, heads, width, experts (None: dense), the tokens that it can read, and its arithmetic."""

    layers: int
    heads: int
    width: int
    experts: int | None
    context: int
    dtype: str


class Looks(Protocol):
    """A model whose inside can be read. Readings come in the order asked, memory is bounded by one batch."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> Shape: ...

    def read(self, prompts: Sequence[Read], wants: Wants) -> Iterator[Reading]: ...

    def edited(self, edits: Sequence[Edit]) -> AbstractContextManager[None]:
        """While it is open, `draw` and `read` run with these changes."""
        ...
