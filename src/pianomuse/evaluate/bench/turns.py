"""Take turns: contenders run in short slices, one after the other, until each has had its time.

Other work on a machine comes and goes. Slices in turn let it hit all contenders alike, and the best slice of each is
the one it hit least; so ratios hold where single times do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Slice = Callable[[], float]
"""Runs once and returns how fast it was, in units per second."""
Clock = Callable[[], float]


def take_turns(contenders: Mapping[str, Slice], *, seconds: float, rounds: int = 3) -> dict[str, float]:
    """Return the best speed of each contender.

    Args:
        contenders: name -> slice; the first turn of each warms up and does not count.
        seconds: a contender leaves when it has run this long.
        rounds: but not before so many turns that count.
    """
    best, spent, turns = (dict.fromkeys(contenders, 0.0) for _ in range(3))
    for run in contenders.values():
        run()
    waiting = list(contenders)
    while waiting:
        for name in list(waiting):
            began = time.perf_counter()
            best[name] = max(best[name], contenders[name]())
            spent[name] += time.perf_counter() - began
            turns[name] += 1
            if spent[name] >= seconds and turns[name] >= rounds:
                waiting.remove(name)
    return best


def fastest(best: Mapping[str, float], prefix: str) -> float | None:
    """Return the best speed among the settings of one contender (`loop/1`, `loop/2`: its threads)."""
    speeds = [speed for name, speed in best.items() if name == prefix or name.startswith(f"{prefix}/")]
    return max(speeds, default=None)
