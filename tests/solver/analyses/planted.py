"""One small workshop and the defects that are planted into it: each with the code that finds it, and near misses beside it."""

from __future__ import annotations

from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse

_HEAD = """---
policy: workshop
version: 1
levels: [owner, manager, clerk]
{default}---
# Workshop

```terms
tool find_order(id: text) -> (state: one of "open", "shipped", "closed", total: number, paid: number,
     discount: number optional, items: list of (sku: text, price: number, weight: number optional))   effect read
tool refund(id: text, amount: number, note: text optional)   effect money
tool cancel(id: text)   effect write
tool mail(to: text, body: text, cc: text optional)   effect write
tool verify(id: text)   effect write
tool inspect(id: text) -> (sound: bool)   effect read
fact customer.verified: bool
fact customer.blocked: bool
judged message.says_yes "The user agrees."  yes "Yes, please."  no "What does it cost?"
judged message.is_a_threat "The user threatens somebody."  yes "You will regret this."  no "Thank you."
judged message.sounds_sure "The user sounds sure."  yes "Absolutely."  no "Maybe."
judged reply.names_a_price "The reply names a price."  yes "It costs 10."  no "Hello."
judged reply.apologises "The reply apologises."  yes "I am sorry."  no "Hello."
{terms}
```
"""


def workshop(*clauses: str, terms: str = "", default: str = "") -> Checked:
    """The workshop with these clauses; each is `id [attributes]: rules`."""
    text = _HEAD.format(terms=terms, default=f"default: {{{default}}}\n" if default else "")
    for clause in clauses:
        head, _, rules = clause.partition(": ")
        text += f"\n## A clause {{#{head}}}\n\nProse.\n\n```rule\n{rules}\n```\n"
    return check(parse(text))


LOOK = "looked: forbid cancel(id: r) unless once find_order(id: r)"
CONFIRMED = "yes: forbid cancel unless last message has message.says_yes trusting judge"

PLANTED: dict[str, tuple[str, Checked]] = {
    # --- S209
    "an act between two bans": (
        "S209",
        workshop("a: forbid refund when amount >= 5", "b: forbid refund when amount < 10"),
    ),
    "an act whose requirement another rule denies": (
        "S209",
        workshop('a: forbid mail unless to starts with "it-"', 'b: forbid mail when to contains "-"'),
    ),
    "a rule on any call that one tool can never meet": (
        "S209",
        workshop(
            "all: forbid any call with effect write unless last message has message.says_yes trusting judge",
            "one: forbid cancel when once message",
        ),
    ),
    "an act that waits for one that is banned": (
        "S209",
        workshop("ban: forbid find_order", "wait: forbid cancel(id: r) unless once find_order(id: r)"),
    ),
    "two acts that wait for each other": (
        "S209 S209",
        workshop("a: forbid cancel unless once call verify", "b: forbid verify unless once call cancel"),
    ),
    "an act that waits for itself": ("S209", workshop("a: forbid cancel unless once call cancel")),
    "everything banned": ("S209", workshop("calls: forbid any call", "talk: forbid reply")),
    # --- S210
    "a definition that nobody uses": ("S210", workshop(LOOK, terms="let large = amount > 100")),
    "a definition used by an unused one alone": (
        "S210",
        workshop("a: ask refund when small(amount)", terms="let small(n) = n < 5\nlet big(n) = not small(n)"),
    ),
    "a definition that contradicts itself": (
        "S210",
        workshop(
            "a: ask refund when odd(amount) or amount > 1000",
            terms="let odd(n) = n > 100 and n < 50",
        ),
    ),
    "a definition that is no condition": (
        "S210",
        workshop(
            'a: forbid cancel(id: r) when last find_order(id: r) has (state = "open" and any_state(state))',
            terms='let any_state(s) = s = "open" or s != "open"',
        ),
    ),
    # --- S211
    "a judge beside a condition that says it all": (
        "S211",
        workshop("a: forbid refund when amount > 100 or (amount > 200 and last message has message.is_a_threat)"),
    ),
    "a judge whose answer leads to the same": (
        "S211",
        workshop(
            "a: forbid refund when message.is_a_threat and amount > 50",
            "b: forbid refund when not message.is_a_threat and amount > 50 trusting judge",
        ),
    ),
    # --- S212
    "a question beside a ban": (
        "S212",
        workshop("ban: forbid refund when amount > 100", "ask: ask refund when amount > 500"),
    ),
    "a warning between a ban and an end": (
        "S212",
        workshop(
            "ban: forbid refund when amount > 100",
            "end: stop refund when customer.blocked",
            "note: warn refund when customer.blocked and amount > 10",
        ),
    ),
    "a question that two bans share": (
        "S212",
        workshop(
            "a: forbid refund when amount > 100 and customer.verified",
            "b: forbid refund when amount > 100 and not customer.verified",
            "c: ask refund when amount > 100 and (customer.verified or not customer.verified)",
        ),
    ),
    "a condition under an outright ban": ("S212", workshop("a: forbid mail", "b: warn mail when length(body) > 5")),
    # --- S213
    "the same rule twice": (
        "S213",
        workshop("a: forbid refund when amount > 100", "b: forbid refund when amount > 100"),
    ),
    "a rule inside of another": (
        "S213",
        workshop("a: forbid refund when amount > 100", "b: forbid refund when amount > 150 and customer.blocked"),
    ),
    "a rule that two others make up": (
        "S213",
        workshop(
            "a: forbid refund when amount > 100 and customer.verified",
            "b: forbid refund when amount > 100 and not customer.verified",
            "c: forbid refund when amount > 200",
        ),
    ),
    "a narrower look at the past": (
        "S213",
        workshop("a: forbid cancel when once call verify", "b: forbid cancel when once call verify within 1h"),
    ),
    "a person asked twice": (
        "S213",
        workshop("a: ask refund when amount > 100 by 2 people", "b: ask refund when amount > 500"),
    ),
    # --- S214
    "a requirement that is forbidden": (
        "S214",
        workshop(
            "must: require reply.apologises for reply when once message where message.is_a_threat",
            "not: forbid reply when reply.apologises",
        ),
    ),
    "two requirements that exclude each other": (
        "S214",
        workshop(
            "short: require length(text) < 100 for reply when last message has message.says_yes",
            "long: require length(text) > 500 for reply when last message has message.is_a_threat",
        ),
    ),
    "a requirement that is forbidden now and then": (
        "S214",
        workshop(
            "must: require note is present for refund when amount > 100",
            "not: forbid refund when note is present and customer.blocked",
        ),
    ),
    # --- S215
    "a guard that a grant lifts": (
        "S215",
        workshop(
            "firm inviolable: forbid refund(id: r) unless once call verify(id: r)",
            "guard: forbid verify unless customer.verified",
        ),
    ),
    "a person that a grant sends away": (
        "S215",
        workshop("firm inviolable: forbid refund unless once call verify", "guard: ask verify"),
    ),
    "a guard on what is looked up": (
        "S215",
        workshop(
            "firm inviolable: forbid cancel(id: r) unless last inspect(id: r) has sound",
            "guard: forbid inspect unless customer.verified",
        ),
    ),
    # --- S216
    "an argument that may be missing": ("S216", workshop('a: forbid mail when cc at domain "b.example"')),
    "a field that may be missing": (
        "S216",
        workshop("a: forbid cancel(id: r) when last find_order(id: r) has discount > 0.5"),
    ),
    "a field of an element that may be missing": (
        "S216",
        workshop("a: ask cancel(id: r) when last find_order(id: r) has any x in items: x.weight > 30"),
    ),
    "a sum over what may be missing": (
        "S216",
        workshop("a: ask cancel(id: r) when last find_order(id: r) has sum(x in items: x.weight) > 30"),
    ),
    "a division by what may be nothing": (
        "S216",
        workshop("a: ask refund(id: r, amount: a) when last find_order(id: r) has a / total > 0.5"),
    ),
    "a list that may be missing, whose elements are asked": (
        "S216",
        workshop(
            'a: forbid send when any a in cc: not a starts with "it-"',
            terms="tool send(to: text, cc: list of text optional)   effect write",
        ),
    ),
    "an argument that may be missing, in what is looked for": (
        "S216",
        workshop(
            "a: forbid take(id: r) when last find_order(id: r) has paid > 5",
            terms="tool take(id: text optional)   effect write",
        ),
    ),
    # --- S220
    "an inviolable clause that trusts a judge": (
        "S220",
        workshop("a inviolable: forbid refund unless last message has message.says_yes trusting judge"),
    ),
}
"""Each has these findings and no others, notes apart."""

NEAR: dict[str, Checked] = {
    "an act with a gap between two bans": workshop(
        "a: forbid refund when amount > 10", "b: forbid refund when amount < 10"
    ),
    "an act that is banned in so many words": workshop("a: forbid mail"),
    "every tool banned, but replies": workshop("a: forbid any call"),
    "an act that is always asked about": workshop("a: ask refund when amount >= 5", "b: ask refund when amount < 10"),
    "acts in a row": workshop("a: forbid cancel unless once call verify", "b: forbid verify unless once find_order"),
    "a ban on doing it twice": workshop("a: forbid cancel when once call cancel"),
    "a definition that varies at one use": workshop(
        "a: ask refund when over(amount, 100)", "b: warn refund when over(5, amount)", terms="let over(a, b) = a > b"
    ),
    "a switch": workshop("a: ask refund when strict and amount > 5", terms="let strict = true"),
    "a judge that tightens": workshop("a: forbid refund when last message has message.is_a_threat"),
    "a judge that only a permit asks": workshop("a: permit reply when message.says_yes"),
    "a question below a ban": workshop("a: forbid refund when amount > 500", "b: ask refund when amount > 100"),
    "a look beside what was looked up": workshop(
        LOOK, 'state: forbid cancel(id: r) when last find_order(id: r) has state = "shipped"'
    ),
    "a warning that an approval leaves": workshop("a: ask refund when amount > 5", "b: warn refund when amount > 50"),
    "a firm rule inside of one that a grant lifts": workshop(
        "a: forbid refund when amount > 100", "b inviolable: forbid refund when amount > 500"
    ),
    "a rule of the owner inside of one of a clerk": workshop(
        "a level=clerk: forbid refund when amount > 100", "b level=owner: forbid refund when amount > 500"
    ),
    "one person before two": workshop("a: ask refund when amount > 100", "b: ask refund when amount > 500 by 2 people"),
    "an effect and a tool": workshop(
        CONFIRMED.replace("cancel", "any call with effect write"), "b: forbid mail when length(body) > 99"
    ),
    "requirements apart": workshop(
        "short: require length(text) < 100 for reply when last message has message.says_yes",
        "long: require length(text) > 50 for reply when last message has message.is_a_threat",
    ),
    "a requirement and a ban elsewhere": workshop(
        "must: require note is present for refund when amount > 100",
        "not: forbid refund when note is present and amount <= 100",
    ),
    "a guard that the agent can keep": workshop(
        "firm inviolable: forbid refund(id: r) unless once inspect(id: r)",
        "guard: forbid any call when turn.calls > 1 or turn has text",
        "order: forbid inspect(id: r) unless once find_order(id: r)",
    ),
    "a guard that stands as firmly": workshop(
        "firm inviolable: forbid refund(id: r) unless once call verify(id: r)",
        "guard inviolable: forbid verify unless customer.verified",
    ),
    "a guard of somebody lower": workshop(
        "firm level=owner inviolable: forbid refund(id: r) unless once call verify(id: r)",
        "guard level=clerk: forbid verify unless customer.verified",
    ),
    "a missing argument that fails closed": workshop('a: forbid mail unless cc at domain "b.example"'),
    "a missing argument that is asked about": workshop(
        'a: forbid mail when cc is present and cc at domain "b.example"'
    ),
    "a division by what is not nothing": workshop(
        "a: ask refund(id: r, amount: a) when last find_order(id: r) has (total > 0 and a / total > 0.5)"
    ),
    "a fact that nobody stated": workshop("a: forbid refund when customer.blocked"),
    "trust that is given": workshop(CONFIRMED),
    "a judge beside a fact": workshop(
        "a: forbid refund unless last message has message.says_yes and customer.verified trusting judge"
    ),
}
"""Each looks like a defect and is none: no error, no warning."""
