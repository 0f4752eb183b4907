"""PianoMuse: completes piano music the way an editor completes code."""

from __future__ import annotations

__version__ = "0.1.0"
