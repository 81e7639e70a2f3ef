"""A shop in memory: the three tools that the agent has. Nothing here knows of a guard."""

from __future__ import annotations

import json
from typing import Any

ORDERS = {
    "A-1001": {"customer": "anna", "paid": 480.0, "sent": True},
    "A-1002": {"customer": "ben", "paid": 35.5, "sent": False},
}
TOOLS: list[dict[str, Any]] = [
    {
        "name": "find_order", "description": "Look an order up by its number.",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
    },
    {
        "name": "refund", "description": "Pay money back for an order.",
        "parameters": {
            "type": "object", "required": ["order", "amount"],
            "properties": {"order": {"type": "string"}, "amount": {"type": "number"}},
        },
    },
    {
        "name": "close_account", "description": "Close the account of a customer for ever.",
        "parameters": {"type": "object", "properties": {"customer": {"type": "string"}}, "required": ["customer"]},
    },
]  # fmt: skip


class Shop:
    """What happened to money and accounts is written down, so that anybody can look whether it did."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def run(self, tool: str, arguments: str) -> str:
        """What the tool gives back."""
        given = json.loads(arguments)
        if tool == "find_order":
            return json.dumps(ORDERS.get(given["order"], {"error": "no such order"}))
        self.done.append(f"{tool} {', '.join(str(value) for value in given.values())}")
        return "done"
