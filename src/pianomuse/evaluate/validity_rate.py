"""The validity rate: of many ideas, how many are what was promised? It must be all of them.

Ideas are continued and filled in the middle of every work, eight at a time, at several temperatures with no top-p, so
that unlikely tokens do come. Each is read back from its MIDI file (pianomuse.evaluate.validity). The rate has no
interval over works; where no fault is found in n ideas, the true rate of faults is under 3 / n with 95 % confidence
(the rule of three, Hanley & Lippman-Hand 1983), which is what `at_most` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from pianomuse.errors import DatasetError
from pianomuse.evaluate.tasks import CONTINUATION, INFILLS, Place, Task, find_place, write_ideas
from pianomuse.evaluate.works import Work
from pianomuse.generate.engine import Engine
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.tokens.tokenizer import PianoTokenizer

N_IDEAS = 2000
TEMPERATURES = (0.5, 0.9, 1.2, 1.5)
_AT_ONCE = 8
_TASKS = (CONTINUATION, INFILLS[1])


@dataclass(frozen=True)
class ValidityRate:
    """What was found.

    Args:
        n_ideas: at each temperature.
        faults: at each temperature how many ideas had which fault.

    """

    n_ideas: dict[float, int]
    faults: dict[float, dict[str, int]]

    @property
    def total(self) -> int:
        """Ideas in all."""
        return sum(self.n_ideas.values())

    @property
    def n_faults(self) -> int:
        """Invalid ideas in all."""
        return sum(sum(found.values()) for found in self.faults.values())

    @property
    def valid_share(self) -> float:
        """Share of valid ideas, 0 … 1."""
        return 1 - self.n_faults / self.total

    @property
    def at_most(self) -> float | None:
        """Upper bound of the rate of faults where none was found, with 95 % confidence; None where some were."""
        return 3 / self.total if self.n_faults == 0 else None


def validity_rate(
    engine: Engine[Any],
    tokenizer: PianoTokenizer,
    works: Sequence[Work],
    *,
    n_ideas: int = N_IDEAS,
    temperatures: Sequence[float] = TEMPERATURES,
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
) -> ValidityRate:
    """Write ideas and read every one back.

    Args:
        engine: the model.
        tokenizer: its tokenizer.
        works: where.
        n_ideas: in all, the same number at each temperature.
        temperatures: how boldly.
        seed: of the first ideas; it goes up with every place.
        progress: called with the number of ideas after each place.

    Raises:
        DatasetError: no work is long enough.

    """
    places: list[tuple[Place, Task]] = []
    for number, work in enumerate(works):
        task = _TASKS[number % len(_TASKS)]
        place = find_place(work, task)
        if place is not None:
            places.append((place, task))
    if not places:
        raise DatasetError("validity: no work is long enough to be continued; give longer pieces")
    written: dict[float, int] = {}
    faults: dict[float, dict[str, int]] = {}
    for temperature in temperatures:
        counted: Counter[str] = Counter()
        n_done, wanted = 0, -(-n_ideas // len(temperatures))
        sampling = SamplingSettings(temperature=temperature, top_p=1.0)
        for turn in count():
            if n_done >= wanted:
                break
            place, task = places[turn % len(places)]
            n_now = min(_AT_ONCE, wanted - n_done)
            ideas = write_ideas(engine, tokenizer, place, task, n_ideas=n_now, seed=seed + turn, sampling=sampling)
            counted.update(idea.fault for idea in ideas if idea.fault)
            n_done += len(ideas)
            if progress is not None:
                progress(len(ideas))
        written[temperature], faults[temperature] = n_done, dict(counted)
    return ValidityRate(written, faults)
