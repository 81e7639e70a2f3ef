"""A planted sense is found beyond surprise; words alone, or surprise alone, are not taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from obverse.stability.inside.folds import Missing
from obverse.stability.inside.plausibility import Sense, sensed, usable
from obverse.stability.inside.sentences import LIKELY, POSSIBLE, Sentence, sentences

READ = tuple(sentences(POSSIBLE))
WIDTH = 12


def states(rng: np.random.Generator, planted: float) -> np.ndarray:
    """(n, 3, d): words at layer 0 (their mean), the same and a planted sense behind it."""
    words = {word: rng.standard_normal(WIDTH) for one in READ for word in one.text.split()}
    base = np.array([np.mean([words[word] for word in one.text.split()], axis=0) for one in READ])
    sense = np.array([1.0 - one.sense for one in READ])[:, None] * np.eye(WIDTH)[0] * planted
    noise = 0.3 * rng.standard_normal((len(READ), 2, WIDTH))
    return np.stack([base, base + sense + noise[:, 0], base + noise[:, 1]], axis=1).astype(np.float32)


def test_a_planted_sense_is_found_at_its_layer_and_words_alone_are_at_chance() -> None:
    rng = np.random.default_rng(0)
    found = sensed("possible", READ, states(rng, 2.5), np.exp(rng.standard_normal(len(READ))), confidence=0.95)
    assert isinstance(found, Sense)
    assert found.layer == 1
    assert found.line.probe.low is not None
    assert found.line.probe.low > 0.8
    assert found.line.difference.low is not None
    assert found.line.difference.low > 0
    assert "beats perplexity" in found.line.says
    assert "not shown" not in found.line.says
    words = found.curve.lines[0].value
    assert words.low is not None
    assert words.high is not None
    assert words.low <= 0.5 <= words.high
    impossible, possible = (
        np.mean([found.of(row) for row, one in zip(states(rng, 2.5), READ) if one.sense == sense]) for sense in (0, 1)
    )
    assert impossible > possible + 1


def test_nothing_is_claimed_where_perplexity_knows_as_much() -> None:
    rng = np.random.default_rng(1)
    surprise = np.exp(np.array([2.0 - one.sense for one in READ]) + 0.1 * rng.standard_normal(len(READ)))
    found = sensed("possible", READ, states(rng, 2.5), surprise, confidence=0.95)
    assert isinstance(found, Sense)
    assert "not shown to beat perplexity" in found.line.says


def test_no_sense_is_found_in_noise() -> None:
    shown = []
    for seed in range(10):
        rng = np.random.default_rng(50 + seed)
        found = sensed("possible", READ, states(rng, 0.0), np.exp(rng.standard_normal(len(READ))), confidence=0.95)
        assert isinstance(found, Sense)
        shown.append("is not shown to tell" not in found.line.says)
    assert sum(shown) <= 1


def test_a_square_counts_whole_or_not_at_all() -> None:
    good = [one.text != READ[5].text for one in READ]
    use = usable(good, READ)
    assert use.sum() == len(READ) - 4
    assert {one.square for one, fine in zip(READ, use) if not fine} == {READ[5].square}


def test_few_topics_are_missing() -> None:
    few: list[Sentence] = [one for one in sentences(LIKELY) if one.topic in {"kitchen", "weather"}]
    found = sensed("likely", few, np.zeros((len(few), 2, 3), dtype=np.float32), np.ones(len(few)), confidence=0.95)
    assert isinstance(found, Missing)
    assert "too few families" in found.reason


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prompt_that_cannot_be_measured_has_no_value(bad: float) -> None:
    rng = np.random.default_rng(0)
    found = sensed("possible", READ, states(rng, 2.5), np.exp(rng.standard_normal(len(READ))), confidence=0.95)
    assert isinstance(found, Sense)
    assert found.of(np.full((3, WIDTH), bad, dtype=np.float32)) is None
