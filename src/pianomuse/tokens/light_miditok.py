"""MidiTok without its data classes for PyTorch.

Where PyTorch is installed, `import miditok` loads it for two classes that nothing here uses: a second of every start
(`pianomuse complete` 3.4 s with it and 2.4 s without, on a quiet 2-core Intel Xeon). `miditok.pytorch_data` itself can
be imported afterwards as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _withheld(module: str) -> Iterator[None]:
    """Let imports of a module fail as if it were not installed, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # what the import system takes for "not there"
    try:
        yield
    finally:
        del sys.modules[module]


with _withheld("miditok.pytorch_data"):
    from miditok import REMI as REMI
    from miditok import TokenizerConfig as TokenizerConfig
    from miditok.classes import Event as Event
