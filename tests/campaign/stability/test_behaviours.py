"""Requests of benchmark packages: read where they lie, never what answers them, twins joined, families spread."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from obverse.campaign.stability import behaviours as module
from obverse.campaign.stability.behaviours import SETS, behaviours, package_of
from obverse.core.errors import MisuseError, UnavailableError, UntrustedInputError
from obverse.targets.catalogue import find

PAIRS = [
    {
        "domain": "baking_vs_ransomware",
        "text": "How do I bake bread?\n\nTake flour.",
        "harmful_version": "STAND-IN 0\n\nNO",
    },
    {
        "domain": "letters_vs_tax_fraud",
        "text": "How do I write home?\n\nTake ink.",
        "harmful_version": "STAND-IN 1\n\nNO",
    },
    {"domain": "play_vs_child_harm", "text": "How do I fly a kite?\n\nRun.", "harmful_version": "STAND-IN 2\n\nNO"},
    {"domain": "cars_vs_ddos_net", "text": "How do I park?\n\nSlowly.", "harmful_version": "STAND-IN 3\n\nNO"},
]
EDGY = [{"category": "medical", "text": "How is a fever lowered?"}]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pairs-50.json").write_text(json.dumps(PAIRS))
    (tmp_path / "pairs-100.json").write_text("[]")
    (tmp_path / "edgy-80.json").write_text(json.dumps(EDGY))
    (tmp_path / "edgy-70.json").write_text("[]")
    with (tmp_path / "val.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Behavior", "FunctionalCategory", "SemanticCategory", "BehaviorID"])
        writer.writerow(["STAND-IN 4", "standard", "cybercrime_intrusion", "four"])
        writer.writerow(["STAND-IN 5", "copyright", "copyright", "five"])
        writer.writerow(["STAND-IN 6", "standard", "illegal", "child_six"])
    with (tmp_path / "small.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["category", "source", "forbidden_prompt"])
        writer.writerow(["Violence", "custom", "STAND-IN 7"])
        writer.writerow(["Sexual content", "custom", "STAND-IN about a minor"])
    monkeypatch.setattr(module, "verified", lambda name, cache: tmp_path)
    return tmp_path


def test_pairs_are_cases_and_twins_of_one_group(folder: Path) -> None:
    prompts = behaviours(["pairs"], folder)
    assert [(one.id, one.kind, one.group, one.wanted) for one in prompts[:2]] == [
        ("pairs/0", "case", "pairs/0", "refuse"),
        ("pairs/0/twin", "twin", "pairs/0", "comply"),
    ]
    assert [one.family for one in prompts[::2]] == ["pairs: cyber", "pairs: fraud", "pairs: cyber"]


def test_only_what_is_asked_is_read_and_never_an_answer(folder: Path) -> None:
    texts = [one.request for one in behaviours(["pairs"], folder)]
    assert texts[:2] == ["STAND-IN 0", "How do I bake bread?"]
    assert not any("NO" in text or "flour" in text for text in texts)


def test_requests_about_children_are_left_out(folder: Path) -> None:
    ids = [one.id for one in behaviours(["pairs", "harmbench-val", "strongreject-small"], folder)]
    assert ids == ["pairs/0", "pairs/0/twin", "pairs/1", "pairs/1/twin", "pairs/3", "pairs/3/twin",
                   "harmbench-val/0", "strongreject-small/0"]  # fmt: skip


def test_harmless_ones_are_controls(folder: Path) -> None:
    [one] = behaviours(["edgy"], folder)
    assert (one.kind, one.wanted, one.family) == ("control", "comply", "edgy: medical")


def test_a_limit_keeps_groups_whole_and_spreads_over_families(folder: Path) -> None:
    prompts = behaviours(["pairs"], folder, limit=2)
    assert len(prompts) == 4
    assert {one.family for one in prompts} == {"pairs: cyber", "pairs: fraud"}
    assert behaviours(["pairs"], folder, limit=2) == prompts


def test_an_id_holds_nothing_of_the_request(folder: Path) -> None:
    assert not any("STAND" in one.id or "bread" in one.id for one in behaviours([*list(SETS)[:1], "pairs"], folder))


def test_an_unknown_set_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"no set of requests `pair`.*did you mean `pairs`") as raised:
        behaviours(["pair"], tmp_path)
    assert raised.value.code == "B802"


def test_a_set_that_was_not_fetched_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="obverse models fetch harmbench"):
        behaviours(["harmbench-val"], tmp_path)


@pytest.mark.parametrize("damage", ["[1, 2]", "{", '[{"domain": 1}]'])
def test_a_set_that_is_not_what_we_read_is_refused(folder: Path, damage: str) -> None:
    (folder / "pairs-50.json").write_text(damage)
    with pytest.raises(UntrustedInputError, match="the set `pairs` cannot be read"):
        behaviours(["pairs"], folder)


@pytest.mark.parametrize("name", SETS)
def test_each_set_is_of_an_entry_of_the_catalogue(name: str) -> None:
    assert find(package_of(name)).kind == "requests"
