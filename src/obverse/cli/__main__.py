"""`python -m obverse.cli` is `obverse`."""

import sys

from obverse.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
