"""A Chromium for the tests that need one: the path of the one that is here, or of one that is installed now.

    python tools/browser.py              prints the path; exit 1 where there is none
    python tools/browser.py --install    installs one first if need be: by apt as root, else by npm into the virtual environment

`$CHROMIUM` names one by hand. From npm it is `@sparticuz/chromium`, a Chromium without a window for x86-64 Linux.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PACKAGE = "@sparticuz/chromium"
FOLDER = Path(sys.prefix) / "browser"
OWN = FOLDER / "headless"
PATIENCE = 600
UNPACK = """
const fs = require("fs"), zlib = require("zlib");
const [from, to] = process.argv.slice(1);
fs.writeFileSync(to + ".part", zlib.brotliDecompressSync(fs.readFileSync(from)), { mode: 0o755 });
fs.renameSync(to + ".part", to);
"""


def browser() -> str | None:
    """The path of a Chromium that starts, None where there is none."""
    named = os.environ.get("CHROMIUM")
    places = [named] if named else [*(shutil.which(name) for name in NAMES), str(OWN), _of_playwright()]
    return next((place for place in places if place and _starts(place)), None)


def install() -> str | None:
    """The same, after trying to install one; what fails is said on stderr."""
    for way in (browser, _by_apt, _by_npm):
        try:
            found = way()
        except (OSError, subprocess.SubprocessError) as error:
            print(f"no browser by {way.__name__.removeprefix('_by_')}: {error}", file=sys.stderr)
            continue
        if found:
            return found
    return None


def _by_apt() -> str | None:
    """Debian's and Ubuntu's own, where we may install packages."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "chromium"]):
        _run(["apt-get", *command], environment)
    return browser()


def _by_npm() -> str | None:
    """A Chromium that travels inside a package of npm; its files need no right of root."""
    if not (shutil.which("npm") and shutil.which("node")) or (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    _run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(FOLDER), PACKAGE])
    packed = FOLDER / "node_modules" / PACKAGE / "bin" / "chromium.br"
    _run(["node", "-e", UNPACK, str(packed), str(OWN)])
    shutil.rmtree(FOLDER / "node_modules", ignore_errors=True)
    return browser()


def _of_playwright() -> str | None:
    """The one that `playwright install chromium` put into its cache."""
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    return max(
        (str(path) for path in cache.glob("chromium*/*/*") if path.name in {"chrome", "headless_shell"}), default=None
    )


def _starts(path: str) -> bool:
    """Whether it says its version: a name may lead to a note that asks to install something else."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return False
    return said.returncode == 0 and "chrom" in said.stdout.lower()


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    subprocess.run(
        command, check=True, timeout=PATIENCE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def main() -> int:
    """0 when a path was printed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--install", action="store_true", help="install one if there is none")
    found = install() if parser.parse_args().install else browser()
    if found is None:
        print("no Chromium on this machine: `apt-get install chromium`, or name one by $CHROMIUM", file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
