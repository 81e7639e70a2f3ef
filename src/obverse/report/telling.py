"""What a run must say beside its figures: what is not known, how it was done, what it cost, and what it does not say."""

from __future__ import annotations

from collections.abc import Iterator

from obverse.campaign.records import ClaimLine, JudgeLine, Plan, Summary
from obverse.report.claims import standing
from obverse.report.views import Term
from obverse.report.visible import one_line
from obverse.report.wording import count, interval, listed, percent, plain_percent, seconds, short

_SHOWN = 6  # names in one sentence; the rest is counted


def gist(summary: Summary) -> tuple[str, ...]:
    """The same as `unknown` in a few short lines, for the first screen."""
    claims = [claim for clause in summary.clauses for claim in clause.claims]
    undecided = sum(claim.verdict == "undecided" for claim in claims)
    untried = sum(standing(clause.claims) == "untried" for clause in summary.clauses)
    unmeasured = sum(judge.sensitivity is None or judge.specificity is None for judge in summary.judges)
    lines = (
        "" if summary.complete else "The run was cut short",
        f"{undecided:,} of {count(len(claims), 'claim')} undecided" if undecided else "",
        f"{count(summary.tally.unscored, 'trial')} without a score" if summary.tally.unscored else "",
        f"{count(summary.tally.error, 'trial')} ended in an error" if summary.tally.error else "",
        f"{count(untried, 'clause')} with nothing to try" if untried else "",
        f"{unmeasured:,} of {count(len(summary.judges), 'judge')} never measured" if unmeasured else "",
    )
    return tuple(line for line in lines if line) or ("Everything was tried, scored and settled",)


def unknown(summary: Summary) -> Iterator[str]:
    """Everything that this run leaves open, most important first."""
    if not summary.complete:
        yield f"The run did not come to its end: {one_line(summary.ended, 300)}."
    for clause in summary.clauses:
        for claim in clause.claims:
            if claim.verdict == "undecided":
                yield _undecided(claim, clause.title)
    untried = [one_line(clause.title) for clause in summary.clauses if standing(clause.claims) == "untried"]
    if untried:
        yield f"Not tried, since nothing testable follows from {'it' if len(untried) == 1 else 'them'}: {_some(untried)}."
    if summary.tally.unscored:
        yield f"{count(summary.tally.unscored, 'trial')} could not be scored; no rate takes them for kept."
    if summary.tally.error:
        kinds = [f"{one_line(kind)} ({times:,})" for kind, times in sorted(summary.errors.items())]
        yield f"{count(summary.tally.error, 'trial')} ended in an error{f': {_some(kinds)}' if kinds else ''}."
    for judge in summary.judges:
        if judge.sensitivity is None or judge.specificity is None:
            yield f"How often the judge {short(one_line(judge.judge))} errs on {one_line(judge.predicate)} was not measured."
    opened = sum(counts.get("open", 0) for clause in summary.clauses for counts in clause.coverage.values())
    if opened:
        yield f"{count(opened, 'obligation')} {'is' if opened == 1 else 'are'} neither met by a case nor proved impossible."


def _undecided(claim: ClaimLine, title: str) -> str:
    side = "violations" if claim.side == "violation" else "over-refusals"
    more = "" if claim.more is None else f"; {count(claim.more, 'more trial')} without a failure would settle it"
    return f"{one_line(title)}: {side} are undecided, {one_line(claim.why, 300) or 'too little data'}{more}."


def _some(names: list[str]) -> str:
    return listed(names) if len(names) <= _SHOWN else f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"


def plan_terms(summary: Summary) -> list[Term]:
    """What was fixed before the first trial (L18)."""
    plan = summary.plan
    sampling = plan.sampling
    return [
        Term(name="plan", value=summary.plan_digest, exact=True, note="fixed before the first trial"),
        Term(name="policy", value=plan.policy, exact=True),
        Term(name="cases", value=plan.suite, exact=True),
        Term(name="target", value=one_line(plan.target), exact=True, note=one_line(plan.fingerprint)),
        Term(name="mode", value=plan.mode),
        Term(name="sampling", value=f"temperature {sampling.temperature:g}, at most {sampling.max_tokens} tokens, seed {sampling.seed}"),
        Term(name="seed", value=str(plan.seed)),
        Term(name="trials", value=f"{plan.per_case:,} per case, {plan.trials:,} at most"),
        Term(name="claims", value=f"{len(plan.claims):,}, with {plain_percent(plan.confidence)} confidence", note=_power(plan)),
        Term(name="stopping", value=one_line(plan.stopping, 300)),
        Term(name="over all clauses", value=one_line(plan.family_wise, 300)),
        Term(name="attacker", value=one_line(plan.attacker, 300)),
        Term(name="judges", value=one_line(", ".join(plan.judges), 300) or "none", exact=bool(plan.judges)),
        Term(name="caps", value=_caps(plan)),
    ]  # fmt: skip


def _power(plan: Plan) -> str:
    known = [claim.smallest for claim in plan.claims if claim.smallest is not None]
    return f"the smallest rate that can be ruled out is {percent(min(known), 'up')}" if known else ""


def _caps(plan: Plan) -> str:
    caps = plan.caps
    currency = f" {plan.price.currency}" if plan.price else ""
    parts = [
        "" if caps.calls is None else f"{caps.calls:,} calls",
        "" if caps.tokens is None else f"{caps.tokens:,} tokens",
        "" if caps.money is None else one_line(f"{caps.money}{currency}"),
        "" if caps.seconds is None else seconds(caps.seconds),
    ]
    return listed([part for part in parts if part]) or "none"


def spent_terms(summary: Summary) -> list[Term]:
    """What it cost, beside what was foreseen."""
    plan = summary.plan
    currency = f" {plan.price.currency}" if plan.price else ""
    return [
        Term(name="calls", value=f"{summary.calls:,}"),
        Term(name="prompt tokens", value=_known(summary.prompt_tokens), note=f"foreseen {plan.prompt_tokens:,}"),
        Term(name="answer tokens", value=_known(summary.completion_tokens), note=f"foreseen {plan.completion_tokens:,}"),
        Term(
            name="money", value="not known" if summary.money is None else f"{one_line(summary.money)}{currency}",
            note="no price was given" if plan.price is None else f"foreseen {one_line(plan.money or 'unknown')}{currency}",
        ),
        Term(name="time", value="not known" if summary.seconds is None else seconds(summary.seconds)),
        Term(name="ended", value=one_line(summary.ended, 300)),
    ]  # fmt: skip


def _known(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def judge_term(judge: JudgeLine) -> Term:
    """A judge with its measured errors, or the plain word that they are not known."""
    parts = [
        f"{name} {percent(value[0])} ({interval(value[1], value[2])})"
        for name, value in (("sensitivity", judge.sensitivity), ("specificity", judge.specificity))
        if value is not None
    ]
    measured = f"measured on {one_line(judge.measured_on, 300)}" if judge.measured_on else "not measured on labels"
    return Term(
        name=one_line(judge.predicate),
        value=", ".join(parts) or "its errors are not known",
        note=f"{short(one_line(judge.judge))}; {measured}",
    )


def limits(summary: Summary) -> list[Term]:
    """What this report does not say, in the words of this run."""
    plan = summary.plan
    cases = sum(len(clause.cases) for clause in summary.clauses)
    infeasible = sum(len(clause.infeasible) for clause in summary.clauses)
    found = [
        Term(
            name="A cleverer attacker",
            value=f"The attacker of these claims: {one_line(plan.attacker, 300)}. What somebody achieves who searches for a way round, this run does not tell.",
        ),
        Term(
            name="Other situations",
            value=f"A rate is one over the {count(cases, 'case')} of this suite, each weighing the same. Your users ask other things, in other shares.",
        ),
        Term(name="Another target", value=f"Tried was {one_line(plan.target)} with this sampling, on this day. A new version is a new target."),
        Term(
            name="The policy itself",
            value="Whether the rules say what the prose means, and whether the prose is wise, is for people to read. No duty or law is said to be met.",
        ),
    ]  # fmt: skip
    if summary.judges:
        found.insert(2, Term(
            name="The judge's errors",
            value=f"{count(len(summary.judges), 'judge')} took part. Where their errors were measured they stand under “How it was done”; where they were not, no interval allows for them.",
        ))  # fmt: skip
    if infeasible:
        found.append(Term(
            name="The impossible",
            value=f"No case can meet {count(infeasible, 'obligation')} of the policy; a solver proved it, within the bounds that stand there.",
        ))  # fmt: skip
    return found
