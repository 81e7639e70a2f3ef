"""Changes to the residual stream while a model runs: a direction taken out, or added. Hooks, which are gone when the block is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from obverse.core.errors import MisuseError
from obverse.stability.local.anatomy import Anatomy
from obverse.stability.ports import Edit

Change = Callable[[torch.Tensor], torch.Tensor]


@contextmanager
def edited(anatomy: Anatomy, edits: Sequence[Edit]) -> Iterator[None]:
    """The model runs with these changes, in the order given, until the block is left, also by an exception.

    Raises:
        MisuseError: for a vector of another length than the stream, one to ablate that is no unit vector, or a layer that is not there.
    """
    changes = [(edit, _change(edit, anatomy)) for edit in edits]
    with ExitStack() as hooks:
        for edit, change in changes:
            for layer in edit.layers or range(1, len(anatomy.layers) + 1):
                hook = anatomy.layers[layer - 1].register_forward_hook(lambda _, __, out, c=change: _behind(out, c))
                hooks.callback(hook.remove)
            if edit.kind == "ablate" and edit.layers is None:
                hook = anatomy.layers[0].register_forward_pre_hook(
                    lambda _, args, kwargs, c=change: _before(args, kwargs, c), with_kwargs=True
                )
                hooks.callback(hook.remove)
        yield


def _change(edit: Edit, anatomy: Anatomy) -> Change:
    if len(edit.vector) != anatomy.width:
        raise MisuseError(
            f"a vector of {len(edit.vector)} numbers", code="B340", hint=f"the stream is {anatomy.width} wide"
        )
    length = math.sqrt(sum(each * each for each in edit.vector))
    if not math.isfinite(length * edit.scale):
        raise MisuseError("a vector with what is not a number", code="B341")
    if edit.kind == "ablate" and abs(length - 1) > 1e-3:
        raise MisuseError(f"a direction of length {length:.4g} to ablate", code="B342", hint="divide it by its length")
    for layer in edit.layers or ():
        if not 1 <= layer <= len(anatomy.layers):
            raise MisuseError(f"layer `{layer}`", code="B343", hint=f"1 to {len(anatomy.layers)}")
    vector = torch.tensor(edit.vector, dtype=torch.float32)

    def ablate(states: torch.Tensor) -> torch.Tensor:
        wide = states.float()
        along = vector.to(states.device)
        return (wide - (wide @ along)[..., None] * along).to(states.dtype)

    def add(states: torch.Tensor) -> torch.Tensor:
        return (states.float() + edit.scale * vector.to(states.device)).to(states.dtype)

    return ablate if edit.kind == "ablate" else add


def _behind(output: Any, change: Change) -> Any:
    if isinstance(output, tuple | list):
        return (change(output[0]), *output[1:])
    return change(output)


def _before(args: tuple[Any, ...], kwargs: dict[str, Any], change: Change) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if args:
        return (change(args[0]), *args[1:]), kwargs
    return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}
