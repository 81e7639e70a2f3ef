"""Pictures of a stability run for the documents: every picture as PNG, light, and the boundary map dark as well.

    python tools/stability_pictures.py runs/stability -o docs/images          of a run's folder
    python tools/stability_pictures.py --made-up 60 -o /tmp/pictures          of made-up prompts, to look at the drawing
    python tools/stability_pictures.py runs/before --second runs/after        two runs side by side

Needs the extra `pictures`. `--svg` writes SVG instead, light and dark; `--html` the page as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from obverse.core.errors import ObverseError
from obverse.report.stability.page import comparison_html, stability_html
from obverse.report.stability.picture import Picture
from obverse.report.stability.pictures import comparison_pictures, pictures
from obverse.stability.findings import Comparison, Diagnosis
from obverse.testing import diagnoses


def write(found: Mapping[str, Picture], folder: Path, *, svg: bool) -> None:
    """Every picture into the folder; `stability-map-dark.png` beside the light one."""
    for name, picture in found.items():
        files = {f"{picture.name}.png": picture.png}
        if name == "map":
            files[f"{picture.name}-dark.png"] = lambda picture=picture: picture.png(dark=True)
        if svg:
            files = {
                f"{picture.name}.svg": lambda picture=picture: picture.svg().encode(),
                f"{picture.name}-dark.svg": lambda picture=picture: picture.svg(dark=True).encode(),
            }
        for file, draw in files.items():
            path = folder / file
            path.write_bytes(draw())
            print(f"{path}  {path.stat().st_size // 1000} kB")


def read(folder: Path) -> Diagnosis:
    """The diagnosis of a run."""
    from obverse.campaign.stability.run import read_stability

    return read_stability(folder)


def side_by_side(first: Diagnosis, second: Diagnosis) -> Comparison:
    """What differs between two runs."""
    from obverse.stability.compare import compare

    return compare(first, second)


def main() -> int:
    """0 when everything was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?", help="the folder of a run")
    parser.add_argument("--second", type=Path, help="the folder of a second run over the same prompts")
    parser.add_argument("--made-up", type=int, metavar="PROMPTS", help="made-up prompts instead of a run")
    parser.add_argument("--seed", type=int, default=0, help="of what is made up")
    parser.add_argument("--svg", action="store_true", help="SVG instead of PNG, light and dark")
    parser.add_argument("--html", action="store_true", help="the page as well")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    if (options.run is None) == (options.made_up is None):
        parser.error("a run's folder or --made-up, one of the two")
    options.output.mkdir(parents=True, exist_ok=True)
    comparison = second = None
    try:
        if options.made_up is not None:
            first = diagnoses.diagnosis(prompts=options.made_up, seed=options.seed)
            comparison, _, second = diagnoses.comparison(prompts=options.made_up, seed=options.seed)
        else:
            first = read(options.run)
            if options.second is not None:
                second = read(options.second)
                comparison = side_by_side(first, second)
        write(pictures(first), options.output, svg=options.svg)
        if comparison is not None:
            write(comparison_pictures(comparison, first), options.output, svg=options.svg)
        if options.html:
            (options.output / "stability.html").write_text(stability_html(first), encoding="utf-8")
            if comparison is not None and second is not None:
                page = comparison_html(comparison, first, second)
                (options.output / "stability-comparison.html").write_text(page, encoding="utf-8")
    except ObverseError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
