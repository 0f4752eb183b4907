"""Measure a model: everything that was asked for, on one set of works, into one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import DatasetError, RequestError
from pianomuse.evaluate.comparison import Comparison, Settings, compare
from pianomuse.evaluate.context import DISTANCES, ContextGain, context_gain
from pianomuse.evaluate.likelihood import BitsOf, WorkBits, engine_bits, measure_likelihood
from pianomuse.evaluate.markov_engine import MarkovEngine
from pianomuse.evaluate.markov_table import load_markov
from pianomuse.evaluate.report import Report
from pianomuse.evaluate.tasks import CONTINUATION, INFILLS, MIREX, Task
from pianomuse.evaluate.works import WorkSet
from pianomuse.measure.originality import MatchIndex
from pianomuse.measure.passage import passage_of_ids
from pianomuse.tokens.tokenizer import PianoTokenizer

MARKOV_TABLE = Path(__file__).parent / "markov.npz"
TASKS: dict[str, tuple[Task, ...]] = {"continuation": (CONTINUATION,), "infill": INFILLS, "mirex": (MIREX,)}
MEASURES = ("likelihood", "context", *TASKS)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and how much there is."""


class ReadingEngine(Protocol):
    """An engine that also returns the logits after every token, as pianomuse.runtime's does."""

    def prefill_all(self, ids: NDArray[np.integer], state: Any = None) -> tuple[NDArray[np.float32], Any]:
        """Read ids int [T]; return logits float32 [T, V] and the state."""
        ...


@dataclass(frozen=True)
class Judged:
    """What is measured, and how.

    Args:
        measures: some of MEASURES.
        settings: of completions.
        markov: the table of the Markov reference.
        training: a prepared dataset whose training split ideas are searched for copies of; None: not measured.

    """

    measures: tuple[str, ...] = ("likelihood",)
    settings: Settings = field(default_factory=Settings)
    markov: Path = MARKOV_TABLE
    training: Path | None = None


def chosen_measures(names: str) -> tuple[str, ...]:
    """Read a list such as ``likelihood,continuation`` or ``all``.

    Raises:
        RequestError: an unknown measure.

    """
    wanted = tuple(name.strip() for name in names.split(",") if name.strip())
    unknown = [name for name in wanted if name not in (*MEASURES, "all")]
    if unknown or not wanted:
        raise RequestError(f"--measures {names}: choose from all, {', '.join(MEASURES)}, with commas between")
    return MEASURES if "all" in wanted else tuple(name for name in MEASURES if name in wanted)


def judge(engine: Any, name: str, works: WorkSet, judged: Judged, *, progress: Progress | None = None) -> Report:
    """Measure a model beside the references.

    Args:
        engine: composes and reads (`Engine` and `ReadingEngine`).
        name: what the model is called.
        works: what it is judged on.
        judged: what is measured.
        progress: called as it goes on.

    Raises:
        PianoMuseError: no Markov table, too few works, or an unreadable training set.

    """
    started = time.perf_counter()
    tokenizer = PianoTokenizer()
    tell = progress or _silent
    markov, facts = load_markov(judged.markov, tokenizer.vocabulary.fingerprint)
    readers: dict[str, BitsOf] = {"model": engine_bits(engine.prefill_all), "markov": _after_first(markov.bits)}
    writers = {"model": engine, "markov": MarkovEngine(markov, tokenizer.vocabulary)}
    likelihood = _likelihood(readers, works, tokenizer, tell) if "likelihood" in judged.measures else {}
    context = _context(readers["model"], works, tokenizer, tell) if "context" in judged.measures else {}
    tasks = [task for key, found in TASKS.items() if key in judged.measures for task in found]
    index = _training_index(judged.training, tokenizer, tell) if tasks and judged.training is not None else None
    comparisons = [_compare(task, works, writers, tokenizer, judged.settings, index, tell) for task in tasks]
    sampling = judged.settings.sampling
    return Report(
        name,
        works,
        likelihood,
        context,
        comparisons,
        {
            "seed": judged.settings.seed,
            "candidates": judged.settings.n_ideas,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "markov_table": facts,
            "seconds": round(time.perf_counter() - started, 1),
        },
    )


def _silent(_what: str, _done: int, _total: int) -> None:
    return None


def _after_first(bits: Callable[[NDArray[np.int32]], NDArray[np.float64]]) -> BitsOf:
    return lambda ids: bits(ids)[1:]


def _likelihood(
    readers: Mapping[str, BitsOf], works: WorkSet, tokenizer: PianoTokenizer, tell: Progress
) -> dict[str, list[WorkBits]]:
    total = sum(len(work.ids) + 1 for work in works.works)
    found = {}
    for name, reader in readers.items():
        done = 0

        def count(n_tokens: int, name: str = name) -> None:
            nonlocal done
            done += n_tokens
            tell(f"tokens read by {name}", done, total)

        found[name] = measure_likelihood(reader, works.works, tokenizer.vocabulary, progress=count)
    return found


def _context(reader: BitsOf, works: WorkSet, tokenizer: PianoTokenizer, tell: Progress) -> dict[int, ContextGain]:
    return context_gain(
        reader, works.works, tokenizer, progress=_counter(tell, "context gain", len(works.works) * len(DISTANCES))
    )


def _compare(
    task: Task,
    works: WorkSet,
    writers: Mapping[str, Any],
    tokenizer: PianoTokenizer,
    settings: Settings,
    index: MatchIndex | None,
    tell: Progress,
) -> Comparison:
    count = _counter(tell, task.name, len(works.works) * len(writers))
    return compare(task, works.works, writers, tokenizer, settings, training=index, progress=count)


def _counter(tell: Progress, what: str, total: int) -> Callable[[], None]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        tell(what, done, total)

    return count


def _training_index(dataset: Path, tokenizer: PianoTokenizer, tell: Progress) -> MatchIndex:
    from pianomuse.data.store import PieceStore

    store = PieceStore(dataset, "train")
    if len(store) == 0:
        raise DatasetError(f"{dataset} has no training pieces to search for copies")
    count = _counter(tell, "reading training pieces", len(store))
    passages = []
    for piece in store:
        passages.append(passage_of_ids(piece.views["full"].ids, tokenizer.vocabulary))
        count()
    return MatchIndex(passages)
