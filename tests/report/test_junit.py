"""JUnit as CI systems read it: the shape, the sums, and no trial that was not kept ever passes."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from tests.report.sim import summary

from obverse.report.junit import render_junit

CHILDREN = {
    "testsuites": {"testsuite"}, "testsuite": {"properties", "testcase"}, "properties": {"property"},
    "testcase": {"failure", "error", "skipped"}, "property": set(), "failure": set(), "error": set(), "skipped": set(),
}  # fmt: skip
SUMS = {"tests", "failures", "errors", "skipped"}
REQUIRED = {
    "testsuites": {"name", *SUMS}, "testsuite": {"name", *SUMS}, "testcase": {"name", "classname"},
    "property": {"name", "value"}, "failure": {"message", "type"}, "error": {"message", "type"}, "skipped": {"message"},
}  # fmt: skip


@pytest.fixture(scope="module")
def root() -> Element:
    return ElementTree.fromstring(render_junit(summary()).encode())


def test_it_has_the_shape_that_parsers_share(root: Element) -> None:
    assert root.tag == "testsuites"
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN[element.tag]
        assert REQUIRED.get(element.tag, set()) <= set(element.attrib)
        assert element.tag != "testcase" or len(element) <= 1


def test_a_suite_per_clause_and_side_and_a_test_per_case(root: Element) -> None:
    run = summary()
    assert [suite.attrib["name"] for suite in root][:2] == ["cancel.when (violation)", "cancel.when (over-refusal)"]
    assert (
        int(root.attrib["tests"])
        == sum(len(clause.cases) for clause in run.clauses)
        == len(root.findall(".//testcase"))
    )


def test_the_sums_are_those_of_the_parts(root: Element) -> None:
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        assert int(suite.attrib["failures"]) == len(suite.findall(".//failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall(".//error"))
        assert int(suite.attrib["skipped"]) == len(suite.findall(".//skipped"))
    assert {key: int(root.attrib[key]) for key in SUMS} == {
        key: sum(int(suite.attrib[key]) for suite in root) for key in SUMS
    }


def test_L11_a_case_passes_only_if_every_trial_of_it_was_kept(root: Element) -> None:
    kept = {line.case.id for clause in summary().clauses for line in clause.cases
            if line.tally.kept and not line.tally.broken + line.tally.unscored + line.tally.error}  # fmt: skip
    passed = {test.attrib["name"].rpartition("[")[2].rstrip("]") for test in root.iter("testcase") if len(test) == 0}
    assert passed == kept


def test_the_claim_stands_beside_its_tests(root: Element) -> None:
    values = {item.attrib["name"]: item.attrib["value"] for item in root[0].iter("property")}
    assert values["verdict"] == "fails"
    assert " of " in values["rate"]
    assert values["claimed"] == "below 5 %"


def test_a_failure_says_what_was_done_instead(root: Element) -> None:
    failure = next(root.iter("failure"))
    assert "cancel_reservation" in (failure.text or "")
    assert "round " in (failure.text or "")
