"""`python -m pianomuse` is the command `pianomuse`."""

from __future__ import annotations

import sys


def start() -> int:
    """Run the command line; Ctrl-C is heard from the first moment on."""
    try:
        from pianomuse.cli import main

        return main()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(start())
