"""A run and an audit at the end of a command, and as JSON."""

from __future__ import annotations

import json

import msgspec
from tests.report.sim import summary

from obverse.campaign.records import Summary
from obverse.report.data import render_json
from obverse.report.terminal import render_text


def test_the_answer_is_the_first_line() -> None:
    assert render_text(summary()).splitlines()[0] == "Two clauses fail, one is undecided and three hold."


def test_every_claim_has_a_line_with_its_interval_and_number() -> None:
    run = summary()
    lines = render_text(run).splitlines()
    for clause in run.clauses:
        for claim in clause.claims:
            found = [line for line in lines if line.split()[:1] == [claim.verdict] and f" {clause.id} " in line]
            assert any(f"of {claim.n}" in line and "95 %" in line for line in found)


def test_what_fails_comes_first_and_what_is_unknown_is_named() -> None:
    text = render_text(summary())
    words = [line.split()[0] for line in text.splitlines() if "claimed below" in line and "all together" not in line]
    assert words == sorted(words, key=["fails", "undecided", "holds"].index)
    assert "What is not known" in text


def test_the_json_is_the_record() -> None:
    run = summary()
    assert msgspec.json.decode(render_json(run), type=Summary) == run
    assert json.loads(render_json(run))["schema"] == "obverse.summary/1"
