"""A record as JSON, whole: what the page shows and what it leaves out. Numbers stay exact, unknown stays null."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec

from obverse.campaign.audits import AuditSummary
from obverse.campaign.records import Summary


def render_json(summary: Summary) -> bytes:
    """The summary of a run as one JSON document, indented; `msgspec` reads it back as a `Summary`."""
    return _document(summary)


def render_audit_json(summary: AuditSummary) -> bytes:
    """The summary of an audit as one JSON document: `policy`, `transcripts`, `findings`, `clauses`, and more."""
    return _document(summary)


def _document(record: msgspec.Struct) -> bytes:
    try:
        return msgspec.json.format(msgspec.json.Encoder(decimal_format="number").encode(record), indent=2) + b"\n"
    except UnicodeEncodeError:  # a lone surrogate in what a target wrote: JSON can only escape it
        plain = msgspec.to_builtins(record, builtin_types=(Decimal,), str_keys=True)
        return json.dumps(plain, indent=2, default=float).encode() + b"\n"
