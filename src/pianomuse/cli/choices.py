"""The words that options of the commands which write ideas can have."""

from __future__ import annotations

from enum import StrEnum


class Adventure(StrEnum):
    """How bold ideas are."""

    CALM = "calm"
    BALANCED = "balanced"
    BOLD = "bold"


class Device(StrEnum):
    """Where the model runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    NPU = "npu"
    MPS = "mps"


class Feel(StrEnum):
    """How new notes lie against the grid."""

    PLAYED = "played"
    STRAIGHT = "straight"


class GridName(StrEnum):
    """Whose bars count."""

    AUTO = "auto"
    FILE = "file"


class HandName(StrEnum):
    """One of two."""

    LEFT = "left"
    RIGHT = "right"


class KeepOfBars(StrEnum):
    """What stays of bars that are varied."""

    RHYTHM = "rhythm"
    CONTOUR = "contour"
    HARMONY = "harmony"


class EndingName(StrEnum):
    """How a phrase ends."""

    OPEN = "open"
    HALF = "half"
    CLOSE = "close"
    FINAL = "final"


class Chromatic(StrEnum):
    """Which notes may leave the key."""

    PASSING = "passing"


class Keep(StrEnum):
    """What is kept of the composer's bars."""

    RHYTHM = "rhythm"
    CONTOUR = "contour"
    PITCHES = "pitches"


class YesNo(StrEnum):
    """A plain answer."""

    YES = "yes"
    NO = "no"
