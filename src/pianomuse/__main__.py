"""`python -m pianomuse` is the command `pianomuse`."""

from __future__ import annotations

import sys

from pianomuse.cli import main

if __name__ == "__main__":
    sys.exit(main())
