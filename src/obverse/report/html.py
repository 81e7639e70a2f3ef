"""A report as one HTML file: it works offline, prints, needs no script, and can load or run nothing.

1. Everything foreign is escaped by the template engine; prose alone is HTML, made from escaped Markdown.
2. The content security policy allows one thing: the style sheet with this hash. There is no script and no inline style.
3. The page stays below `LARGEST`: it takes as much of the cases and transcripts as there is room for, and says what is
   left out. The JSON beside it holds all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from obverse.campaign.audits import AuditSummary
from obverse.campaign.records import Summary
from obverse.report.audit_page import AuditPage, audit_page
from obverse.report.page import page
from obverse.report.views import ROOMS, Page, Room

if TYPE_CHECKING:
    from jinja2 import Environment

LARGEST: Final = 4_500_000
"""Bytes of a page; beyond it browsers and readers get slow."""

TEMPLATES: Final = Path(__file__).with_name("templates")
"""The folder of templates and of the style sheet, which other pages of ours share."""


def render_html(summary: Summary) -> str:
    """The report of a run as one file."""
    return _fitting("run.html", lambda room: page(summary, room))


def render_audit_html(summary: AuditSummary) -> str:
    """The report of an audit as one file."""
    return _fitting("audit.html", lambda room: audit_page(summary, room))


def _fitting(template: str, view: Callable[[Room], Page | AuditPage]) -> str:
    """(3) the page in the first room in which it is small enough; in the tightest, whatever it is."""
    text = ""
    for room in ROOMS:
        text = render(template, view(room))
        if len(text.encode()) <= LARGEST:
            break
    return text


def render(template: str, view: object) -> str:
    """This template with this view as `page`."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _environment().get_template(template).render(page=view, style=style, style_hash=f"sha256-{hashed}")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # (1)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
