"""Every code that a user can meet stands in docs/errors.md, and no other."""

from __future__ import annotations

from error_codes import LINE, PAGE, differences, page, raised
from house import Module, modules

SOURCE = Module(
    name="policy.x",
    text='def f(n):\n    raise E(f"no `{n}` here", code="P104")\n\ndef g():\n    raise E("a|b", code="P105")\nOTHER = "P106"\n',
)


def test_every_code_of_the_source_has_its_line() -> None:
    assert differences(PAGE.read_text(), raised(modules())) == []


def test_every_line_says_what_is_wrong_and_what_to_do() -> None:
    lines = LINE.finditer(PAGE.read_text())
    assert [line["code"] for line in lines if not (line["message"].strip() and line["advice"].strip())] == []


def test_a_code_without_a_line_and_a_line_without_a_code_are_found() -> None:
    old = "| `P104` | no … | mend it |\n| `P104` | no … | mend it |\n| `P999` | gone | |\n"
    found = " ".join(differences(old, raised([SOURCE])))
    assert "`P105` has no line" in found
    assert "`P106` has no line" in found
    assert "`P999` stands in docs/errors.md, but" in found
    assert "`P104` stands twice" in found


def test_writing_the_page_again_keeps_what_people_wrote() -> None:
    first = page(raised([SOURCE]), "")
    assert "| `P104` | no `…` here |  |" in first
    assert differences(first, raised([SOURCE])) == []
    advised = first.replace("no `…` here |  |", "no `…` here | look again |")
    assert page(raised([SOURCE]), advised) == advised
