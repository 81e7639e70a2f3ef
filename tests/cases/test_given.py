"""A suite out of a file: of this policy, each case once, and what it covers counted anew."""

from __future__ import annotations

import msgspec
import pytest

from obverse.cases.files import read_cases, write_cases
from obverse.cases.given import suite_of
from obverse.cases.invert import invert
from obverse.core.errors import UntrustedInputError
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse

POLICY = """---
policy: till
---
# Till

```terms
tool pay(to: text, amount: number) effect money
```

## Payments {#pay}

```rule
forbid pay when amount > 100
```
"""


@pytest.fixture(scope="module")
def checked() -> Checked:
    return check(parse(POLICY))


def test_a_suite_that_was_written_is_the_suite_that_is_read(checked: Checked) -> None:
    suite = invert(checked, seed=3)
    again = suite_of(checked, tuple(read_cases(write_cases(suite.cases))), seed=3)
    assert (again.cases, again.digest, again.coverage.met) == (suite.cases, suite.digest, suite.coverage.met)


def test_what_is_not_covered_is_open_and_not_impossible(checked: Checked) -> None:
    some = suite_of(checked, invert(checked, seed=0).cases[:1], seed=0)
    assert any(count.open for count in some.coverage.levels.values())
    assert not any(count.infeasible for count in some.coverage.levels.values())


def test_no_case_and_cases_of_another_policy_and_one_twice_are_refused(checked: Checked) -> None:
    cases = invert(checked, seed=0).cases
    other = msgspec.structs.replace(checked, digest="sha256:" + "0" * 64)
    with pytest.raises(UntrustedInputError, match="no case"):
        suite_of(checked, (), seed=0)
    with pytest.raises(UntrustedInputError, match="of another policy"):
        suite_of(other, cases, seed=0)
    with pytest.raises(UntrustedInputError, match="twice"):
        suite_of(checked, (*cases, cases[0]), seed=0)
