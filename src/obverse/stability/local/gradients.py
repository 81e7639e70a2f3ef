"""The norm of the gradient of the answer's loss in each layer, one training example after the other.

One backward pass an example. Nothing of a gradient is kept: a hook adds the square of each weight's gradient to its layer's sum as
soon as it is there and lets go of it, so that memory is bounded by the model, one example's activations and the largest weight.

The loss is the mean over the answer's tokens, so that long answers do not weigh more; that a mean over few tokens is noisier and
its gradient larger remains, and is why `gradient_ratio` compares answers of equal length. Embedding and head are left out: in
small models they are tied, and their gradient follows the words of the answer more than what it means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.stability.gradient_ratio import GradientRow
from obverse.stability.lessons import Lesson
from obverse.stability.local.training import Learner, answer_loss


def gradient_rows(one: Learner, lessons: Iterable[Lesson], *, longest: int = 1024) -> Iterator[GradientRow]:
    """A row for each example, in its order, as soon as it is there; what cannot be differentiated is a row with an error.

    Errors: `too long` (more than `longest` tokens), `no tokens`, `template` (it refuses the messages), `not a number`, `no gradient`.
    """
    with _collected(one) as squares:
        for lesson in lessons:
            yield _row(one, lesson, squares, longest)


def _row(one: Learner, lesson: Lesson, squares: Callable[[], list[float]], longest: int) -> GradientRow:
    try:
        prompt, answer = one.encoded(lesson, longest=longest)
    except (MisuseError, UntrustedInputError) as error:
        kind = {"B603": "no tokens", "B604": "too long"}.get(error.code, "template")
        return GradientRow(line=lesson.line, tokens=0, error=kind)
    loss, tokens = answer_loss(one.model, [(prompt, answer)])
    loss.backward()
    norms = tuple(math.sqrt(square) if square >= 0 else math.nan for square in squares())
    value = float(loss.detach())
    if not (math.isfinite(value) and all(math.isfinite(norm) for norm in norms)):
        return GradientRow(line=lesson.line, tokens=tokens, error="not a number")
    if not all(norm > 0 for norm in norms):
        return GradientRow(line=lesson.line, tokens=tokens, loss=value, error="no gradient")
    return GradientRow(line=lesson.line, tokens=tokens, loss=value, norms=norms)


@contextmanager
def _collected(one: Learner) -> Iterator[Callable[[], list[float]]]:
    """While open, layers can be differentiated; the function gives each layer's sum of squares since it was last called."""
    model, layers = one.model, one.layers
    sums = [0.0] * len(layers)
    wanted = {id(weight): weight.requires_grad for weight in model.parameters()}
    hooks = []

    def collect(layer: int) -> Callable[[torch.Tensor], None]:
        def add(weight: torch.Tensor) -> None:
            if weight.grad is not None:
                # in f64, since the squares of many small numbers are summed; `item` also lets go of the graph
                sums[layer] += float(torch.linalg.vector_norm(weight.grad, dtype=torch.float64).square())
                weight.grad = None

        return add

    def taken() -> list[float]:
        found = list(sums)
        sums[:] = [0.0] * len(layers)
        return found

    try:
        model.requires_grad_(requires_grad=False)
        for place, layer in enumerate(layers):
            for weight in layer.parameters():
                if weight.is_floating_point():
                    weight.requires_grad_(requires_grad=True)
                    hooks.append(weight.register_post_accumulate_grad_hook(collect(place)))
        yield taken
    finally:
        for hook in hooks:
            hook.remove()
        for weight in model.parameters():
            weight.grad = None
            weight.requires_grad_(requires_grad=wanted[id(weight)])
