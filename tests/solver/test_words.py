"""What is said in other words and changes no verdict is told apart from what does."""

from __future__ import annotations

import pytest

from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse
from obverse.solver.compare import compare
from obverse.solver.words import words

TEXT = """---
policy: till
version: 1
---
# Till

Some words.

```terms
tool pay(to: text, amount: number) effect money asks "Pay {to}."
fact user.verified: bool from host
judged message.angry "The user is angry." yes "Argh!" no "Hello."
```

## Pay {#pay level=developer severity=low}

Nobody is paid more than 100.

```rule
forbid pay when amount > 100 says "Too much."
permit pay when amount < 5
ask pay when last message has message.angry
```
"""


def version(*changes: tuple[str, str]) -> Checked:
    """The policy with these texts replaced, each of which it holds."""
    text = TEXT
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return check(parse(text))


def told(*changes: tuple[str, str]) -> list[tuple[str, str]]:
    """What is told of these changes."""
    old, new = version(), version(*changes)
    return [(one.what, one.name) for one in words(old, new, compare(old, new))]


@pytest.mark.parametrize(
    ("before", "after", "what", "name"),
    [
        ("Nobody is", "No one is", "prose", "pay"),
        ("## Pay", "## Paying", "prose", "pay"),
        ("Some words.", "Other words.", "prose", ""),
        ("level=developer", "level=user", "level", "pay"),
        ("severity=low", "severity=high", "severity", "pay"),
        ("severity=low", "severity=low inviolable", "inviolable", "pay"),
        ("Too much.", "Far too much.", "says", "pay/1"),
        ("amount < 5", "amount < 6", "permit", "pay/2"),
        ("amount > 100", "100 < amount", "rule", "pay/1"),
        ("amount > 100", "amount > 100 and amount > 50", "rule", "pay/1"),
        ("user is angry", "user is very angry", "judge", "message.angry"),
        ('"Argh!"', '"Grr!"', "judge", "message.angry"),
        ("Pay {to}.", "Please pay {to}.", "tool", "pay"),
        ("from host", "from login", "fact", "user.verified"),
        ("version: 1", "version: 1\nlevels: [platform, developer, user, guest]", "front matter", "levels"),
        ("version: 1", "version: 1\ntimezone: '+02:00'", "front matter", "timezone"),
        ("version: 1", "version: 1\ndefault: {turn: allowed-part}", "front matter", "turn"),
    ],
)
def test_what_changes_no_verdict_is_told_by_its_name(before: str, after: str, what: str, name: str) -> None:
    assert told((before, after)) == [(what, name)]


def test_nothing_is_told_of_the_same_policy_or_of_another_version_of_it() -> None:
    assert told() == []
    assert told(("version: 1", "version: 2")) == []


def test_what_changes_a_verdict_is_no_matter_of_words() -> None:
    assert told(("amount > 100", "amount > 99")) == []


def test_a_rule_that_comes_or_goes_for_nothing_is_told() -> None:
    extra = ("permit pay", "forbid pay when amount > 200\npermit pay")
    old, new = version(), version(extra)
    assert [one.message for one in words(old, new, compare(old, new))] == [
        "the rule is new, which changes no verdict: `forbid pay when amount > 200`"
    ]
    assert "the rule is gone" in words(new, old, compare(new, old))[0].message


def test_a_clause_without_a_rule_that_comes_or_goes_is_told() -> None:
    old = version()
    new = check(parse(TEXT + "\n## Manners {#manners}\n\nBe kind.\n"))
    assert [(one.what, one.message) for one in words(old, new, compare(old, new))] == [
        ("clause", "the clause is new; it has no rule")
    ]
    assert words(new, old, compare(new, old))[0].message == "the clause is gone; it has no rule"
