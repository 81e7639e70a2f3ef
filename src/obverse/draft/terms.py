"""The terms that drafts speak in: what is given, what was proposed, and the small policy that one statement's rules make.

A small policy holds the rules and no term that they do not draw on: so its digest names all that an answer about them rests
on, a new term changes nothing for others, and the solver looks at nothing else. Not here: where terms come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.declare import mentioned
from obverse.policy.faults import Faults
from obverse.policy.print import text_of
from obverse.policy.statements import split
from obverse.policy.syntax import parse_statement

CLAUSE: Final = "statement"
"""The id of the one clause of a small policy."""

_OF_TOOLS: Final = ("call", "denied", "proposed", "result", "any")


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What the person gave to draft with: terms as texts, and what the front matter of the policy is to say."""

    terms: tuple[str, ...] = ()
    default: ast.Defaults = ast.Defaults()
    levels: tuple[str, ...] = ("platform", "developer", "user")
    timezone: str = "+00:00"


def ground_of(checked: Checked) -> Ground:
    """The terms and the front matter of a policy, none of its rules; imported tools are written out."""
    lets = [term for term in checked.source.terms if isinstance(term, ast.LetTerm)]
    judged = [term for term in checked.source.terms if isinstance(term, ast.JudgedTerm)]
    terms: list[ast.Term] = [*checked.tools.values(), *checked.facts.values(), *judged, *lets]
    return Ground(
        terms=tuple(text_of(term) for term in terms),
        default=checked.default,
        levels=checked.levels,
        timezone=checked.source.timezone,
    )


def ground_of_tools(tools: Iterable[ast.Tool]) -> Ground:
    """Tools of a tool list as terms."""
    return Ground(terms=tuple(text_of(tool) for tool in tools))


def ground_of_text(text: str, *, source: str = "terms") -> Ground:
    """The statements of a block of terms.

    Raises:
        ManyErrors: with every fault of them.
    """
    terms = read_terms(text, source=source)
    check(policy_of(terms, ()), source=source)
    return Ground(terms=tuple(text_of(term) for term in terms))


def read_terms(text: str, *, source: str = "terms") -> tuple[ast.Term, ...]:
    """The terms of these lines; what needs another file, or completes another term, is refused.

    Raises:
        ManyErrors: with every fault of form.
    """
    faults = Faults(source)
    found: list[ast.Term] = []
    for statement in split("terms", 1, tuple(text.replace("\r\n", "\n").split("\n"))).statements:
        node = parse_statement("terms", statement, 0, faults)
        if isinstance(node, ast.Tool | ast.FactTerm | ast.JudgedTerm | ast.LetTerm):
            found.append(node)
        elif node is not None:
            faults.add("only `tool`, `fact`, `judged` and `let` can stand here", node.at, code="F104")
    faults.stop()
    return tuple(found)


def all_terms(ground: Ground, proposed: Sequence[str]) -> tuple[ast.Term, ...]:
    """The terms that were given and those that were proposed; a name that is given is not proposed any more.

    Raises:
        ManyErrors: someone edited them so that they cannot be read.
    """
    given = [term for text in ground.terms for term in read_terms(text, source="the given terms")]
    known = {name_of(term) for term in given}
    words = [term for text in proposed for term in read_terms(text, source="the vocabulary")]
    return (*given, *(term for term in words if name_of(term) not in known))


def read_rules(text: str, *, source: str = "rules") -> tuple[ast.Rule, ...]:
    """The rules of these lines.

    Raises:
        ManyErrors: with every fault of form.
    """
    faults = Faults(source)
    found: list[ast.Rule] = []
    for statement in split("rule", 1, tuple(text.replace("\r\n", "\n").split("\n"))).statements:
        node = parse_statement("rule", statement, 0, faults)
        if isinstance(node, ast.Rule):
            found.append(node)
    faults.stop()
    return tuple(found)


def name_of(term: ast.Term) -> str:
    """The name under which rules know a term."""
    match term:
        case ast.Tool() | ast.FactTerm() | ast.LetTerm():
            return term.name
        case ast.JudgedTerm():
            return term.full_name
    raise MisuseError(f"`{text_of(term)}` has no name of its own", code="F105")


def needed(terms: Sequence[ast.Term], rules: Iterable[ast.Rule]) -> tuple[ast.Term, ...]:
    """The terms that these rules draw on, those of definitions included, in the order given."""
    names: set[str] = set()
    nodes: list[ast.Node] = list(rules)
    known = {name_of(term): term for term in terms}
    while nodes:
        node = nodes.pop()
        for name in (*mentioned(node), *_by_kind(node, terms)):
            if name in known and name not in names:
                names.add(name)
                term = known[name]
                nodes += [term.body] if isinstance(term, ast.LetTerm) else []
    return tuple(term for term in terms if name_of(term) in names)


def _by_kind(node: ast.Node, terms: Sequence[ast.Term]) -> list[str]:
    """What a node means without naming it: every tool, every fact."""
    tools, facts = False, False
    for one in ast.walk(node):
        match one:
            case ast.Head():
                tools = tools or one.kind == "any"
            case ast.Pattern():
                tools = tools or (one.tool is None and one.kind in _OF_TOOLS)
                facts = facts or (one.fact is None and one.kind in {"fact", "any"})
            case ast.TurnCalls() | ast.TurnHasText():
                tools = True  # what stands beside the step is of some tool
            case ast.Name():
                tools = tools or one.path == ("tool",)
            case _:
                pass
    return [
        name_of(term)
        for term in terms
        if (tools and isinstance(term, ast.Tool)) or (facts and isinstance(term, ast.FactTerm))
    ]


def policy_of(
    terms: Sequence[ast.Term], rules: Sequence[ast.Rule], ground: Ground | None = None, *, name: str = "draft"
) -> ast.Policy:
    """A policy of one clause without prose that holds these rules and these terms."""
    front = ground or Ground()
    level = "developer" if "developer" in front.levels else front.levels[0]
    clause = ast.Clause(id=CLAUSE, title="", prose="", level=level, rules=tuple(rules))
    return ast.Policy(
        name=name,
        version="1",
        default=front.default,
        levels=front.levels,
        timezone=front.timezone,
        terms=tuple(terms),
        clauses=(clause,),
    )


def small(terms: Sequence[ast.Term], rules: Sequence[ast.Rule], ground: Ground, *, source: str = "reply") -> Checked:
    """The checked policy of these rules with the terms that they draw on; its digest names what they mean.

    Raises:
        ManyErrors: with every fault of what names mean.
    """
    try:
        return check(policy_of(needed(terms, rules), rules, ground), source=source)
    except UntrustedInputError:
        check(policy_of(terms, rules, ground), source=source)  # with every term known, for the better hints
        raise
