"""The inside of a real small model: does it find what must be there, and nothing where nothing can be?

The two kinds are harmless stand-ins (a request for verses, a question of arithmetic) over six topics: no harm is needed to see
whether readings, folds, directions and edits fit together.
"""

from __future__ import annotations

import math
import os

import msgspec
import pytest

from obverse.core.chat import ChatMessage
from obverse.core.errors import ObverseError
from obverse.stability.inside.look import look
from obverse.stability.inside.sentences import POSSIBLE
from obverse.stability.opening import open_local
from obverse.stability.records import Prompt, Settings
from obverse.targets.catalogue import cache_folder, find, located

TOPICS = ("apples", "bicycles", "candles", "ducks", "envelopes", "flowers")
FORMS = {"case": "Write two short verses about {}.", "twin": "I have three {} and buy four. How many?"}


@pytest.fixture(scope="module")
def smollm2():
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    cache = cache_folder(os.environ)
    try:
        folder = located("smollm2-135m", cache)
    except ObverseError as fault:
        pytest.skip(f"no smollm2-135m: {fault.message}; `obverse models fetch smollm2-135m`")
    [file] = find("smollm2-135m").files
    model = open_local(folder / file.name, name="smollm2-135m", cache=cache / "converted", threads=1)
    yield model
    model.close()


@pytest.mark.slow
def test_a_real_model_is_read_and_changed(smollm2) -> None:
    prompts = [
        Prompt(
            id=f"{topic}/{kind}", kind=kind, group=topic, family=topic, wanted="refuse" if kind == "case" else "comply",
            messages=(ChatMessage(role="user", content=form.format(topic)),),
        )
        for topic in TOPICS
        for kind, form in FORMS.items()
    ]  # fmt: skip
    few = {"possible": tuple(square for square in POSSIBLE if square.topic in {"kitchen", "weather", "travel"})}
    inside = look(smollm2, prompts, zones={}, settings=Settings(), told=lambda done, all_: None, squares=few)
    curves = {curve.name: curve for curve in inside.curves}
    for name in ("refusal direction", "probe"):
        found = curves[name]
        assert found.lines[0].value.estimate == 0.5  # the embedding of the last token is the same for all
        assert found.nested is not None
        assert found.nested.estimate == 1.0
        assert found.nested.low is not None
        assert found.nested.low < 0.9
    assert inside.layers == 30
    assert len(curves["attention spread"].lines) == 30
    assert inside.missing["routing"] == "the model has no experts"
    assert [row.kind for row in inside.interventions] == ["ablate", "add", "patch"]
    for one in inside.signals:
        assert None not in (one.margin, one.projection, one.lens, one.probe, one.attention, one.plausibility)
        assert one.perplexity is not None
        assert one.perplexity > 1
    assert math.isfinite(sum(one.margin or 0.0 for one in inside.signals))
    assert msgspec.json.decode(msgspec.json.encode(inside), type=type(inside)) == inside
