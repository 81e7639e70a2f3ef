"""One draft of one statement: asked, read, mended a bounded number of times. Never raises for what a model says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from obverse.core.errors import UnavailableError, UntrustedInputError
from obverse.draft import prompt as prompts
from obverse.draft.model import Model, Prompt
from obverse.draft.pieces import Statement
from obverse.draft.reply import Formal, Nothing, Read, Unread, read, read_vocabulary
from obverse.draft.state import Draft
from obverse.draft.terms import Ground, name_of, policy_of
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.print import text_of

REPAIRS: Final = 2
"""How often a reply that cannot be read goes back to the model, if nothing else is said."""


async def formalise(
    statement: Statement,
    terms: Sequence[ast.Term],
    ground: Ground,
    model: Model,
    *,
    number: int,
    examples: Sequence[prompts.Example] = (),
    repairs: int = REPAIRS,
    temperature: float = 0.7,
) -> Draft:
    """Draft `number` of the statement, by this model.

    Raises:
        UnavailableError: the model gave no answer.
    """
    shown = [text_of(term) for term in terms]
    first = prompts.formalise(statement, shown, number=number, examples=examples, temperature=temperature)
    asked, calls = first, 0
    said: Read = Unread(faults="nothing was asked")
    for _ in range(repairs + 1):
        reply = await _complete(model, asked)
        calls += 1
        said = read(reply, terms, ground)
        if not isinstance(said, Unread):
            break
        asked = prompts.mend(first, reply, said.faults)
    return _draft(said, number, model.identity, calls)


def _draft(said: Read, number: int, model: str, calls: int) -> Draft:
    match said:
        case Formal():
            return Draft(
                number=number,
                model=model,
                says="rules",
                rules=tuple(text_of(rule) for rule in said.rules),
                calls=calls,
                template=prompts.TEMPLATE,
                rests_on=said.checked.digest,
            )
        case Nothing():
            return Draft(
                number=number, model=model, says="nothing", reason=said.reason, calls=calls, template=prompts.TEMPLATE
            )
        case Unread():
            return Draft(
                number=number,
                model=model,
                says="failed",
                reason=said.faults[:1_000],
                calls=calls,
                template=prompts.TEMPLATE,
            )


async def propose(
    statements: Sequence[Statement], terms: Sequence[ast.Term], ground: Ground, model: Model, *, tools_given: bool
) -> tuple[tuple[ast.Term, ...], tuple[str, ...]]:
    """The terms that the model proposes for these statements and that can be taken up, and the refused ones with the reason.

    Raises:
        UnavailableError: the model gave no answer.
    """
    asked = prompts.vocabulary(statements, [text_of(term) for term in terms], tools_given=tools_given)
    proposed, wrong = read_vocabulary(await _complete(model, asked))
    if not proposed and wrong:
        proposed, wrong = read_vocabulary(await _complete(model, prompts.mend(asked, "", wrong)))
    taken = list(terms)
    new: list[ast.Term] = []
    refused = [line for line in wrong.splitlines() if line]
    for term in proposed:
        reason = _not_taken(term, taken, ground, tools_given=tools_given)
        if reason:
            refused.append(f"{text_of(term)[:200]}: {reason}")
        elif reason is None:
            taken.append(term)
            new.append(term)
    return tuple(new), tuple(refused)


def _not_taken(term: ast.Term, terms: Sequence[ast.Term], ground: Ground, *, tools_given: bool) -> str | None:
    """Why a proposed term is not taken up; "" where it is there already, None where nothing speaks against it."""
    same = next((one for one in terms if _alike(one) == _alike(term)), None)
    if same is not None:
        return "" if same == term else f"`{name_of(same)}` is declared already"
    if tools_given and isinstance(term, ast.Tool):
        return "the tools are given"
    if isinstance(term, ast.JudgedTerm):
        if term.pattern is not None:
            return "a pattern in place of a judge is for a person to write"
        if any(isinstance(one, ast.JudgedTerm) and _wording(one) == _wording(term) for one in terms):
            return "the same is asked by a term that is declared already"
    try:
        check(policy_of((*terms, term), (), ground))
    except UntrustedInputError as error:
        return error.message
    return None


def _alike(term: ast.Term) -> tuple[str, str]:
    """Two terms that differ in no more than case and underscores are one: drafts must not tell them apart."""
    name = name_of(term).lower().replace("_", "")
    return type(term).__name__, name.replace(".is", ".")


def _wording(term: ast.JudgedTerm) -> tuple[str, tuple[str, ...]]:
    words = "".join(c if c.isalnum() else " " for c in term.definition.lower()).split()
    return term.subject, tuple(word for word in words if word not in {"the", "a", "an", "to", "that", "is"})


async def _complete(model: Model, asked: Prompt) -> str:
    """The model's text; what is no text is an empty one, which no parser takes for an answer."""
    said: object = await model.complete(asked)
    if not isinstance(said, str):
        raise UnavailableError("the model gave no text", code="F107")
    return said.encode("utf-8", "replace").decode()
