"""Views as HTML, by the template engine of reports, with everything foreign escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from obverse.report.html import TEMPLATES

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE: Final = Path(__file__).parent


class NavItem(msgspec.Struct, frozen=True, kw_only=True):
    """A way to another page; `count` is shown beside it, unless it is nothing."""

    name: str
    path: str
    here: bool
    count: str = ""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around every page. `tag` changes when there is news for it, `about` one request or all; without one it looks for none."""

    policy: str
    now: int
    tag: str = ""
    about: str = ""
    nav: tuple[NavItem, ...] = ()


def render(template: str, view: object, site: Site) -> str:
    """This template with this view as `page`."""
    return _environment().get_template(template).render(page=view, site=site)


@cache
def files() -> dict[str, tuple[bytes, str]]:
    """The files that every page uses, by name: their bytes, and what they are."""
    folder = _HERE / "static"
    sheets = (TEMPLATES / "style.css", folder / "pages.css")
    return {
        "style.css": (b"".join(sheet.read_bytes() for sheet in sheets), "text/css; charset=utf-8"),
        "page.js": ((folder / "page.js").read_bytes(), "text/javascript; charset=utf-8"),
        "icon.svg": ((folder / "icon.svg").read_bytes(), "image/svg+xml"),
    }


@cache
def _environment() -> Environment:
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined

    reports = PrefixLoader({"report": FileSystemLoader(TEMPLATES)})
    return Environment(
        loader=ChoiceLoader([reports, FileSystemLoader(_HERE / "templates")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
