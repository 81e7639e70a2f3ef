"""Routing follows the topic. A harmless control about bread, put beside a harmful case, must not make experts of harm."""

from __future__ import annotations

import numpy as np

from obverse.core.chat import ChatMessage
from obverse.stability.inside.folds import Missing
from obverse.stability.inside.routing import pairs, routed, topics
from obverse.stability.records import Kind, Prompt

GROUPS = 8


def prompt(group: int, kind: Kind) -> Prompt:
    return Prompt(
        id=f"g{group}/{kind}", kind=kind, group=f"g{group}", family=f"f{group}", wanted="refuse" if kind == "case" else "comply",
        messages=(ChatMessage(role="user", content="a request"),),
    )  # fmt: skip


def routing_of(one: Prompt) -> np.ndarray:
    """One layer of four experts: cases and twins of a group alike but for noise, controls all to the last expert."""
    random = np.random.default_rng([int(one.group[1:]), len(one.kind)])
    topic = np.random.default_rng(int(one.group[1:])).dirichlet([5, 5, 5, 0.5])
    shares = (
        np.array([0.02, 0.02, 0.02, 0.94]) if one.kind == "control" else 0.9 * topic + 0.1 * random.dirichlet([9] * 4)
    )
    return shares[None]


def test_a_control_of_another_topic_is_no_partner() -> None:
    read = [prompt(group, kind) for group in range(GROUPS) for kind in ("case", "twin", "control")]
    labels = np.array([one.wanted == "refuse" for one in read], dtype=np.int64)
    found = pairs([routing_of(one) for one in read], topics(read), labels)
    assert not isinstance(found, Missing)
    assert found.groups == tuple(f"g{group}" for group in range(GROUPS))
    assert routed(found, seed=0).lines[0].p > 0.05
    # what became of it when controls stood among the partners
    mixed = pairs([routing_of(one) for one in read], [one.group for one in read], labels)
    assert not isinstance(mixed, Missing)
    assert routed(mixed, seed=0).lines[0].p < 0.05


def test_cases_with_controls_only_have_no_partners() -> None:
    read = [prompt(group, kind) for group in range(GROUPS) for kind in ("case", "control")]
    labels = np.array([one.wanted == "refuse" for one in read], dtype=np.int64)
    found = pairs([routing_of(one) for one in read], topics(read), labels)
    assert isinstance(found, Missing)
    assert "0 groups hold a harmful and a benign prompt" in found.reason
