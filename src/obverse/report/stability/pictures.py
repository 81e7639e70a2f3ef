"""All pictures of a diagnosis, or of a comparison, by name."""

from __future__ import annotations

from collections.abc import Iterable

from obverse.report.stability.boundary import boundary_map
from obverse.report.stability.layers import heat_maps, layer_curves, routing
from obverse.report.stability.pairs import dumbbells, moves, widths
from obverse.report.stability.picture import Picture
from obverse.report.stability.slopes import flips, ladder_curves
from obverse.report.stability.sources import detectors, harm_detectors, variance
from obverse.stability.findings import Comparison, Diagnosis

__all__ = ["Picture", "comparison_pictures", "pictures"]


def pictures(diagnosis: Diagnosis) -> dict[str, Picture]:
    """Every picture that there is something to draw for, in the order of the page; none is empty."""
    sure, inside = diagnosis.settings.confidence, diagnosis.inside
    return _named(
        [
            boundary_map(diagnosis),
            flips(diagnosis),
            ladder_curves(diagnosis),
            variance(diagnosis.components, sure) if diagnosis.components is not None else None,
            layer_curves(inside, sure) if inside is not None else None,
            routing(inside) if inside is not None else None,
            *heat_maps(diagnosis),
            harm_detectors(inside, sure) if inside is not None else None,
            detectors(diagnosis.joint, sure) if diagnosis.joint is not None else None,
        ]
    )


def comparison_pictures(comparison: Comparison, first: Diagnosis) -> dict[str, Picture]:
    """Every picture of two runs; the marks are those of the first."""
    return _named([moves(comparison), dumbbells(comparison, first), widths(comparison)])


def _named(found: Iterable[Picture | None]) -> dict[str, Picture]:
    return {picture.name.removeprefix("stability-"): picture for picture in found if picture is not None}
