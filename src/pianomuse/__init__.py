"""PianoMuse: completes piano music the way an editor completes code.

>>> import pianomuse as pm
>>> muse = pm.load()  # doctest: +SKIP
>>> ideas = muse.complete("sketch.mid", bars=4, candidates=3, seed=1)  # doctest: +SKIP

The public names are found where they are defined when they are first used: importing the package loads neither
PyTorch nor numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pianomuse.api import load as load
    from pianomuse.data.prepare import process_midi_directory as process_midi_directory
    from pianomuse.data.windows import CopilotDataset as CopilotDataset
    from pianomuse.data.windows import collate_fn as collate_fn
    from pianomuse.data.windows import create_context_completion_pairs as create_context_completion_pairs
    from pianomuse.data.windows import load_dataset as load_dataset
    from pianomuse.data.windows import save_dataset as save_dataset
    from pianomuse.model.memory import estimate_model_memory as estimate_model_memory
    from pianomuse.model.rwkv import PianoMuseRWKV as PianoMuseRWKV
    from pianomuse.tokens.tokenizer import PianoTokenizer as PianoTokenizer

__version__ = "0.1.0"

_HOMES = {
    "load": "pianomuse.api",
    "PianoTokenizer": "pianomuse.tokens.tokenizer",
    "create_context_completion_pairs": "pianomuse.data.windows",
    "process_midi_directory": "pianomuse.data.prepare",
    "CopilotDataset": "pianomuse.data.windows",
    "collate_fn": "pianomuse.data.windows",
    "save_dataset": "pianomuse.data.windows",
    "load_dataset": "pianomuse.data.windows",
    "PianoMuseRWKV": "pianomuse.model.rwkv",
    "estimate_model_memory": "pianomuse.model.memory",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    """Import a public name from its home; say which extra it needs where that is not installed."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "accelerate", "datasets"}:
            raise
        what = f"pianomuse.{name} needs {error.name}: pip install 'pianomuse[train]'"
        raise ModuleNotFoundError(what, name=error.name) from error


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
