"""What every report holds to, whatever the run."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report.sim import claim, summary

from obverse.report.claims import claim_view
from obverse.report.html import render_html
from obverse.report.terminal import render_text
from obverse.report.wording import rate

BARE_ZERO = re.compile(r"(?<![\d.])0(\.0+)? %(?! to 100 %)")
counts = st.integers(min_value=0, max_value=3000)


@given(n=counts, share=st.floats(min_value=0, max_value=1), missing=st.integers(min_value=0, max_value=50))
@settings(max_examples=60, deadline=None)
def test_L10_a_rate_is_never_said_without_its_interval_and_number(n: int, share: float, missing: int) -> None:
    broken = round(n * share)
    found = claim(n=n, broken=broken, unscored=missing)
    said = rate(found)
    assert said == "no data" if n == 0 else f"{broken:,} of {n:,}" in said
    assert not BARE_ZERO.search(said)
    assert broken not in {0, n} or claim_view(found).bar.estimate is None


def test_L10_no_report_says_a_bare_zero() -> None:
    run = summary()
    assert not BARE_ZERO.search(render_text(run))
    assert not BARE_ZERO.search(re.sub(r"<style>.*?</style>|<[^>]*>", " ", render_html(run), flags=re.S))


@given(n=counts, share=st.floats(min_value=0, max_value=1), missing=st.integers(min_value=1, max_value=50))
@settings(max_examples=30, deadline=None)
def test_L11_every_rate_comes_with_the_worst_that_the_unscored_may_have_been(
    n: int, share: float, missing: int
) -> None:
    view = claim_view(claim(n=n, broken=round(n * share), unscored=missing))
    assert f"{missing:,} without score" in view.counted
    if n:
        assert view.bar.seen is not None
        assert any(term.name == "seen, at worst" for term in view.terms)
