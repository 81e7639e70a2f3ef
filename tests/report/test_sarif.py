"""SARIF 2.1.0: what the standard requires of a log, what code hosts rely on, and that nothing of a policy escapes its string."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse
from obverse.report.sarif import LEVELS, render_sarif
from obverse.solver.analyse import analyse, examine
from obverse.solver.findings import MEANINGS

POLICY = """---
policy: shop
levels: [high, low]
---
# Shop

```terms
tool refund(id: text, amount: number) effect money
tool cancel(id: text) effect write
fact verified: bool
```

## Refunds {#refunds level=high}

```rule
forbid refund when amount > 100 and amount < 50
ask refund when amount > 100
```

## Mays {#mays level=low}

```rule
permit refund when verified
```

## Prose {#prose}

Nobody checks this.
"""


def checked(text: str = POLICY) -> Checked:
    return check(parse(text))


def log(text: str = POLICY, source: str = "policies/shop policy.md") -> dict[str, Any]:
    found = checked(text)
    whole: dict[str, Any] = json.loads(json.dumps(render_sarif(found, analyse(found), source=source)))
    return whole


def results(whole: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = whole["runs"][0]["results"]
    return found


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_a_log_has_what_the_standard_requires() -> None:
    whole = log()
    assert whole["version"] == "2.1.0"  # 3.13.2
    assert whole["$schema"].endswith("sarif-schema-2.1.0.json")  # 3.13.3
    (run,) = whole["runs"]  # 3.13.4
    driver = run["tool"]["driver"]  # 3.14.6, 3.18.2
    assert driver["name"] == "obverse"  # 3.19.8
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", driver["semanticVersion"])  # 3.19.12
    assert run["invocations"][0]["executionSuccessful"] is True  # 3.20.14
    assert run["columnKind"] == "unicodeCodePoints"  # 3.14.17: how the spans of a policy count
    identifiers = [rule["id"] for rule in driver["rules"]]
    assert len(identifiers) == len(set(identifiers))  # 3.19.23
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]  # 3.49.9, 3.11
        assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}  # 3.50.3
    for result in run["results"]:
        assert result["message"]["text"]  # 3.27.11
        assert identifiers[result["ruleIndex"]] == result["ruleId"]  # 3.27.6
        assert result["kind"] in {"fail", "open"}  # 3.27.9
        assert result["level"] in ({"note", "warning", "error"} if result["kind"] == "fail" else {"none"})  # 3.27.10
    for node in nodes(run):
        if "startLine" in node:
            assert node["startLine"] >= 1  # 3.30.5
            assert (node["endLine"], node["endColumn"]) > (node["startLine"], node["startColumn"])  # 3.30.7, 3.30.8
        if "uri" in node:
            assert re.fullmatch(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+", node["uri"])  # RFC 3986
        if "threadFlows" in node:
            assert all(flow["locations"] for flow in node["threadFlows"])  # 3.37.6


def test_a_finding_stands_at_its_rule_with_its_level() -> None:
    found = {result["ruleId"]: result for result in results(log())}
    never = found["S201"]
    assert never["level"] == "error"
    assert never["locations"][0]["physicalLocation"]["region"]["startLine"] == 16
    assert found["S208"]["level"] == "note"
    assert found["S217"]["locations"][0]["logicalLocations"] == [{"name": "tool cancel", "kind": "declaration"}]
    assert {LEVELS[severity] for severity, _ in MEANINGS.values()} == {"error", "warning", "note"}


def test_a_witness_is_a_code_flow_and_rules_that_take_part_are_related() -> None:
    found = {result["ruleId"]: result for result in results(log())}
    (flow,) = found["S205"]["codeFlows"]
    said = [step["location"]["message"]["text"] for step in flow["threadFlows"][0]["locations"]]
    assert said[0] == "known verified true"
    assert said[-2].startswith("proposed: agent calls refund")
    assert said[-1] == "decided: ask"
    assert [step["executionOrder"] for step in flow["threadFlows"][0]["locations"]] == [1, 2, 3, 4]
    (related,) = found["S205"]["relatedLocations"]
    assert related["physicalLocation"]["region"]["startLine"] == 17
    assert "codeFlows" not in found["S208"]


def test_a_relative_path_has_a_base_and_an_absolute_one_is_a_file() -> None:
    def location(source: str) -> dict[str, str]:
        found: dict[str, str] = log(source=source)["runs"][0]["artifacts"][0]["location"]
        return found

    assert location("policies/shop policy.md") == {"uri": "policies/shop%20policy.md", "uriBaseId": "%SRCROOT%"}
    assert location("/srv/ä.md") == {"uri": "file:///srv/%C3%A4.md"}


def test_fingerprints_stay_where_the_finding_stays() -> None:
    def prints(text: str) -> dict[str, str]:
        return {one["ruleId"]: one["partialFingerprints"]["obverse/v1"] for one in results(log(text))}

    moved = POLICY.replace("# Shop", "# Shop\n\nSome words.").replace("amount < 50", "amount < 49")
    assert prints(moved) == prints(POLICY)
    assert prints(POLICY.replace("{#refunds", "{#other"))["S201"] != prints(POLICY)["S201"]
    every = [one["partialFingerprints"]["obverse/v1"] for one in results(log())]
    assert len(every) == len(set(every))


def test_what_stayed_open_is_a_result_that_passes_for_nothing() -> None:
    found = checked()
    examination = examine(found, stop=lambda: "time is up")
    for _ in examination:
        pass
    analysis = examination.analysis()
    whole = render_sarif(found, analysis, source="shop.md")
    left = [one for one in results(whole) if one["kind"] == "open"]
    assert len(left) == len(analysis.undecided) > 0
    assert {(one["level"], one["message"]["text"]) for one in left} == {("none", "not decided: not asked: time is up")}


@pytest.mark.parametrize("name", ['x"}]', "<script>", "\u202ereversed", "a\u0000b"], ids=repr)
def test_names_of_a_policy_stay_inside_their_strings(name: str) -> None:
    text = POLICY.replace("tool cancel", f"tool `{name}`") if "\u0000" not in name else POLICY
    found = checked(text)
    whole = render_sarif(found, analyse(found), source=name)
    assert json.loads(json.dumps(whole)) == whole
    assert "\u202e" not in json.dumps(whole, ensure_ascii=False)
