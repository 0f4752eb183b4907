"""How fast things are, as ratios to a peer in one run on one machine: what `pianomuse bench` measures.

    wkv        the WKV operator, forward and backward, against autograd through its definition
    decode     writing and reading tokens on a CPU, against the package `rwkv` and a Transformer
    train      a training step, against the reference loop and a Transformer of the same size
    complete   the command line and an open session: how long a composer waits

Each is a module with `Settings` (a frozen dataclass, so that `--set key=value` reaches every size) and `measure`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from pianomuse.errors import RequestError

NAMES = ("wkv", "decode", "train", "complete")


def benchmark(name: str) -> ModuleType:
    """Return the module of a benchmark.

    Raises:
        RequestError: there is none of that name.
    """
    if name not in NAMES:
        raise RequestError(f"bench: {name!r} is unknown; choose one of {', '.join(NAMES)}")
    return import_module(f"pianomuse.evaluate.bench.{name}")
