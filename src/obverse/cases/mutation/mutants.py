"""`mutants`: every policy that is one fault away from this one, and well typed.

1. An operator changes the tree of a rule, or of a definition, as written.
2. `check` resolves the changed rule (or all rules that use the definition); what it refuses is no mutant: its author would
   have been told.
3. What resolves to the rules that were there is no mutant; what resolves to the same as an earlier mutant is that mutant.

Deterministic: in the order of the document, then of the tree, then of the operators. A definition is changed once, for all
rules that use it, as its author would have done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from obverse.cases.conditions import put
from obverse.cases.mutation.operators import NAMES, OPERATORS, PRECEDENCE
from obverse.cases.mutation.records import Mutant
from obverse.cases.mutation.sites import Site, sites
from obverse.cases.mutation.vocabulary import Vocabulary
from obverse.cases.mutation.whole import Nothing, as_kind
from obverse.core.canon import digest
from obverse.core.errors import Span, UntrustedInputError
from obverse.core.verdicts import Verdict
from obverse.policy import ast
from obverse.policy.check import RuleCheck
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.print import text_of
from obverse.solver.answers import Act
from obverse.solver.normal import normal, shape
from obverse.solver.questions import acts_of

MOST = 20_000
"""So many mutants of one policy are made, the first ones of the document; who wants all of a larger policy scores it in parts."""


def mutants(checked: Checked, *, operators: Collection[str] = NAMES, most: int = MOST) -> tuple[Mutant, ...]:
    """The mutants of these operators, in the order of the document."""
    found: dict[str, Mutant] = {}
    for mutant in _Maker(checked, operators).all():
        found.setdefault(mutant.id, mutant)  # (3)
        if len(found) >= most:
            break
    return tuple(found.values())


class _Maker:
    def __init__(self, checked: Checked, operators: Collection[str]) -> None:
        self.checked = checked
        self.policy = checked.source
        self.terms = RuleCheck(self.policy)
        self.words = Vocabulary(checked)
        self.operators = [operator for operator in OPERATORS if operator.name in operators]
        self.precedence = PRECEDENCE in operators
        self.rules = {rule.id: rule for rule in checked.rules}
        self.written = {
            f"{clause.id}/{number}": (clause, rule)
            for clause in self.policy.clauses
            for number, rule in enumerate(clause.rules, 1)
        }

    def all(self) -> Iterator[Mutant]:
        """Rules, then definitions, then pairs of rules."""
        for name, (clause, rule) in self.written.items():
            for operator, site, new in self._changes(rule):
                if operator == "verdict" or not self._is_silent(name):
                    yield from self._of_rule(operator, name, clause, rule, site, new)
        for term in self.policy.terms:
            if isinstance(term, ast.LetTerm):
                for operator, site, new in self._changes(term):
                    yield from self._of_definition(operator, term, site, new)
        if self.precedence:
            yield from self._exchanged()

    def _is_silent(self, name: str) -> bool:
        """A permit gives no verdict: what is changed in it is not seen, unless replies need one or it gets a verdict itself."""
        return self.rules[name].kind == "permit" and self.checked.default.replies == "allow"

    def _changes(self, root: ast.Node) -> Iterator[tuple[str, Site, ast.Node]]:  # (1)
        for site in sites(root):
            for operator in self.operators:
                for new in operator.at(site, self.words):
                    yield operator.name, site, new

    # --- (2) what the change means --------------------------------------------------------------------------------------

    def _of_rule(
        self, operator: str, name: str, clause: ast.Clause, rule: ast.Rule, site: Site, new: ast.Node
    ) -> Iterator[Mutant]:
        if isinstance(new, Nothing):
            yield self._mutant(operator, clause.id, name, text_of(rule), "", rule.at, (), (name,))
            return
        changed = put(rule, site.place, new)  # type: ignore[arg-type]  # any node has fields
        resolved = self._resolved(name, clause.id, changed)  # type: ignore[arg-type]  # the root stays a rule
        if resolved is not None and not _same(resolved, self.rules[name]):
            before, after, at = _told(site, new)
            yield self._mutant(operator, clause.id, name, before, after, at or rule.at, (resolved,))

    def _resolved(self, name: str, clause: str, rule: ast.Rule, within: RuleCheck | None = None) -> CheckedRule | None:
        """The rule as `check` understands it; a judge may decide alone here, since that is not what is tested."""
        trusted = msgspec.structs.replace(rule, trusting_judge=True)
        return (within or self.terms).checked(trusted, name=name, clause=clause)

    def _of_definition(self, operator: str, term: ast.LetTerm, site: Site, new: ast.Node) -> Iterator[Mutant]:
        if site.node is term or isinstance(new, Nothing):
            return
        changed = put(term, site.place, new)  # type: ignore[arg-type]  # any node has fields
        terms = tuple(changed if one is term else one for one in self.policy.terms)
        try:
            within = RuleCheck(msgspec.structs.replace(self.policy, terms=terms))
        except UntrustedInputError:
            return
        resolved = [self._resolved(name, clause.id, rule, within) for name, (clause, rule) in self.written.items()]
        rules = [rule for rule in resolved if rule is not None]
        if len(rules) < len(resolved):
            return
        differing = tuple(rule for rule in rules if not _same(rule, self.rules[rule.id]))
        if differing:
            before, after, at = _told(site, new)
            name, clause = f"let {term.name}", differing[0].clause
            yield self._mutant(operator, clause, name, before, after, at or term.at, differing)

    def _exchanged(self) -> Iterator[Mutant]:
        """Each rule and the next one that may speak of the same step with another verdict, verdicts exchanged."""
        for one, other in _neighbours(self.checked):
            (first, left), (second, right) = self.written[one.id], self.written[other.id]
            new_left, new_right = as_kind(left, _plain_kind(right)), as_kind(right, _plain_kind(left))
            resolved = [self._resolved(one.id, first.id, new_left), self._resolved(other.id, second.id, new_right)]
            found = tuple(rule for rule in resolved if rule is not None)
            if len(found) == len(resolved):
                before, after = f"{text_of(left)}\n{text_of(right)}", f"{text_of(new_left)}\n{text_of(new_right)}"
                yield self._mutant(PRECEDENCE, one.clause, one.id, before, after, left.at, found)

    def _mutant(
        self,
        operator: str,
        clause: str,
        rule: str,
        before: str,
        after: str,
        at: Span | None,
        replaced: tuple[CheckedRule, ...],
        dropped: tuple[str, ...] = (),
    ) -> Mutant:
        return Mutant(
            id=_id(replaced, dropped), operator=operator, clause=clause, rule=rule, before=before, after=after, at=at,
            replaced=replaced, dropped=dropped,
        )  # fmt: skip


def _told(site: Site, new: ast.Node) -> tuple[str, str, Span | None]:
    """The part before and after. A value alone says nothing: then the whole that holds it is shown."""
    holder = site.holder
    if (
        holder is not None
        and not site.is_condition
        and isinstance(holder, ast.Compare | ast.In | ast.TextTest | ast.Arith | ast.Listing)
    ):
        whole = put(holder, (site.place[-1],), new)
        return text_of(holder), text_of(whole), site.node.at
    return text_of(site.node), text_of(new), site.node.at


def _neighbours(checked: Checked) -> Iterator[tuple[CheckedRule, CheckedRule]]:
    """For each rule that has a verdict to exchange, the next one after it with another verdict at one of its acts."""
    rules = [rule for rule in checked.rules if rule.verdict is not None and rule.kind != "limit"]
    ahead: dict[Act, dict[Verdict | None, int]] = {}
    found: list[tuple[CheckedRule, CheckedRule]] = []
    for place in range(len(rules) - 1, -1, -1):
        rule, acts = rules[place], acts_of(checked, rules[place])
        others = [at for act in acts for given, at in ahead.get(act, {}).items() if given is not rule.verdict]
        if others:
            found.append((rule, rules[min(others)]))
        for act in acts:
            ahead.setdefault(act, {})[rule.verdict] = place
    yield from reversed(found)


def _plain_kind(rule: ast.Rule) -> str:
    return "forbid" if rule.kind == "require" else rule.kind


def _same(one: CheckedRule, other: CheckedRule) -> bool:
    return (one.kind, one.heads, one.fires, one.people) == (other.kind, other.heads, other.fires, other.people)


def _id(replaced: Sequence[CheckedRule], dropped: Sequence[str]) -> str:
    """The digest of what the mutant means, in one form: two ways to the same rules are one mutant."""
    rules = [[r.id, str(r.verdict), shape(r.heads), shape(normal(r.fires)), r.people] for r in replaced]
    return digest([rules, list(dropped)]).removeprefix("sha256:")[:12]
