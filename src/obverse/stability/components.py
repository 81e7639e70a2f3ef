"""Where the variance of outcomes comes from: case, perturbation, paraphrase, sampling, judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from obverse.stability.findings import Components
from obverse.stability.records import Draw, Settings


def components(draws: Sequence[Draw], *, kinds: Mapping[str, str], settings: Settings) -> Components:
    """The variance of compliance, split into its sources; `kinds` says of each prompt what kind it is."""
    return Components(
        components=(),
        total=None,
        n=len(draws),
        judges=(),
        agreement=None,
        kappa=None,
        missing={"all": "not written yet"},
    )
