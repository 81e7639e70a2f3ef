"""Small policies: clean ones, and ones with one planted defect each."""

from __future__ import annotations

from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse

_MANY = ", ".join(f'"v{number}"' for number in range(600))  # too many to write out for each question
TERMS = """---
policy: shop
version: 1
---
# Shop

```terms
tool find_order(id: text) -> (state: one of "open", "shipped", "closed", placed: time, total: number,
     items: list of (sku: text, price: number))   effect read
tool refund(id: text, amount: number, note: text optional)   effect money
tool cancel(id: text)   effect write
tool mail(to: text, body: text)   effect write
tool label(code: one of {MANY}) effect write
fact customer.verified: bool
fact customer.tier: one of "basic", "gold"
judged message.says_yes "The user agrees."  yes "Yes, please."  no "What does it cost?"
judged reply.names_a_price "The reply names a price."  yes "It costs 10."  no "Hello."
```
""".replace("{MANY}", _MANY)


def policy(*clauses: str) -> Checked:
    """The shop with these clauses; each is `id [attributes]: rules`."""
    text = TERMS
    for clause in clauses:
        head, _, rules = clause.partition(": ")
        text += f"\n## A clause {{#{head}}}\n\nProse.\n"
        if rules.strip():
            text += f"\n```rule\n{rules}\n```\n"
    return check(parse(text))


CLEAN = {
    "a plain ban": ("no-mail: forbid mail",),
    "a threshold": ("large: ask refund when amount > 100",),
    "an exception that counts": ("verified: forbid refund unless customer.verified",),
    "what was looked up": ("looked: forbid cancel(id: r) unless once find_order(id: r)",),
    "the newest result": ('open: forbid cancel(id: r) when last find_order(id: r) has state = "shipped"',),
    "a window": ("soon: forbid cancel(id: r) unless last find_order(id: r) has now within 24h of placed",),
    "a limit": ("thrice: limit refund to 3 per 24h by id",),
    "a large limit": ("often: limit refund to 40 per 24h",),
    "a limit on a sum": ("sum: limit sum(amount) of refund to 500 per 7d",),
    "a confirmation": (
        "yes: forbid any call with effect write unless last message has message.says_yes trusting judge",
    ),
    "one at a time": ("one: forbid any call when turn.calls > 1 or turn has text",),
    "a reply": ("price: forbid reply when reply.names_a_price",),
    "a requirement": ("note: require note is present for refund when amount > 50",),
    "a domain": ('domain: forbid mail unless to at domain "shop.example"',),
    "a domain and a prefix": ('domain: forbid mail unless to at domain "shop.example" and to starts with "it-"',),
    "elements of a list": (
        "items: forbid cancel(id: r) when last find_order(id: r) has any x in items: x.price > 100",
    ),
    "many elements": ("many: forbid cancel(id: r) when last find_order(id: r) has length(items) > 7",),
    "since": ("since: forbid refund unless no message since call find_order",),
    "previous": ("previous: forbid refund unless previous result find_order",),
    "one of many values": ('values: forbid label when code starts with "v59" and code != "v59" and not code = "v599"',),
    "a folded text": ('folded: forbid mail when body contains "Secret" and length(body) < 30',),
    "a count": ("count: forbid refund when count(call cancel within 1h) >= 2",),
    "a permit beside a ban of something else": (
        "may: permit cancel when customer.verified",
        "ban: forbid cancel when not customer.verified",
    ),
    "a higher permit and a lower ban apart": (
        'may level=platform: permit refund when customer.tier = "gold"',
        'ban level=user: forbid refund when customer.tier = "basic"',
    ),
}

DEFECTS = {
    "a rule that contradicts itself": ("S201", "never", ("never: forbid refund when amount > 100 and amount < 50",)),
    "two states at once": (
        "S201",
        "never",
        ('never: forbid cancel(id: r) when last find_order(id: r) has (state = "open" and state = "closed")',),
    ),
    "an exception that covers everything": (
        "S201",
        "never",
        ("never: forbid refund when amount > 100 unless amount > 50",),
    ),
    "two prefixes": ("S201", "never", ('never: forbid mail when to starts with "a" and to starts with "b"',)),
    "two domains": (
        "S201",
        "never",
        ('never: forbid mail when to at domain "a.example" and to at domain "b.example"',),
    ),
    "a pattern and a letter that it lacks": (
        "S201",
        "never",
        ('never: forbid refund when id matches "[A-Z]{2}[0-9]+" and id contains "x"',),
    ),
    "a value that an enum lacks": ("S201", "never", ('never: forbid label when code starts with "w"',)),
    "a result before its call": (
        "S201",
        "never",
        ("never: forbid refund when once result find_order and count(call find_order) = 0",),
    ),
    "a window within a window": (
        "S201",
        "never",
        ("never: forbid refund when once call cancel within 1h and not once call cancel within 2h",),
    ),
    "a permit that never applies": ("S201", "never", ("never: permit refund when amount > 5 and amount < 1",)),
    "a condition that is no condition": ("S202", "always", ("always: forbid refund when amount > 5 or amount <= 5",)),
    "a length that is always there": ("S202", "always", ("always: warn mail when length(body) >= 0",)),
    "a requirement that nobody meets": ("S202", "always", ("always: require amount > 5 and amount < 1 for refund",)),
    "a permit inside a ban": (
        "S203",
        "may",
        ("ban: forbid refund", "may: permit refund when amount < 10"),
    ),
    "a permit between two bans": (
        "S203",
        "may",
        (
            "low: forbid refund when amount < 10",
            "high: ask refund when amount >= 5",
            "may: permit refund when customer.verified",
        ),
    ),
    "a permit that meets a ban": (
        "S204",
        "may",
        ("ban: forbid refund when amount > 100", "may: permit refund when customer.verified"),
    ),
    "a permit that meets a lower ban": (
        "S204",
        "may level=platform",
        ("ban level=user: forbid refund when amount > 100", "may level=platform: permit refund when customer.verified"),
    ),
    "a lower permit over a higher ban": (
        "S205",
        "may level=user",
        ("ban level=platform: forbid refund when amount > 100", "may level=user: permit refund when customer.verified"),
    ),
    "an exception that cannot be": (
        "S206",
        "idle",
        ('idle: forbid refund when amount > 100 unless customer.tier = "gold" and customer.tier = "basic"',),
    ),
    "an exception elsewhere": ("S207", "idle", ("idle: forbid refund when amount > 100 unless amount < 50",)),
    "a requirement elsewhere": ("S207", "idle", ("idle: require amount < 50 for refund when amount > 100",)),
    "a clause of prose": ("S208", "prose", ("prose: ",)),
}
