"""Completions of one task in one table: the model beside the references it has to beat.

Four references stand in every table: `truth`, the composer's own bars, says what the measures give for real music;
`another piece`, the true bars of another work, what they give for good music that does not belong; `copy`, the last
bars once more, what repetition reaches; `markov`, an n-gram model that writes through the same grammar and limits. A
fill has a fifth: `blind`, the model's own bars for the same gap where it has not heard what follows.

Every number is a mean over places, one place per work, of the mean over the K ideas there, with the bootstrap interval
over works. Measures that a passage is too empty for are left out of their mean, and the number of works says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pianomuse.errors import DatasetError
from pianomuse.evaluate.bootstrap import Estimate, mean
from pianomuse.evaluate.mirex import PROMPT_END, VELOCITY, continue_prompt, generation_of, music_of, prompt_of
from pianomuse.evaluate.tasks import (
    CONTEXT_BARS,
    MIREX,
    Idea,
    Place,
    Task,
    another_piece,
    copy_last_bars,
    find_place,
    write_ideas,
)
from pianomuse.evaluate.works import Work
from pianomuse.generate.engine import Engine
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.measure.agreement import oracle_and_mean_f1
from pianomuse.measure.distributions import Overlap, compare_sets
from pianomuse.measure.diversity import diversity, duplicate_share
from pianomuse.measure.dynamics import dynamics_kept
from pianomuse.measure.join import Floats, all_jumps, join_roughness, jumps_at
from pianomuse.measure.originality import MatchIndex
from pianomuse.measure.passage import Passage
from pianomuse.measure.playability import unplayable_share
from pianomuse.measure.structure import longest_loop, self_similarity
from pianomuse.measure.style import (
    closes,
    density_distance,
    entropy_difference,
    groove_similarity,
    in_key_share,
    polyphony_distance,
    register_distance,
    register_overlap,
)
from pianomuse.tokens.tokenizer import PianoTokenizer

NAN = float("nan")
BLIND = "blind"
_STYLE: dict[str, Callable[[Passage, Passage], float]] = {
    "in_key": in_key_share,
    "entropy_difference": entropy_difference,
    "groove": groove_similarity,
    "register_overlap": register_overlap,
    "register_distance": register_distance,
    "density_distance": density_distance,
    "polyphony_distance": polyphony_distance,
}


PAIRED = (("best_f1", "best_f1_less_copy", "copy"), ("join_roughness", "join_less_blind", BLIND))
"""A measure, the name of its difference from another writer's at the same places, and the other writer."""


@dataclass(frozen=True)
class Settings:
    """How completions are asked for."""

    n_ideas: int = 4
    seed: int = 1
    sampling: SamplingSettings = field(default_factory=SamplingSettings)


@dataclass(frozen=True)
class Comparison:
    """One task.

    Args:
        task: what was asked.
        n_places: works it was asked of.
        table: for each writer each measure.
        overlaps: for each writer how its features spread against the truth; `half of the truth` is the ceiling.
        faults: for each writer how many ideas were invalid, by reason.
        places: where; for a listening test.
        ideas: for each writer, references too, the passages at each place.

    """

    task: Task
    n_places: int
    table: dict[str, dict[str, Estimate]]
    overlaps: dict[str, dict[str, Overlap]]
    faults: dict[str, dict[str, int]]
    places: tuple[Place, ...]
    ideas: dict[str, list[list[Passage]]]


def compare(
    task: Task,
    works: Sequence[Work],
    writers: Mapping[str, Engine[Any]],
    tokenizer: PianoTokenizer,
    settings: Settings,
    *,
    training: MatchIndex | None = None,
    progress: Callable[[], None] | None = None,
) -> Comparison:
    """Complete every work and score what was written.

    Args:
        task: what is asked.
        works: where; one place each, works without one are passed over.
        writers: engines by name, such as ``model`` and ``markov``.
        tokenizer: theirs.
        settings: how many ideas, how bold.
        training: music that may have been copied; without it the longest match is not measured.
        progress: called after each work and writer.

    Raises:
        DatasetError: fewer than two works have a place.

    """
    places = require_places(task, works)
    ideas: dict[str, list[list[Passage]]] = {}
    faults: dict[str, Counter[str]] = {}
    asked = {name: (engine, task) for name, engine in writers.items()}
    if task.is_fill and "model" in writers:
        asked[BLIND] = (writers["model"], replace(task, is_blind=True))
    for name, (engine, its_task) in asked.items():
        ideas[name], faults[name] = [], Counter()
        for place in places:
            found = _write(engine, tokenizer, place, its_task, settings)
            ideas[name].append([idea.music for idea in found])
            faults[name].update(idea.fault for idea in found if idea.fault)
            if progress is not None:
                progress()
    ideas["copy"] = [[_as_asked(copy_last_bars(place), task)] for place in places]
    ideas["another piece"] = [[_as_asked(another_piece(places, index), task)] for index in range(len(places))]
    truth = [_as_asked(place.truth, task) for place in places]
    ideas["truth"] = [[music] for music in truth]
    n_written = {name: sum(map(len, rows)) for name, rows in ideas.items()}
    rows = {name: _score(found, places, truth, task, training) for name, found in ideas.items()}
    numbers = [place.work.work_id for place in places]
    table = {
        name: {key: mean([row[key] for row in found], numbers) for key in found[0]} for name, found in rows.items()
    }
    for name in asked:
        for measure, other, than in PAIRED:
            if than in rows and than != name and measure in rows[name][0]:
                pairs = zip(rows[name], rows[than], strict=True)
                table[name][other] = mean([mine[measure] - its[measure] for mine, its in pairs], numbers)
    for name, counted in faults.items():
        share = 1 - counted.total() / max(n_written[name], 1)
        table[name]["valid"] = Estimate(share, NAN, NAN, len(places))
    return Comparison(
        task,
        len(places),
        table,
        _overlaps(ideas, truth),
        {name: dict(counted) for name, counted in faults.items()},
        tuple(places),
        ideas,
    )


def require_places(task: Task, works: Sequence[Work]) -> list[Place]:
    """Return where works can be completed, one place each; works without one are passed over.

    Raises:
        DatasetError: fewer than two works have a place.

    """
    places = [place for place in (find_place(work, task) for work in works) if place is not None]
    if len({place.work.work_id for place in places}) < 2:
        raise DatasetError(
            f"{task.name}: fewer than two of {len(works)} works have a place for it (long enough, with notes on both "
            "sides; hands and melodies told apart by track, mirex in 4/4); give more pieces"
        )
    return places


def has_places(task: Task, works: Sequence[Work]) -> bool:
    """Tell whether a task can be asked of enough of the works."""
    try:
        require_places(task, works)
    except DatasetError:
        return False
    return True


def _write(engine: Engine[Any], tokenizer: PianoTokenizer, place: Place, task: Task, settings: Settings) -> list[Idea]:
    n_ideas, seed, sampling = settings.n_ideas, settings.seed, settings.sampling
    if task.name != MIREX.name:
        return write_ideas(engine, tokenizer, place, task, n_ideas=n_ideas, seed=seed, sampling=sampling)
    prompt = prompt_of(place.work.music.bars(place.first_bar - 4, place.first_bar))
    written = continue_prompt(engine, tokenizer, prompt, n_ideas=n_ideas, seed=seed, sampling=sampling)
    return [Idea(music_of(events, PROMPT_END, task.n_bars), "" if events else "no notes") for events in written]


def _as_asked(music: Passage, task: Task) -> Passage:
    """Return music as the task's format can say it."""
    return music_of(generation_of(music), PROMPT_END, task.n_bars) if task.name == MIREX.name else music


def _score(
    ideas: Sequence[Sequence[Passage]],
    places: Sequence[Place],
    truth: Sequence[Passage],
    task: Task,
    training: MatchIndex | None,
) -> list[dict[str, float]]:
    """Return every measure at every place."""
    rows = []
    for place, true, mine in zip(places, truth, ideas, strict=True):
        whole = place.work.music
        if task.name == MIREX.name:  # its format knows no loudness
            whole = replace(whole, velocity=np.full(whole.n_notes, VELOCITY))
        usual = all_jumps(whole)
        each = [_measure(place, whole, music, task, usual, training) for music in mine]
        row = {name: _mean_of([values[name] for values in each]) for name in each[0]}
        row["best_f1"], row["f1"] = oracle_and_mean_f1(true, mine)
        row["diversity"], row["different_ideas"] = diversity(mine), len(mine) * (1 - duplicate_share(mine))
        rows.append(row)
    return rows


def _measure(
    place: Place, whole: Passage, music: Passage, task: Task, usual: Floats, training: MatchIndex | None
) -> dict[str, float]:
    first, after = place.first_bar, place.first_bar + place.n_bars
    context = whole.bars(max(first - CONTEXT_BARS, 0), first)
    values = {name: measure(context, music) for name, measure in _STYLE.items()}
    values["belongs"] = float(
        values["in_key"] >= 0.9 and values["density_distance"] <= 1 and values["register_distance"] <= 7
    )
    joins = [join_roughness(jumps_at(whole.bars(first - 1, first).then(music), 1), usual)]
    if task.is_fill:
        behind = music.then(whole.bars(after, after + 1))
        joins.append(join_roughness(jumps_at(behind, place.n_bars), usual))
        values["join_before"], values["join_behind"] = joins
    values["join_roughness"] = _mean_of(joins)
    likeness = self_similarity(context.then(music), (1, 2, 4, 8), from_bar=context.n_bars)
    values |= {f"likeness_{lag}_bars_back": value for lag, value in likeness.items()}
    values["loop_bars"] = float(longest_loop(music))
    values["unplayable"] = unplayable_share(music if place.given is None else music.over(place.given))
    if task.at_end:
        values["closes"] = closes(context, music)
    values["dynamics_kept"] = dynamics_kept(context, music)
    if training is not None:
        values["longest_match_notes"] = float(training.longest_match(music))
        values["copies_over_16"] = float(values["longest_match_notes"] > 16)
    return values


def _overlaps(
    ideas: Mapping[str, Sequence[Sequence[Passage]]], truth: Sequence[Passage]
) -> dict[str, dict[str, Overlap]]:
    """Compare the first idea of every place with the truth; one half of the truth with the other is the ceiling."""
    numbers = list(range(len(truth)))
    found = {
        name: compare_sets(truth, [mine[0] for mine in rows], groups=(numbers, numbers))
        for name, rows in ideas.items()
        if name != "truth"
    }
    found["half of the truth"] = compare_sets(truth[::2], truth[1::2])
    return found


def _mean_of(values: Sequence[float]) -> float:
    numbers = [value for value in values if not np.isnan(value)]
    return float(np.mean(numbers)) if numbers else NAN
