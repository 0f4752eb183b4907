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
from pianomuse.evaluate.comparison import Comparison, Settings, compare, has_places, require_places
from pianomuse.evaluate.context import DISTANCES, ContextGain, context_gain
from pianomuse.evaluate.dynamics import N_PLACES, measure_dynamics_kept
from pianomuse.evaluate.likelihood import BitsOf, WorkBits, engine_bits, measure_likelihood
from pianomuse.evaluate.markov_engine import MarkovEngine
from pianomuse.evaluate.markov_table import load_markov
from pianomuse.evaluate.motif import MotifRecall, motif_recall
from pianomuse.evaluate.report import Report
from pianomuse.evaluate.tasks import CONTINUATION, ENDS, HANDS, INFILLS, MELODY, MIREX, Task
from pianomuse.evaluate.validity_rate import N_IDEAS, validity_rate
from pianomuse.evaluate.works import WorkSet
from pianomuse.measure.originality import MatchIndex
from pianomuse.measure.passage import passage_of_ids
from pianomuse.tokens.tokenizer import PianoTokenizer

MARKOV_TABLE = Path(__file__).parent / "markov.npz"
TASKS: dict[str, tuple[Task, ...]] = {
    "continuation": (CONTINUATION,),
    "ends": (ENDS,),
    "infill": INFILLS,
    "hand": HANDS,
    "melody": (MELODY,),
    "mirex": (MIREX,),
}
MEASURES = ("likelihood", "context", "motif", *TASKS, "dynamics", "validity")

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
        n_valid: ideas that are read back to count valid ones.
        markov: the table of the Markov reference.
        attention: a checkpoint of the attention reference; None: it is not there.
        training: a prepared dataset whose training split ideas are searched for copies of; None: not measured.

    """

    measures: tuple[str, ...] = ("likelihood",)
    settings: Settings = field(default_factory=Settings)
    n_valid: int = N_IDEAS
    markov: Path = MARKOV_TABLE
    attention: Path | None = None
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
        PianoMuseError: no Markov table, too few works for anything that was asked, or an unreadable training set.

    """
    started = time.perf_counter()
    tokenizer = PianoTokenizer()
    tell = progress or _silent
    markov, table = load_markov(judged.markov, tokenizer.vocabulary.fingerprint)
    readers: dict[str, BitsOf] = {"model": engine_bits(engine.prefill_all), "markov": _after_first(markov.bits)}
    writers: dict[str, Any] = {"model": engine, "markov": MarkovEngine(markov, tokenizer.vocabulary)}
    if judged.attention is not None:
        attention = _attention(judged.attention, tokenizer)
        readers["attention"], writers["attention"] = engine_bits(attention.prefill_all), attention
    wanted, found = judged.measures, works.works
    asked = [task for key, of_key in TASKS.items() if key in wanted for task in of_key]
    tasks = [task for task in asked if has_places(task, found)]
    if asked and not tasks and set(wanted) <= set(TASKS):
        require_places(asked[0], found)
    likelihood = _likelihood(readers, works, tokenizer, tell) if "likelihood" in wanted else {}
    context = _context(readers, works, tokenizer, tell) if "context" in wanted else {}
    motif = _motif(readers, works, tokenizer, tell) if "motif" in wanted else {}
    index = _training_index(judged.training, tokenizer, tell) if tasks and judged.training is not None else None
    comparisons = [_compare(task, works, writers, tokenizer, judged.settings, index, tell) for task in tasks]
    seed = judged.settings.seed
    dynamics = validity = None
    if "dynamics" in wanted:
        count = _counter(tell, "dynamics", 2 * N_PLACES)
        dynamics = measure_dynamics_kept(engine, tokenizer, found, seed=seed, progress=count)
    if "validity" in wanted:
        tick = _adder(tell, "ideas read back", judged.n_valid)
        validity = validity_rate(engine, tokenizer, found, n_ideas=judged.n_valid, seed=seed, progress=tick)
    facts = {**_facts(judged), "markov_table": table, "tasks_left_out": [t.name for t in asked if t not in tasks]}
    facts["seconds"] = round(time.perf_counter() - started, 1)
    return Report(name, works, likelihood, context, motif, comparisons, dynamics, validity, facts)


def _facts(judged: Judged) -> dict[str, Any]:
    sampling = judged.settings.sampling
    return {
        "seed": judged.settings.seed,
        "candidates": judged.settings.n_ideas,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "attention": str(judged.attention) if judged.attention is not None else None,
    }


def _attention(folder: Path, tokenizer: PianoTokenizer) -> Any:
    """Load the attention reference; the only thing here that needs PyTorch."""
    try:
        from pianomuse.evaluate.attention import load_attention
        from pianomuse.evaluate.attention_engine import AttentionEngine
    except ImportError as error:
        raise RequestError(f"--attention needs PyTorch ({error}): pip install 'pianomuse[train]'") from None
    return AttentionEngine(load_attention(folder, tokenizer.vocabulary.fingerprint), tokenizer)


def _silent(_what: str, _done: int, _total: int) -> None:
    return None


def _after_first(bits: Callable[[NDArray[np.int32]], NDArray[np.float64]]) -> BitsOf:
    return lambda ids: bits(ids)[1:]


def _likelihood(
    readers: Mapping[str, BitsOf], works: WorkSet, tokenizer: PianoTokenizer, tell: Progress
) -> dict[str, list[WorkBits]]:
    total = sum(len(work.ids) + 1 for work in works.works)
    return {
        name: measure_likelihood(
            reader, works.works, tokenizer.vocabulary, progress=_adder(tell, f"tokens read by {name}", total)
        )
        for name, reader in readers.items()
    }


def _context(
    readers: Mapping[str, BitsOf], works: WorkSet, tokenizer: PianoTokenizer, tell: Progress
) -> dict[str, dict[int, ContextGain]]:
    count = _counter(tell, "context gain", len(readers) * len(works.works) * len(DISTANCES))
    return {name: context_gain(reader, works.works, tokenizer, progress=count) for name, reader in readers.items()}


def _motif(
    readers: Mapping[str, BitsOf], works: WorkSet, tokenizer: PianoTokenizer, tell: Progress
) -> dict[str, dict[int, MotifRecall]]:
    count = _counter(tell, "planted motifs", len(works.works))
    return motif_recall(readers, works.works, tokenizer, progress=count)


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
    add = _adder(tell, what, total)
    return lambda: add(1)


def _adder(tell: Progress, what: str, total: int) -> Callable[[int], None]:
    done = 0

    def add(n: int) -> None:
        nonlocal done
        done += n
        tell(what, done, total)

    return add


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
