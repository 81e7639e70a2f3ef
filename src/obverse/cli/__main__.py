"""The way in: `obverse`, and `python -m obverse.cli`. It loads next to nothing, so that Ctrl-C is heard from the start."""

import sys

__all__ = ["main"]


def main() -> int:
    """The exit code of the command line; also where it is interrupted before it could be read."""
    try:
        from obverse.cli.app import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
