"""Gives the values of a scenario the look of real ones: ids, names, addresses, places, by the names of their parameters.

A solver answers with the plainest text that will do. Here equal texts stay equal and different ones different, within one
family of cases. Texts that the policy itself mentions are left as they are; whether a new name changes anything that the
policy sees is for `scene` to find out, which asks `decide`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from obverse.cases.choice import number
from obverse.core.canon import number_text
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_json
from obverse.policy.types import EnumType, ListType, MapType, RecordType, TextType, TimeType, Type

PEOPLE = (
    ("Ana", "Silva"), ("Ben", "Cole"), ("Chen", "Wei"), ("Dora", "Novak"), ("Emeka", "Obi"), ("Fatima", "Khan"),
    ("Goran", "Petrov"), ("Hanna", "Berg"), ("Ivo", "Marin"), ("June", "Park"), ("Kofi", "Mensah"), ("Lena", "Vogt"),
    ("Marta", "Ruiz"), ("Noah", "Laurent"), ("Omar", "Haddad"), ("Priya", "Nair"), ("Rosa", "Conti"), ("Sam", "Okafor"),
)  # fmt: skip
PLACES = ("Lisbon", "Oslo", "Vienna", "Porto", "Leeds", "Ghent", "Turin", "Cork", "Bergen", "Lyon", "Malmö", "Graz")
_NOTES = (
    "as agreed on the phone", "for the spring order", "second instalment", "thanks for waiting", "monthly contribution",
    "see you on Friday", "for the repair", "with kind regards", "as discussed last week", "deposit",
)  # fmt: skip
_THINGS = (
    "garden chair", "desk lamp", "rain jacket", "coffee grinder", "travel mug", "wool blanket", "bike helmet", "tea kettle",
    "phone case", "picture frame",
)  # fmt: skip
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGITS = "23456789"
_KINDS = (
    ("email", r"e?mail|recipients?|addressees?|to|from|cc|sender|receiver"),
    ("first", r"first_?name|given_?name"),
    ("last", r"last_?name|surname|family_?name"),
    ("person", r"name|full_?name|passengers?|customer|guest|owner|patient|employee|person|contact|user|username"),
    (
        "id",
        r".*(id|ids|number|no|code|ref|reference|key|sku|iban|account|card|ticket|order|invoice|booking|token|tail)",
    ),
    ("birthday", r"dob|.*birth.*"),
    ("date", r".*(date|day|deadline)"),
    ("place", r".*(city|origin|destination|place|location|airport|country|town|region)"),
    ("link", r".*(url|link|uri|website|site|endpoint|host|domain)"),
    ("path", r".*(path|file|filename|folder|directory|attachment|attachments)"),
    ("phone", r".*(phone|mobile|tel|telephone)"),
    ("thing", r".*(item|product|article|title|subject|topic|query|search|keyword|drug|medicine|medication)s?"),
    ("note", r".*(memo|note|message|comment|reason|summary|description|text|body|content|remark)s?"),
)


class Names:
    """The new names of one family of cases; asked with the same text it gives the same name.

    `kept` are texts that stay as they are, those of the policy. `apart`: a text that stands for two things, a reservation and a flight, gets a name for each.
    """

    def __init__(self, checked: Checked, *key: object, kept: frozenset[str] = frozenset(), apart: bool = False) -> None:
        self.checked = checked
        self.key = key
        self.apart = apart
        self.kept = kept
        self.given: dict[tuple[str, str], str] = {}

    def natural(self, name: str, text: str) -> str:
        """What this text, a value of that name, is called."""
        kind = kind_of(name)
        if kind == "other" or text in self.kept or len(text) > 40 or any(kept and kept in text for kept in self.kept):
            return text
        known = (name if self.apart else "", text)
        if known not in self.given:
            taken = set(self.given.values()) | self.kept
            tries = (candidate(kind, number(*self.key, name, text, attempt)) for attempt in range(1000))
            self.given[known] = next((new for new in tries if new not in taken), text)
        return self.given[known]

    def arguments(self, tool: str, raw: str) -> str:
        """The arguments of a call, renamed."""
        declared = self.checked.tools.get(tool)
        if declared is None:
            return raw
        return self._json(raw, RecordType(fields=declared.parameters), tool)

    def output(self, tool: str, raw: str) -> str:
        """What a tool gave back, renamed."""
        declared = self.checked.tools.get(tool)
        if declared is None or declared.returns is None:
            return raw
        return self._json(raw, declared.returns, tool)

    def fact(self, name: str, value: Any) -> Any:
        """The value of a fact, renamed."""
        term = self.checked.facts.get(name)
        return value if term is None else self.value(value, term.type, name.rpartition(".")[2])

    def value(self, value: Any, type: Type, name: str) -> Any:
        """A JSON value of that type, renamed."""
        match type, value:
            case TextType(), str():
                return self.natural(name, value)
            case ListType(), list():
                return [self.value(item, type.item, name) for item in value]
            case MapType(), dict():
                return {
                    self.natural(self._key_name(name), key): self.value(item, type.item, name)
                    for key, item in value.items()
                }
            case RecordType(), dict():
                types = {field.name: field.type for field in type.fields}
                return {key: self.value(item, types[key], key) if key in types else item for key, item in value.items()}
        return value

    def _key_name(self, name: str) -> str:
        """The name that the keys of a map go by: that of one thing of it."""
        return f"{name}_id"

    def _json(self, raw: str, type: Type, name: str) -> str:
        value = read_json(raw)
        if isinstance(value, Unknown):
            return raw
        return dumps(self.value(value, type, name))


def dumps(value: Any) -> str:
    """JSON as a program would write it, numbers exact."""
    match value:
        case Decimal():
            return number_text(value)
        case dict():
            return (
                "{"
                + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {dumps(item)}" for key, item in value.items())
                + "}"
            )
        case list():
            return "[" + ", ".join(dumps(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def kind_of(name: str) -> str:
    """What sort of text a parameter of this name holds: `email`, `id`, `note`, …; `other` where the name does not tell."""
    word = name.rpartition(".")[2].lower()
    return next((kind for kind, pattern in _KINDS if re.fullmatch(pattern, word)), "other")


def candidate(kind: str, seed: int) -> str:
    """A text of that sort."""
    first, last = PEOPLE[seed % len(PEOPLE)]
    match kind:
        case "email":
            return f"{first}.{last}@example.com".lower()
        case "first":
            return first
        case "last":
            return last
        case "person":
            return f"{first} {PEOPLE[seed // 32 % len(PEOPLE)][1]}"
        case "id":
            return "".join(
                _LETTERS[seed >> shift & 15] if shift % 3 else _DIGITS[seed >> shift & 7] for shift in range(4, 28, 4)
            )
        case "birthday":
            return f"{1955 + seed % 45}-{seed // 64 % 12 + 1:02}-{seed // 1024 % 28 + 1:02}"
        case "date":
            return f"2026-{seed % 12 + 1:02}-{seed // 12 % 28 + 1:02}"
        case "place":
            return PLACES[seed % len(PLACES)]
        case "link":
            return f"https://example.com/{PLACES[seed % len(PLACES)].lower().replace('ö', 'o')}-{seed // 16 % 90 + 10}"
        case "path":
            return f"notes-{PLACES[seed % len(PLACES)].lower().replace('ö', 'o')}-{seed // 16 % 90 + 10}.txt"
        case "phone":
            return f"+1 202 555 01{seed % 90 + 10}"
        case "thing":
            return _THINGS[seed % len(_THINGS)]
    return _NOTES[seed % len(_NOTES)]


def texts_of_policy(checked: Checked) -> frozenset[str]:
    """Every text that the rules or the types of the policy mention."""
    texts = {node.value for rule in checked.rules for node in ast.walk(rule.fires) if isinstance(node, ast.Text)}
    for tool in checked.tools.values():
        types = [field.type for field in tool.parameters] + ([tool.returns] if tool.returns else [])
        texts |= {value for type in types for value in _enumerated(type)}
    return frozenset(texts | {value for fact in checked.facts.values() for value in _enumerated(fact.type)})


def _enumerated(type: Type) -> Iterator[str]:
    match type:
        case EnumType():
            yield from type.values
        case ListType() | MapType():
            yield from _enumerated(type.item)
        case RecordType():
            for field in type.fields:
                yield from _enumerated(field.type)
        case TextType() | TimeType():
            return
