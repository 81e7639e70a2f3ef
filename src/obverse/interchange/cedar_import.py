"""`import_cedar`: Cedar policies, in Cedar's own JSON form, as a policy document.

Cedar denies what no `permit` covers. Ours allows what no rule forbids, and `permit` lifts nothing. So what permits an action
becomes one rule, `forbid A unless this or that`; each `forbid` becomes a clause of its own. `context.input.x` is the
argument `x`; other attributes of the context, the principal and the resource become facts, which the host states. Types are
those that the policies use.

One difference is wanted: where Cedar skips a `forbid` because reading a value failed, ours fires (L03). What has no
counterpart is named and left out; a `permit` that is left out makes the document stricter, a `forbid` looser.

Source: the JSON policy format of Cedar, docs.cedarpolicy.com/policies/json-format.html.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from obverse.core.errors import UntrustedInputError
from obverse.interchange.cedar_export import LeftOut
from obverse.interchange.cedar_text import quoted
from obverse.policy import ast
from obverse.policy.print import layout, literal, type_text
from obverse.policy.types import BoolType, Field, ListType, NumberType, TextType, Type

_ALWAYS: Final = ast.Boolean(value=True)
_NEVER: Final = ast.Boolean(value=False)
_DEEPEST: Final = 100
_COMPARISONS: Final = {"==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_METHODS: Final = {"lessThan": "<", "lessThanOrEqual": "<=", "greaterThan": ">", "greaterThanOrEqual": ">="}


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """The document, the ids of the Cedar policies in it, and those that are not in it, each with the reason."""

    text: str
    policies: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


class _UnsayableError(Exception):
    """What the rule language has no words for."""


class _Cedar(msgspec.Struct, frozen=True, kw_only=True):
    """One Cedar policy, read: the actions that it names (None: any), and when it applies."""

    id: str
    effect: str
    actions: tuple[str, ...] | None
    when: ast.Expr
    names: frozenset[tuple[str, ...]]


def import_cedar(policies: Mapping[str, Any], *, name: str = "imported") -> Imported:
    """The document that these policies (Cedar's JSON form of a policy set) make.

    Raises:
        UntrustedInputError: if this is no policy set in Cedar's JSON form.
    """
    found = policies.get("staticPolicies")
    if not isinstance(found, dict) or not (found or policies.get("templates")):
        raise UntrustedInputError(
            "no policy set in Cedar's JSON form", code="P140", hint='it has a member "staticPolicies"'
        )
    return _Importer(name).imported(found, policies.get("templates") or {})


class _Importer:
    def __init__(self, name: str) -> None:
        self.name = name
        self.types = _Types()
        self.left_out: list[LeftOut] = []
        self.clauses: set[str] = set()

    def imported(self, static: Mapping[str, Any], templates: Mapping[str, Any]) -> Imported:
        read = [cedar for key, policy in static.items() if (cedar := self._read(key, policy)) is not None]
        for key in templates:
            self._leave_out(key, "a template is filled in elsewhere", loosens=True)
        read = [cedar for cedar in read if self._arguments_are_known(cedar)]
        tools = list(dict.fromkeys(action for cedar in read for action in cedar.actions or ()))
        parts = [self._front(), self._terms(tools, read)]
        parts += [self._forbidden(cedar) for cedar in read if cedar.effect == "forbid"]
        parts += [self._permitted(tool, read) for tool in tools]
        return Imported(
            text="\n".join(part for part in parts if part),
            policies=tuple(cedar.id for cedar in read),
            left_out=tuple(self.left_out),
        )

    # --- reading --------------------------------------------------------------------------------------------------------

    def _read(self, key: str, policy: Any) -> _Cedar | None:
        name = _annotation(policy, "id") or key
        effect = policy.get("effect") if isinstance(policy, dict) else None
        if effect not in ("permit", "forbid"):
            raise UntrustedInputError(f"the policy `{key}` neither permits nor forbids", code="P140")
        reader = _Reader(self.types)
        try:
            when = reader.policy(policy)
            actions = _actions(policy.get("action"))
        except _UnsayableError as error:
            self._leave_out(name, str(error), loosens=effect == "forbid")
            return None
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise UntrustedInputError(f"the policy `{name}` is not in Cedar's JSON form", code="P140") from error
        return _Cedar(id=name, effect=effect, actions=actions, when=when, names=frozenset(reader.names))

    def _arguments_are_known(self, cedar: _Cedar) -> bool:
        """Whether arguments are only read where the action is named: `any call` has none."""
        if cedar.actions is not None or not any(len(path) == 1 for path in cedar.names):
            return True
        self._leave_out(
            cedar.id, "it reads an input of actions that it does not name", loosens=cedar.effect == "forbid"
        )
        return False

    def _leave_out(self, name: str, reason: str, *, loosens: bool) -> None:
        self.left_out.append(LeftOut(clause=name, rule=name, reason=reason, loosens=loosens))

    # --- writing --------------------------------------------------------------------------------------------------------

    def _front(self) -> str:
        head = ["---", f"policy: {literal(self.name)}", 'version: "1"', "---", f"# {_one_line(self.name)}", ""]
        head += ["From Cedar policies. Facts are what the host must state before each step.", ""]
        head += [f"Not in here: {_one_line(one.rule)} ({one.reason})." for one in self.left_out]
        return "\n".join(head)

    def _terms(self, tools: list[str], read: list[_Cedar]) -> str:
        lines = ["", "```terms"]
        for tool in tools:
            mine = [cedar for cedar in read if tool in (cedar.actions or ())]
            names = dict.fromkeys(path for cedar in mine for path in sorted(cedar.names) if len(path) == 1)
            fields = tuple(
                Field(name=path[0], type=self.types.of(path), optional=path in self.types.optional) for path in names
            )
            lines.append(layout(ast.Tool(name=tool, parameters=fields)))
        facts = dict.fromkeys(path for cedar in read for path in sorted(cedar.names) if len(path) > 1)
        lines += [
            f"fact {'.'.join(map(_fact_part, path))}: {type_text(self.types.of(path))} from host" for path in facts
        ]
        return "\n".join([*lines, "```", ""]) if tools or facts else ""

    def _forbidden(self, cedar: _Cedar) -> str:
        rule = ast.Rule(kind="forbid", heads=_heads(cedar.actions), when=None if cedar.when == _ALWAYS else cedar.when)
        return self._clause(f"cedar.{_identifier(cedar.id)}", f"Cedar policy {cedar.id}", "Forbidden there too.", rule)

    def _permitted(self, tool: str, read: list[_Cedar]) -> str:
        mine = [cedar for cedar in read if cedar.effect == "permit" and tool in (cedar.actions or (tool,))]
        wanted = _some([cedar.when for cedar in mine])
        if wanted == _ALWAYS:
            return ""
        rule = ast.Rule(kind="forbid", heads=_heads((tool,)), unless=None if wanted == _NEVER else wanted)
        names = ", ".join(cedar.id for cedar in mine)
        prose = f"Permitted by {names}; by nothing else." if mine else "No policy permits it."
        return self._clause(f"cedar.permits.{_identifier(tool)}", f"What permits {tool}", prose, rule)

    def _clause(self, wanted: str, title: str, prose: str, rule: ast.Rule) -> str:
        numbered = (wanted if number == 1 else f"{wanted}-{number}" for number in itertools.count(1))
        name = next(name for name in numbered if name not in self.clauses)
        self.clauses.add(name)
        lines = [f"## {_one_line(title)} {{#{name}}}", "", _one_line(prose), "", "```rule", layout(rule), "```", ""]
        return "\n".join(lines)


class _Types:
    """What is known of the type of each name, from the way it is used."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, ...], Type] = {}
        self.same: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.optional: set[tuple[str, ...]] = set()

    def note(self, path: tuple[str, ...], kind: Type) -> None:
        """This name holds this type; two that cannot be one are a fault of the policies."""
        before = self.found.get(path)
        if isinstance(before, NumberType) and isinstance(kind, NumberType):
            kind = NumberType(integer=before.integer and kind.integer)
        elif before is not None and before != kind:
            raise _UnsayableError(f"`{'.'.join(path)}` is used as {type_text(before)} and as {type_text(kind)}")
        self.found[path] = kind

    def of(self, path: tuple[str, ...]) -> Type:
        """The type, `text` where nothing tells."""
        for _ in range(len(self.same)):
            for one, other in self.same:
                if one in self.found and other not in self.found:
                    self.found[other] = self.found[one]
                elif other in self.found and one not in self.found:
                    self.found[one] = self.found[other]
        return self.found.get(path, TextType())


class _Reader:
    """Reads the conditions of one policy."""

    def __init__(self, types: _Types) -> None:
        self.types = types
        self.names: set[tuple[str, ...]] = set()
        self.depth = 0

    def policy(self, policy: Mapping[str, Any]) -> ast.Expr:
        """When the policy applies."""
        parts = [self._scope(who, policy[who]) for who in ("principal", "resource")]
        for condition in policy.get("conditions", ()):
            body = self.condition(condition["body"])
            parts.append(body if condition["kind"] == "when" else ast.Not(body=body))
        return _every(parts)

    def _scope(self, who: str, scope: Mapping[str, Any]) -> ast.Expr:
        match scope["op"]:
            case "All":
                return _ALWAYS
            case "==":
                return self._is_entity(who, scope["entity"])
            case "in":
                return self._is_in(who, scope["entity"])
            case "is":
                kinds: list[ast.Expr] = [self._is_of(who, scope["entity_type"])]
                return _every(kinds + ([self._is_in(who, scope["in"]["entity"])] if scope.get("in") else []))
        raise _UnsayableError(f"a {who} that is `{scope['op']}`")

    def _is_entity(self, who: str, entity: Mapping[str, Any]) -> ast.Expr:
        return self._equals(self._name(who, "uid"), _entity(entity))

    def _is_of(self, who: str, kind: str) -> ast.Expr:
        return self._equals(self._name(who, "type"), kind)

    def _is_in(self, who: str, entity: Mapping[str, Any]) -> ast.Expr:
        groups = self._name(who, "groups")
        self.types.note(groups.path, ListType(item=TextType()))
        inside = ast.In(item=ast.Text(value=_entity(entity)), over=groups)
        return ast.Or(items=(self._is_entity(who, entity), inside))

    def _equals(self, name: ast.Name, text: str) -> ast.Expr:
        self.types.note(name.path, TextType())
        return ast.Compare(op="=", left=name, right=ast.Text(value=text))

    def _name(self, *path: str) -> ast.Name:
        self.names.add(tuple(map(_writable, path)))
        return ast.Name(path=path)

    # --- conditions -----------------------------------------------------------------------------------------------------

    def condition(self, node: Mapping[str, Any]) -> ast.Expr:
        """A Boolean expression."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _UnsayableError("a condition nested too deep")
        try:
            return self._condition(node)
        finally:
            self.depth -= 1

    def _condition(self, node: Mapping[str, Any]) -> ast.Expr:
        ((op, inside),) = node.items()
        match op:
            case "Value" if isinstance(inside, bool):
                return ast.Boolean(value=inside)
            case "&&":
                return _every([self.condition(part) for part in _needed(list(_parts(node)))])
            case "||":
                return _some([self.condition(inside["left"]), self.condition(inside["right"])])
            case "!":
                return ast.Not(body=self.condition(inside["arg"]))
            case "if-then-else":
                asked = self.condition(inside["if"])
                then, other = self.condition(inside["then"]), self.condition(inside["else"])
                return _some([_every([asked, then]), _every([ast.Not(body=asked), other])])
            case "has":
                return self._has(inside)
            case "like":
                name = self._typed(inside["left"], TextType())
                return ast.TextTest(op="like", subject=name, pattern=ast.Text(value=_glob(inside["pattern"])))
            case "is":
                return self._is(inside)
            case "in":
                return self._in(inside)
            case "contains" | "containsAny" | "containsAll" | "isEmpty":
                return self._set_test(op, inside)
            case "==" | "!=" | "<" | "<=" | ">" | ">=":
                return self._compare(_COMPARISONS[op], inside["left"], inside["right"], NumberType(integer=True))
            case "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual":
                return self._compare(_METHODS[op], inside[0], inside[1], NumberType())
            case ".":
                return self._typed(node, BoolType())
        raise _UnsayableError(f"`{op}` has no counterpart")

    def _has(self, inside: Mapping[str, Any]) -> ast.Expr:
        path = (*_path(inside["left"]), inside["attr"])
        if path == ("context", "input"):
            return _ALWAYS  # every call has arguments
        name = self._named(path)
        self.types.optional.add(name.path)
        return ast.Present(body=name)

    def _is(self, inside: Mapping[str, Any]) -> ast.Expr:
        who = _path(inside["left"])
        if who not in (("principal",), ("resource",)):
            raise _UnsayableError("the type of an entity that is neither principal nor resource")
        parts = [self._is_of(who[0], inside["entity_type"])]
        return _every(parts + ([self._entity_in(who[0], inside["in"])] if inside.get("in") else []))

    def _in(self, inside: Mapping[str, Any]) -> ast.Expr:
        who = _path(inside["left"])
        if who not in (("principal",), ("resource",)):
            raise _UnsayableError("`in` of an entity that is neither principal nor resource")
        return self._entity_in(who[0], inside["right"])

    def _entity_in(self, who: str, groups: Mapping[str, Any]) -> ast.Expr:
        members = groups.get("Set", [groups])
        return _some([self._is_in(who, member["Value"]["__entity"]) for member in members])

    def _compare(self, op: str, left: Any, right: Any, ordered: Type) -> ast.Expr:
        sides = [self._value(left), self._value(right)]
        kinds = [kind for _, kind in sides if kind is not None]
        numbers = [kind for kind in kinds if isinstance(kind, NumberType)]
        wanted = next(iter(kinds), None) if op in ("=", "!=") else ordered
        if numbers:
            wanted = NumberType(integer=all(kind.integer for kind in numbers) and wanted != NumberType())
        for value, kind in sides:
            if wanted is not None and isinstance(value, ast.Name) and kind is None:
                self.types.note(value.path, wanted)
        one, other = sides[0][0], sides[1][0]
        if isinstance(one, ast.Name) and isinstance(other, ast.Name):
            self.types.same.append((one.path, other.path))
        if wanted is not None and any(
            kind not in (None, wanted) and not isinstance(kind, NumberType) for kind in kinds
        ):
            raise _UnsayableError("values of different types compared")
        return ast.Compare(op=op, left=one, right=other)  # type: ignore[arg-type]  # from the two tables

    def _set_test(self, op: str, inside: Mapping[str, Any]) -> ast.Expr:
        if op == "isEmpty":
            raise _UnsayableError("`isEmpty`")
        left, right = inside["left"], inside["right"]
        if op == "contains":
            if "Set" in left:
                listed, kind = self._literals(left)
                return ast.In(item=self._typed(right, kind), over=listed)
            value, known = self._value(right)
            return ast.In(item=value, over=self._typed(left, ListType(item=known or TextType())))
        if op == "containsAll" and "Set" in left:
            listed, kind = self._literals(left)
            return self._each("all", right, listed, kind)
        listed, kind = self._literals(right)
        if op == "containsAny":
            return self._each("any", left, listed, kind)
        over = self._typed(left, ListType(item=kind))
        return _every([ast.In(item=item, over=over) for item in listed.items])

    def _each(self, word: str, over: Any, listed: ast.Listing, kind: Type) -> ast.Expr:
        body = ast.In(item=ast.Name(path=("one",)), over=listed)
        name = self._typed(over, ListType(item=kind))
        return ast.Quantified(kind="any" if word == "any" else "all", variable="one", over=name, body=body)

    def _literals(self, node: Mapping[str, Any]) -> tuple[ast.Listing, Type]:
        if "Set" not in node or not node["Set"]:
            raise _UnsayableError("two sets of values that are not written out, or an empty one")
        found = [self._value(item) for item in node["Set"]]
        if any(isinstance(value, ast.Name) for value, _ in found) or len({kind for _, kind in found}) != 1:
            raise _UnsayableError("a set that holds more than literals of one type")
        return ast.Listing(items=tuple(value for value, _ in found)), found[0][1] or TextType()

    # --- values ---------------------------------------------------------------------------------------------------------

    def _value(self, node: Mapping[str, Any]) -> tuple[ast.Expr, Type | None]:
        """A value and its type, as far as it is known."""
        ((op, inside),) = node.items()
        match op:
            case "Value":
                return _literal(inside)
            case "Var":
                return self._typed_name((inside, "uid"), TextType()), TextType()
            case ".":
                return self._named(_path(node)), None
            case "+" | "-" | "*":
                number = NumberType(integer=True)
                left, right = self._typed(inside["left"], number), self._typed(inside["right"], number)
                return ast.Arith(op=op, left=left, right=right), number
            case "neg":
                number = NumberType(integer=True)
                return ast.Arith(op="-", left=ast.Number(value=0), right=self._typed(inside["arg"], number)), number
            case "decimal":
                return _decimal(inside[0]["Value"]), NumberType()
        raise _UnsayableError(f"`{op}` as a value has no counterpart")

    def _typed(self, node: Mapping[str, Any], kind: Type) -> ast.Expr:
        value, known = self._value(node)
        if isinstance(value, ast.Name) and known is None:
            self.types.note(value.path, kind)
        elif known != kind:
            raise _UnsayableError("a value of another type than its place")
        return value

    def _typed_name(self, path: tuple[str, ...], kind: Type) -> ast.Name:
        self.types.note(path, kind)
        return self._name(*path)

    def _named(self, path: tuple[str, ...]) -> ast.Name:
        if path[:2] == ("context", "input"):
            if len(path) != 3:  # context, input, and the name
                raise _UnsayableError("a record among the inputs")
            return self._name(path[2])
        return self._name(*path)


def _parts(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The operands of a chain of `&&`."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if set(one) == {"&&"}:
            waiting += [one["&&"]["right"], one["&&"]["left"]]
        else:
            yield one


def _needed(parts: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without the ways to what is asked for: `context has a.b` is written out as `context has a && context.a has b`."""
    asked = {place: _asked(part) for place, part in enumerate(parts)}
    paths = [path for path in asked.values() if path]
    return [
        part
        for place, part in enumerate(parts)
        if not any(path[: len(asked[place])] == asked[place] != path for path in paths if asked[place])
    ]


def _asked(node: Mapping[str, Any]) -> tuple[str, ...]:
    """What a `has` asks for; nothing for any other condition."""
    if set(node) != {"has"}:
        return ()
    try:
        return (*_path(node["has"]["left"]), node["has"]["attr"])
    except _UnsayableError:
        return ()


def _path(node: Mapping[str, Any]) -> tuple[str, ...]:
    ((op, inside),) = node.items()
    if op == "Var":
        return (inside,)
    if op == ".":
        return (*_path(inside["left"]), inside["attr"])
    raise _UnsayableError("an attribute of something that is computed")


def _actions(scope: Mapping[str, Any]) -> tuple[str, ...] | None:
    if scope["op"] == "All":
        return None
    if scope["op"] == "==":
        return (_writable(scope["entity"]["id"]),)
    if scope["op"] == "in" and "entities" in scope:
        return tuple(_writable(entity["id"]) for entity in scope["entities"])
    raise _UnsayableError("a group of actions: its members stand in no policy")


def _writable(name: str) -> str:
    """A name that the rule language can write, in backticks if need be."""
    if not name or not name.isprintable() or "`" in name:
        raise _UnsayableError("a name that cannot be written: empty, or with backticks or control characters")
    return name


def _literal(value: Any) -> tuple[ast.Expr, Type]:
    match value:
        case bool():
            return ast.Boolean(value=value), BoolType()
        case int():
            return ast.Number(value=value), NumberType(integer=True)
        case str():
            return ast.Text(value=value), TextType()
        case {"__entity": entity}:
            return ast.Text(value=_entity(entity)), TextType()
    raise _UnsayableError("a literal that is no number, text, truth value or entity")


def _decimal(text: Any) -> ast.Number:
    try:
        return ast.Number(value=Decimal(text).normalize() + 0)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise _UnsayableError("a decimal that is not written out") from error


def _glob(parts: Iterable[Any]) -> str:
    return "".join("*" if part == "Wildcard" else re.sub(r"([\\*?])", r"\\\1", part["Literal"]) for part in parts)


def _entity(entity: Mapping[str, Any]) -> str:
    return f"{entity['type']}::{quoted(entity['id'])}"


def _annotation(policy: Any, name: str) -> str | None:
    notes = policy.get("annotations") if isinstance(policy, dict) else None
    found = notes.get(name) if isinstance(notes, dict) else None
    return found if isinstance(found, str) else None


def _every(parts: list[ast.Expr]) -> ast.Expr:
    flat = [
        item for part in parts for item in (part.items if isinstance(part, ast.And) else (part,)) if item != _ALWAYS
    ]
    if _NEVER in flat:
        return _NEVER
    return ast.And(items=tuple(flat)) if len(flat) > 1 else next(iter(flat), _ALWAYS)


def _some(parts: list[ast.Expr]) -> ast.Expr:
    flat = [item for part in parts for item in (part.items if isinstance(part, ast.Or) else (part,)) if item != _NEVER]
    if _ALWAYS in flat:
        return _ALWAYS
    return ast.Or(items=tuple(flat)) if len(flat) > 1 else next(iter(flat), _NEVER)


def _heads(actions: tuple[str, ...] | None) -> tuple[ast.Head, ...]:
    return (ast.Head(kind="any"),) if actions is None else tuple(ast.Head(kind="tool", tool=one) for one in actions)


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.") or "policy"


def _one_line(text: str) -> str:
    """A name from outside as one line of prose, in which nothing opens a block or an attribute."""
    return re.sub(r"[`{}<>#\s]+", " ", text).strip() or "unnamed"


def _fact_part(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else f"`{name}`"
