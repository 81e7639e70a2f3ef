"""What a target is asked in: factors of context, their values, and which of them must not come together.

Without a word from the user these are the factors that we have phrases for (`context.FACTORS`), languages only as far as the
policy's own examples give them. A file says otherwise, in YAML or JSON:

    strength: 2
    factors:
      language: [en, de]
      technique: [plain, typos, quoted]
      hurry: {none: "{text}", today: "{text} I need this today."}
    never:
      - {language: de, technique: [typos, quoted]}

A factor of one's own gives each value a sentence with `{text}` in it, which the message that opens is put into. `never` lists
what must not come together; a list stands for each of its values. The first value of a factor is its plain one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import yaml

from obverse.cases.context import FACTORS, LANGUAGE
from obverse.cases.tongues import languages, main_language
from obverse.core.errors import UntrustedInputError
from obverse.policy.checked import Checked

LARGEST: Final = 100_000
"""Bytes that a file of factors may have."""
_MOST_NEVER: Final = 1_000
_HOLE: Final = "{text}"
_KEYS: Final = ("strength", "factors", "never")


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """One factor. `frames` are the sentences of one that is the user's own, one for each value."""

    name: str
    values: tuple[str, ...]
    frames: tuple[str, ...] = ()


class Factors(msgspec.Struct, frozen=True, kw_only=True):
    """All factors, how many of them go together, and what must not: sets of (factor, value)."""

    factors: tuple[Factor, ...]
    strength: int = 2
    never: tuple[tuple[tuple[str, str], ...], ...] = ()


def default_factors(checked: Checked) -> Factors:
    """The factors that we have phrases for, in the languages that the examples of the policy are in."""
    main = main_language(checked)
    known = {**FACTORS, LANGUAGE: (main, *(other for other in languages(checked) if other != main))}
    return Factors(factors=tuple(Factor(name=name, values=values) for name, values in known.items() if len(values) > 1))


def read_factors(data: bytes, *, source: str = "factors") -> Factors:
    """The factors that a file says.

    Raises:
        UntrustedInputError: for one that says something else, with what is wrong.
    """
    return _Reader(source).read(data)


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source

    def read(self, data: bytes) -> Factors:
        said = self._loaded(data)
        if not isinstance(said, dict):
            raise self._wrong("a mapping is expected", hint="`factors:` with a list of values for each")
        for key in said:
            if key not in _KEYS:
                raise self._wrong(f"`{_short(key)}` is no key of it", hint=_known(_KEYS))
        named = said.get("factors")
        if not isinstance(named, dict) or not named:
            raise self._wrong("it names no factors", hint="`factors:` with a list of values for each")
        factors = tuple(self._factor(str(name), values) for name, values in named.items())
        strength = self._strength(said.get("strength"), factors)
        return Factors(factors=factors, strength=strength, never=tuple(self._never(said.get("never", []), factors)))

    def _loaded(self, data: bytes) -> Any:
        if len(data) > LARGEST:
            raise self._wrong(f"it is larger than {LARGEST:,} bytes")
        try:
            return yaml.load(data.decode(), Loader=yaml.BaseLoader)  # noqa: S506  # BaseLoader makes texts, lists and mappings only
        except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
            where = getattr(error, "problem_mark", None)
            line = "" if where is None else f" in line {where.line + 1}"
            raise self._wrong(f"neither YAML nor JSON{line}") from error

    def _factor(self, name: str, said: Any) -> Factor:
        if isinstance(said, dict):
            return self._own(name, said)
        values = tuple(value for value in said if isinstance(value, str)) if isinstance(said, list) else ()
        if not values or len(values) != len(said) or len(values) != len(set(values)):
            raise self._wrong(f"the factor `{_short(name)}` needs a list of different values")
        if name not in FACTORS:
            raise self._wrong(
                f"`{_short(name)}` is no factor that we have words for",
                hint=f"give each value a sentence with {_HOLE} in it, or one of {_known(FACTORS)}",
            )  # fmt: skip
        for value in values:
            if value not in FACTORS[name]:
                raise self._wrong(f"`{_short(value)}` is no {name}", hint=_known(FACTORS[name]))
        return Factor(name=name, values=values)

    def _own(self, name: str, said: Mapping[Any, Any]) -> Factor:
        if name in FACTORS:
            raise self._wrong(f"the values of `{name}` are ours", hint=f"a list of some of {_known(FACTORS[name])}")
        for value, frame in said.items():
            if not isinstance(frame, str) or frame.count(_HOLE) != 1:
                raise self._wrong(f"`{_short(name)}: {_short(value)}` needs a sentence with {_HOLE} in it, once")
        if not said:
            raise self._wrong(f"the factor `{_short(name)}` has no values")
        return Factor(name=name, values=tuple(str(value) for value in said), frames=tuple(said.values()))

    def _strength(self, said: Any, factors: tuple[Factor, ...]) -> int:
        wide = sum(len(factor.values) > 1 for factor in factors)
        if said is None:
            return min(2, max(1, wide))
        if not isinstance(said, str) or not said.isdecimal() or not 1 <= int(said[:6]) <= max(1, wide):
            raise self._wrong(f"`{_short(said)}` is no strength", hint=f"from 1 to {max(1, wide)}, usually 2")
        return int(said)

    def _never(self, said: Any, factors: tuple[Factor, ...]) -> Iterator[tuple[tuple[str, str], ...]]:
        known = {factor.name: factor.values for factor in factors}
        if not isinstance(said, list):
            raise self._wrong("`never` needs a list", hint="`- {language: de, technique: typos}`")
        for one in said:
            if not isinstance(one, dict) or not one:
                raise self._wrong(
                    "each entry of `never` names factors and values", hint="`{language: de, technique: typos}`"
                )
            told: list[tuple[tuple[str, str], ...]] = [()]
            for name, said_values in one.items():
                values = said_values if isinstance(said_values, list) else [said_values]
                for value in values:
                    if name not in known or value not in known[name]:
                        raise self._wrong(f"`never` speaks of `{_short(name)}: {_short(value)}`, which is not there")
                told = [(*some, (name, value)) for some in told for value in values]
                if len(told) > _MOST_NEVER:
                    raise self._wrong(f"an entry of `never` stands for more than {_MOST_NEVER} combinations")
            yield from told

    def _wrong(self, text: str, *, hint: str | None = None) -> UntrustedInputError:
        return UntrustedInputError(f"no factors: {text}", code="I143", source=self.source, hint=hint)


def _known(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _short(said: Any) -> str:
    text = " ".join(str(said).split())
    return text if len(text) <= 40 else f"{text[:40]}…"
