"""Obverse: a written policy is checked, turned into tests, run against a model, and held against what an agent did.

    >>> import obverse
    >>> policy = '''---
    ... policy: till
    ... ---
    ... # At most a hundred {#hundred}
    ... ```terms
    ... tool pay(to: text, amount: number) effect money
    ... ```
    ... ```rule
    ... forbid pay when amount > 100
    ... ```
    ... '''
    >>> checked = obverse.check(obverse.parse(policy))
    >>> call = obverse.Call(id="e1", call_id="c1", tool="pay", arguments='{"to": "anna", "amount": 120}')
    >>> obverse.decide(checked, history=(), step=obverse.Step(event=call, turn=(call,))).verdict
    <Verdict.DENY: 'deny'>
    >>> suite = obverse.invert(checked)
    >>> sorted({case.verdict.value for case in suite.cases})
    ['allow', 'deny']

Names load when they are first used: `import obverse` itself loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from obverse.core.version import VERSION

if TYPE_CHECKING:
    from obverse.cases.invert import invert
    from obverse.core.errors import ManyErrors, MisuseError, ObverseError, UnavailableError, UntrustedInputError
    from obverse.core.events import Call, Message, Reply, Result, Step, Transcript
    from obverse.core.verdicts import Outcome, Side, Truth, Verdict
    from obverse.policy.check import check
    from obverse.policy.checked import Checked
    from obverse.policy.decide import decide
    from obverse.policy.decision import Decision
    from obverse.policy.monitor import Monitor
    from obverse.policy.parse import parse
    from obverse.solver.analyse import analyse
    from obverse.stats.estimates import estimate

__version__ = VERSION

_HOMES = {
    "Call": "core.events",
    "Checked": "policy.checked",
    "Decision": "policy.decision",
    "ManyErrors": "core.errors",
    "Message": "core.events",
    "MisuseError": "core.errors",
    "Monitor": "policy.monitor",
    "ObverseError": "core.errors",
    "Outcome": "core.verdicts",
    "Reply": "core.events",
    "Result": "core.events",
    "Side": "core.verdicts",
    "Step": "core.events",
    "Transcript": "core.events",
    "Truth": "core.verdicts",
    "UnavailableError": "core.errors",
    "UntrustedInputError": "core.errors",
    "Verdict": "core.verdicts",
    "analyse": "solver.analyse",
    "check": "policy.check",
    "decide": "policy.decide",
    "estimate": "stats.estimates",
    "invert": "cases.invert",
    "parse": "policy.parse",
}

__all__ = [
    "Call",
    "Checked",
    "Decision",
    "ManyErrors",
    "Message",
    "MisuseError",
    "Monitor",
    "ObverseError",
    "Outcome",
    "Reply",
    "Result",
    "Side",
    "Step",
    "Transcript",
    "Truth",
    "UnavailableError",
    "UntrustedInputError",
    "Verdict",
    "__version__",
    "analyse",
    "check",
    "decide",
    "estimate",
    "invert",
    "parse",
]


def __getattr__(name: str) -> object:
    """A public name, from the room that it lives in."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"obverse has no `{name}`")
    found: object = getattr(importlib.import_module(f"obverse.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
