"""Fits the head of the refusal judge on the corpus beside this file and writes `src/obverse/judges/refusal_head.json`.

    python tools/fit_refusal_head.py --encoder FOLDER [--check]

Deterministic: same corpus, same encoder, same file up to the last bits of f32 (`--check` compares instead of writing).
The folder holds `model.safetensors` and `vocab.txt` of all-MiniLM-L6-v2. No labelled data of others is fitted on: the
labels of the corpus are our own, so the error that the product prints is measured elsewhere (`benchmarks/refusal_judge.py`).

Folds are styles and requests, never rows: a template is on one side of a fold with all that was made of it.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.optimize import minimize

from obverse.core.canon import digest_bytes
from obverse.judges.encoder import Encoder
from obverse.judges.features import NAMES, clean, read
from obverse.judges.head import FILE, Head, Scorer
from obverse.judges.refusal import REPLY_TOKENS, REQUEST_TOKENS, declining_inputs, straying_inputs

HERE = Path(__file__).parent
CORPUS = HERE / "refusal_corpus.yaml"
TARGET = HERE.parent / "src/obverse/judges" / FILE
SEED = 20261121
FOLDS = 8
ALPHA = 0.03
"""Share of held-out texts of either kind that may fall on the wrong side of the thresholds."""
ALPHA_PLAIN = 0.05
"""The same without an encoder: with less it would answer hardly half of them."""

Matrix = NDArray[np.float64]


class Row(NamedTuple):
    """One reply with its label; `group` never stands on both sides of a fold."""

    ask: str
    reply: str
    yes: bool
    group: str


def declining_rows(corpus: dict[str, Any], rng: random.Random) -> Iterator[Row]:
    """Replies that decline, and replies that do not however they sound."""
    asks = corpus["asks"]
    for style, templates in corpus["declines"].items():
        for place, template in enumerate(templates):
            for entry in rng.sample(asks, 4 if "{thing}" in template else 2):
                yield Row(entry["ask"], _fill(template, entry["thing"]), True, f"{style} {place % 3}")
    for place, opening in enumerate(corpus["offers"]["openings"]):
        for entry, offer in zip(rng.sample(asks, 5), rng.sample(corpus["offers"]["lists"], 5)):
            reply = f"{_fill(opening, entry['thing'])}{rng.choice([' ', chr(10) * 2])}{offer}"
            yield Row(entry["ask"], reply, True, f"offer {place % 5}")
    for place, text in enumerate(corpus["lectures"]):
        yield Row("", text, True, f"lecture {place % 4}")
        yield Row("", text, True, f"lecture {place % 4}")
    for place, entry in enumerate(asks):
        for answer in entry["answers"]:
            yield Row(entry["ask"], answer, False, f"ask {place % 12}")
            yield Row(entry["ask"], answer, False, f"ask {place % 12}")
    for place, wrap in enumerate(corpus["wraps"]):
        for entry in rng.sample(asks, 4):
            reply = wrap.replace("{answer}", rng.choice(entry["answers"]))
            yield Row(entry["ask"], reply, False, f"wrap {place % 8}")
    for place, entry in enumerate(corpus["complies"]):
        yield Row(entry["ask"], entry["reply"], False, f"hard {place % 6}")
        yield Row(entry["ask"], entry["reply"], False, f"hard {place % 6}")


def straying_rows(corpus: dict[str, Any], rng: random.Random) -> Iterator[Row]:
    """Answers paired with their own request (no) and with requests of others (yes)."""
    entries = [(entry["ask"], answer) for entry in corpus["asks"] for answer in entry["answers"]]
    entries += [(entry["ask"], entry["reply"]) for entry in corpus["complies"]]
    asks = sorted({ask for ask, _ in entries})
    for ask, answer in entries:
        group = f"ask {asks.index(ask) % 10}"
        yield Row(ask, answer, False, group)
        wrap = rng.choice(["{answer}", "Sure! {answer}", "Certainly. {answer}", "{answer} I hope that helps!"])
        yield Row(ask, wrap.replace("{answer}", answer), False, group)
        others = [other for other in asks if asks.index(other) % 10 == asks.index(ask) % 10 and other != ask]
        for other in rng.sample(others, 2):
            yield Row(other, wrap.replace("{answer}", answer), True, group)


def _fill(template: str, thing: str) -> str:
    text = template.replace("{thing}", thing)
    return text[0].upper() + text[1:] if template.startswith("{thing}") else text


def logistic(inputs: Matrix, labels: Matrix, penalty: Matrix) -> tuple[Matrix, float]:
    """Weights and bias of an L2-penalised logistic regression, both classes weighing the same."""
    balance = np.where(labels > 0, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))

    def loss(theta: Matrix) -> tuple[float, Matrix]:
        margin = inputs @ theta[:-1] + theta[-1]
        value = (balance * (np.logaddexp(0, margin) - labels * margin)).mean() + (penalty * theta[:-1] ** 2).sum()
        slope = balance * (1 / (1 + np.exp(-margin)) - labels) / len(labels)
        return float(value), np.append(inputs.T @ slope + 2 * penalty * theta[:-1], slope.sum())

    theta = minimize(loss, np.zeros(inputs.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    return theta[:-1], float(theta[-1])


def fit(name: str, rows: Sequence[Row], inputs: Matrix, penalty: Matrix, alpha: float = ALPHA) -> Scorer:
    """The scorer, with thresholds from out-of-fold scores; prints what the folds say."""
    labels = np.array([float(row.yes) for row in rows])
    groups = sorted({row.group for row in rows})
    fold = np.array([groups.index(row.group) % FOLDS for row in rows])
    held = np.zeros(len(rows))
    for part in range(FOLDS):
        weights, bias = logistic(inputs[fold != part], labels[fold != part], penalty)
        held[fold == part] = inputs[fold == part] @ weights + bias
    weights, bias = logistic(inputs, labels, penalty)
    chance = 1 / (1 + np.exp(-held))
    low, high = thresholds(chance[labels > 0], chance[labels == 0], alpha)
    wrong = (chance >= 0.5) != (labels > 0)
    loss = -np.log(np.where(labels > 0, chance, 1 - chance).clip(1e-9)).mean()
    print(
        f"{name}: {len(rows)} rows, held-out log loss {loss:.3f}, wrong at one half {wrong.mean():.3f}, "
        f"thresholds {low:.3f} {high:.3f}, between {((chance > low) & (chance < high)).mean():.3f}"
    )
    for row, value in sorted(zip(rows, chance), key=lambda pair: -abs(pair[1] - pair[0].yes))[:12]:
        print(f"    {value:.2f} {'yes' if row.yes else 'no '} {row.ask[:40]!r} {row.reply[:90]!r}")
    return Scorer(
        inputs=name,
        weights=tuple(round(float(w), 5) for w in weights),
        bias=round(bias, 5),
        no_below=round(low, 4),
        yes_above=round(high, 4),
    )


def thresholds(yes: Matrix, no: Matrix, alpha: float) -> tuple[float, float]:
    """(no_below, yes_above): class-conditional conformal quantiles, at least a margin around one half apart."""
    below = float(np.sort(yes)[int(alpha * (len(yes) + 1))])
    above = float(np.sort(no)[::-1][int(alpha * (len(no) + 1))])
    return min(below, above, 0.4), max(below, above, 0.6)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="compare with the committed head, write nothing")
    options = parser.parse_args(arguments)
    source = CORPUS.read_bytes()
    corpus = yaml.safe_load(source)
    encoder = Encoder.read(options.encoder)
    head = fit_head(corpus, encoder, digest_bytes(source))
    if options.check:
        return compare(head, msgspec.json.decode(TARGET.read_bytes(), type=Head))
    TARGET.write_bytes(msgspec.json.format(msgspec.json.encode(head), indent=1) + b"\n")
    print(f"wrote {TARGET.name}")
    return 0


def fit_head(corpus: dict[str, Any], encoder: Encoder, source: str) -> Head:
    """The three scorers."""
    rng = random.Random(SEED)
    rows = list(declining_rows(corpus, rng))
    readings = [read(row.reply) for row in rows]
    vectors = [encoder.encode(reading.text, limit=REPLY_TOKENS) for reading in readings]
    plain = np.array([declining_inputs(reading, None) for reading in readings])
    full = np.array([declining_inputs(reading, vector) for reading, vector in zip(readings, vectors)])
    few = np.full(len(NAMES), FEATURE_PENALTY)
    many = np.append(few, np.full(full.shape[1] - len(NAMES), VECTOR_PENALTY))
    pairs = list(straying_rows(corpus, rng))
    near = np.array([nearness(row, encoder) for row in pairs])
    return Head(
        encoder=encoder.identity,
        fitted_on=f"tools/refusal_corpus.yaml, {source}",
        command="python tools/fit_refusal_head.py --encoder FOLDER",
        declines=fit("features and vector", rows, full, many),
        plain=fit("features", rows, plain, few, ALPHA_PLAIN),
        strays=fit("nearness", pairs, near, np.full(near.shape[1], 1e-4)),
    )


FEATURE_PENALTY = 1e-3
VECTOR_PENALTY = 1e-4


def nearness(row: Row, encoder: Encoder) -> tuple[float, ...]:
    reading = read(row.reply)
    asked = encoder.encode(clean(row.ask), limit=REQUEST_TOKENS)
    return straying_inputs(reading, encoder.encode(reading.text, limit=REPLY_TOKENS), row.ask, asked)


def compare(mine: Head, theirs: Head) -> int:
    """0 when the committed head is this one up to rounding."""
    pairs = [(mine.declines, theirs.declines), (mine.plain, theirs.plain), (mine.strays, theirs.strays)]
    apart = max(float(np.abs(np.subtract(a.weights, b.weights)).max()) for a, b in pairs)
    print(f"largest difference of a weight: {apart:.5f}")
    return 0 if apart < 0.01 and mine.encoder == theirs.encoder and mine.fitted_on == theirs.fitted_on else 1


if __name__ == "__main__":
    sys.exit(main())
