"""A target, a user or a policy writes what it likes; the report shows it as text, and nothing else happens."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import msgspec
import pytest
from tests.report.sim import SKETCHES, summary

from obverse.campaign.records import ClauseView, Summary
from obverse.core.events import Call
from obverse.report.data import render_json
from obverse.report.html import render_html
from obverse.report.junit import render_junit
from obverse.report.terminal import render_text

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "closes": "</style></p></div></main></body></html><script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)" x="',
    "quote": "' onfocus='alert(1)' autofocus='",
    "picture": "<img src=x onerror=alert(1)>",
    "markdown": "[click](javascript:alert(1)) ![p](http://evil.example/p.png) <http://evil.example>",
    "template": "{{ page }} {% include '/etc/passwd' %}",
    "entity": "&lt;script&gt; &#0; &unknown;",
    "cdata": "]]><failure/><![CDATA[",
    "control": "\x00\x1b[2J\x07\x9b31m\u2028",
    "direction": "\u202egnp.exe\u2066\u2069",
    "half": "\ud800 \udfff \ufffe \uffff",
    "deep": "[" * 100_000,
    "number": '{"n": 1' + "0" * 5000 + "}",
}  # fmt: skip


def poisoned(text: str) -> Summary:
    """A run in which every text that somebody else wrote is this one."""
    clean = summary(sketches=SKETCHES[:2], reply=text)
    clauses = tuple(_poisoned(clause, text) for clause in clean.clauses)
    plan = msgspec.structs.replace(
        clean.plan, policy_name=text, policy_version=text, target=text, fingerprint=text, attacker=text, stopping=text
    )
    return msgspec.structs.replace(
        clean, plan=plan, clauses=clauses, ended=text, errors={text: 3}, complete=False,
        judges=tuple(msgspec.structs.replace(judge, predicate=text, judge=text, measured_on=text) for judge in clean.judges),
    )  # fmt: skip


def _poisoned(clause: ClauseView, text: str) -> ClauseView:
    lines = []
    for line in clause.cases:
        call = Call(id="act", call_id="c", tool=text, arguments=text)
        case = msgspec.structs.replace(
            line.case, step=msgspec.structs.replace(line.case.step, event=call), flipped=text, system=text
        )
        shown = tuple(msgspec.structs.replace(trial, reason=text, error=None) for trial in line.shown)
        lines.append(msgspec.structs.replace(line, case=case, shown=shown))
    claims = tuple(msgspec.structs.replace(claim, why=text, method=text, judge=text) for claim in clause.claims)
    return msgspec.structs.replace(
        clause,
        id=text,
        title=text,
        prose=text,
        level=text,
        severity=text,
        rules=(text,),
        infeasible=(text,),
        cases=tuple(lines),
        claims=claims,
    )


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    return request.param


def test_no_foreign_text_becomes_markup_or_an_attribute(hostile: str) -> None:
    page, plain = render_html(poisoned(hostile)), render_html(poisoned("plain"))
    assert set(re.findall(r"<([a-z]+)", page)) - {"ol", "ul", "li", "em", "strong", "code", "p"} <= set(
        re.findall(r"<([a-z]+)", plain)
    )
    names = set(re.findall(r"<[a-z][^<>]*?\s([a-z-]+)=", page))
    assert not {name for name in names if name.startswith("on") or name in {"src", "style", "srcdoc"}}
    assert 'href="http' not in page
    assert "javascript:" not in re.sub(r">[^<]*<", "><", page)


def test_nothing_hidden_is_left_in_a_page(hostile: str) -> None:
    page = render_html(poisoned(hostile))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]", page
    )
    page.encode()


def test_junit_stays_one_document_with_the_same_tests(hostile: str) -> None:
    found = ElementTree.fromstring(render_junit(poisoned(hostile)).encode())
    plain = ElementTree.fromstring(render_junit(poisoned("plain")).encode())
    assert [element.tag for element in found.iter()] == [element.tag for element in plain.iter()]


def test_a_terminal_is_not_steered(hostile: str) -> None:
    text = render_text(poisoned(hostile))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)


def test_the_json_holds_what_was_written(hostile: str) -> None:
    assert json.loads(render_json(poisoned(hostile)))["plan"]["target"] == hostile


def test_a_reply_of_a_hundred_thousand_characters_is_cut_with_a_mark() -> None:
    page = render_html(summary(sketches=SKETCHES[:1], reply="word " * 20_000))
    assert "92,000 of 100,000 characters are not shown here" in page
