"""Concrete texts with given answers to text tests, that look as if a person had typed them.

First a few plain candidates, each tried with the language's own tests; then one string query to Z3. When that says there is
none, the contradiction is minimised and handed back as a theorem; when it does not know, so do we.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import TypeAlias

import msgspec
import z3

from obverse.core.verdicts import Truth
from obverse.policy.reading import Folded
from obverse.policy.text import host_of, test
from obverse.solver.patterns import Untranslatable, instances, translate

_PLAIN_TRIES = 200
_STRING_TIMEOUT_MS = 1_000
_SOLUTIONS = 3
_TAILS = (", thanks", " then", ", thank you", " please")
_FIRST = ("Alex", "Sam", "Robin", "Kim", "Noor", "Lee", "Ines", "Jona")
_LAST = ("Reed", "Lane", "Stone", "Marsh", "Ford", "Hill", "Brook", "Field")


class Test(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A text test with its pattern, as asked of some text."""

    op: str
    pattern: str
    folded: bool = False


HOST = Test(op="names a host", pattern="")
"""Whether a text names exactly one host: without it `at domain` is unknown."""


class Unspellable(msgspec.Struct, frozen=True, kw_only=True):
    """No text was found. A proof says which `contradiction` of answers no text gives, at a `length` if there is one, but for
    the `known` texts.
    """

    contradiction: frozenset[tuple[Test, bool]]
    reason: str
    length: int | None = None
    known: tuple[str, ...] = ()
    proved: bool = False


Answers: TypeAlias = frozenset[tuple[Test, bool]]


class Spellings:
    """Finds texts, and remembers which answers contradict each other."""

    def __init__(self) -> None:
        self._known: dict[tuple[Answers, int | None], _Search] = {}

    def spell(self, name: str, required: Answers, length: int | None, taken: set[str]) -> str | Unspellable:
        """A text that goes by this name, gives these answers, has this length and is none of the taken ones (folded)."""
        for candidate in islice(_candidates(name, required, length), _PLAIN_TRIES):
            if candidate.casefold() not in taken and _fits(candidate, required, length):
                return candidate
        key = (required, length)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._by_strings(required, length)
        for candidate in found.texts:
            if candidate.casefold() not in taken:
                return candidate
        if not found.complete:
            return Unspellable(contradiction=frozenset(), reason=found.reason)
        return Unspellable(contradiction=found.core, reason=found.reason, length=length, known=found.texts, proved=True)

    def _by_strings(self, required: Answers, length: int | None) -> _Search:
        hosts = _clashing_hosts(required)
        if hosts:
            return _Search(core=hosts, complete=True, reason="no host is at both domains")
        tests = sorted(required, key=repr)
        if any(asked.op in ("at domain", HOST.op) for asked, _ in tests):
            return _Search(core=required, reason="no text was found for a test of its domain")
        if not all(asked.pattern.isascii() and asked.pattern.isprintable() for asked, _ in tests):
            return _Search(core=required, reason="no text was found for a pattern that is not plain ASCII")
        context = z3.Context()  # its own: what is found depends on no search before it
        solver = z3.SolverFor("QF_S", ctx=context)
        solver.set("timeout", _STRING_TIMEOUT_MS)
        solver.set("ctrl_c", False)
        text = z3.String("text", context)
        labels: dict[str, tuple[Test, bool]] = {}
        try:
            for number, (asked, answer) in enumerate(tests):
                labels[f"t{number}"] = (asked, answer)
                formula = translate(asked.op, asked.pattern, text, folded=asked.folded)
                solver.assert_and_track(formula if answer else z3.Not(formula), z3.Bool(f"t{number}", context))
        except Untranslatable as error:
            return _Search(core=required, reason=f"no text was found: {error}")
        printable = z3.Star(z3.Range(z3.StringVal(" ", context), z3.StringVal("~", context)))
        solver.add(z3.InRe(text, printable))
        if length is not None:
            solver.add(z3.Length(text) == length)
        return _solutions(solver, text, labels, required, length)


class _Search(msgspec.Struct, frozen=True, kw_only=True):
    """The texts that were found, and whether there are no others that give the answers of `core`."""

    core: Answers
    reason: str
    texts: tuple[str, ...] = ()
    complete: bool = False


def _solutions(
    solver: z3.Solver, text: z3.SeqRef, labels: dict[str, tuple[Test, bool]], required: Answers, length: int | None
) -> _Search:
    found: list[str] = []
    for _ in range(_SOLUTIONS + 1):
        answer = solver.check()
        if answer == z3.unsat:
            core = frozenset(labels[str(label)] for label in solver.unsat_core())
            return _Search(
                core=required if found or length is not None else core,
                reason="no text gives these answers together",
                texts=tuple(found),
                complete=True,
            )
        if answer != z3.sat:
            break
        value = solver.model().eval(text, model_completion=True)
        candidate = value.as_string()
        if not _fits(candidate, required, length):  # the two readings of a pattern differ: nothing is proved then
            break
        found.append(candidate)
        solver.add(text != value)
    return _Search(core=required, reason="no text with these answers was found in time", texts=tuple(found))


def word(name: str, number: int) -> str:
    """The text number so-and-so that goes by this name: `R1`, `alex@example.com`, `memo-2`."""
    stem = name.casefold()
    if stem in ("first", "first_name", "name", "user", "customer", "passenger"):
        return _FIRST[number % len(_FIRST)] + (str(number // len(_FIRST)) if number >= len(_FIRST) else "")
    if stem in ("last", "last_name", "surname"):
        return _LAST[number % len(_LAST)] + (str(number // len(_LAST)) if number >= len(_LAST) else "")
    if "mail" in stem:
        return f"{_FIRST[number % len(_FIRST)].lower()}{number or ''}@example.com"
    if stem == "id":
        return f"R{number + 1}"
    if stem.endswith(("_id", ".id")):
        return f"{name[0].upper()}{number + 1}"
    if stem in ("to", "recipient", "payee", "account"):
        return f"acct-{number + 1}"
    return f"{name.rpartition('.')[2].replace('_', '-')}-{number + 1}"


def _candidates(name: str, required: frozenset[tuple[Test, bool]], length: int | None) -> Iterator[str]:
    """Plain texts that may give the answers, the likeliest first."""
    wanted = {op: [t.pattern for t, answer in sorted(required, key=repr) if answer and t.op == op] for op in _OPS}
    each = [instances(op, p) for op in ("like", "matches") for p in wanted[op]]
    wholes = [whole for texts in each for whole in texts]
    if len(each) > 1:  # patterns of "somewhere in it" are met side by side
        wholes = [", ".join(texts[0] for texts in each if texts), *wholes]
    hosts = sorted(wanted["at domain"], key=len, reverse=True)
    starts, ends = sorted(wanted["starts with"], key=len), sorted(wanted["ends with"], key=len)
    start, end = starts[-1] if starts else "", ends[-1] if ends else ""
    middle = " ".join(wanted["contains"])
    for number in count():
        plain = word(name, number)
        if not required and length is None:
            yield plain
            continue
        if name == "text" and wanted["contains"] and number == 0:
            yield f"{start or 'This is about '}{middle}{end or '.'}"
        if wholes:
            yield from wholes
            yield from (start + whole + end for whole in wholes)
            tail = _TAILS[number] if number < len(_TAILS) else f" {number - len(_TAILS) + 2}"
            yield from (f"{start}{whole}{tail}{end}" for whole in wholes)  # more such texts
        if hosts:
            host = hosts[0].strip(".").lower()
            body = f"{start}{middle}" or "alex"
            yield f"{body}{number or ''}@{host}"
            yield f"https://{host}/{plain}"
            yield f"{plain}.{host}"
        elif any(asked == HOST for asked, _ in required):
            yield f"{start}alex{number or ''}@example.com"
            yield f"{plain} and more"
        yield plain
        yield f"{start}{middle}{end}" if number == 0 else f"{start}{plain} {middle}{end}"
        yield f"{start}{plain}{middle}{end}"
        if length is not None:
            for whole in wholes:
                yield _of_length(whole, "", " and so on", length)
                yield _of_length("", whole, "and so on ", length)
            yield _of_length(start + middle, end, "I could go on. " if name == "text" else plain, length)


_OPS = ("starts with", "ends with", "contains", "like", "matches", "at domain")


def _of_length(start: str, end: str, filler: str, length: int) -> str:
    room = max(0, length - len(start) - len(end))
    return start + (filler * (room // max(1, len(filler)) + 1))[:room] + end


def _fits(text: str, required: frozenset[tuple[Test, bool]], length: int | None) -> bool:
    if length is not None and len(text) != length:
        return False
    for asked, answer in required:
        if asked == HOST:
            if (host_of(text) is not None) is not answer:
                return False
        elif asked.op == "at domain" and host_of(text) is None:
            continue  # unknown then, and asked for as such by HOST
        else:
            subject = Folded(text) if asked.folded else text
            if test(asked.op, subject, asked.pattern) is not Truth.of(answer):  # type: ignore[arg-type]  # a checked operator
                return False
    return True


def _clashing_hosts(required: frozenset[tuple[Test, bool]]) -> frozenset[tuple[Test, bool]]:
    """Answers about domains that no host gives: two domains neither of which is below the other, or a domain without itself."""
    domains = [(asked, answer) for asked, answer in sorted(required, key=repr) if asked.op == "at domain"]
    if (HOST, True) not in required:
        return frozenset()
    inside = [(asked, asked.pattern.casefold().strip(".")) for asked, answer in domains if answer]
    for asked, domain in inside:
        for other, answer in domains:
            wanted = other.pattern.casefold().strip(".")
            below = domain == wanted or domain.endswith("." + wanted)
            above = wanted.endswith("." + domain)
            if (not answer and below) or (answer and not below and not above):
                return frozenset({(asked, True), (other, answer), (HOST, True)})
    return frozenset()
