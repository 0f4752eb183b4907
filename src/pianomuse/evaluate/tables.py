"""What was measured, as tables for people; brackets are the middle 95 % of a bootstrap over works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pianomuse.evaluate.bootstrap import Estimate
from pianomuse.evaluate.comparison import Comparison
from pianomuse.evaluate.context import ContextGain
from pianomuse.evaluate.dynamics import DynamicsKept
from pianomuse.evaluate.likelihood import (
    WorkBits,
    bits_per_bar,
    bits_per_note,
    by_bar,
    by_bar_against_own,
    by_part,
    by_source,
    rises,
)
from pianomuse.evaluate.motif import MotifRecall
from pianomuse.evaluate.report import Report, below
from pianomuse.evaluate.validity_rate import ValidityRate
from pianomuse.measure.distributions import mean_divergence, mean_overlap

ORDER = ("truth", "model", "blind", "attention", "markov", "copy", "another piece")
"""Columns of a table of completions."""


def to_lines(report: Report) -> Iterator[str]:
    """Yield the tables for people; an interval is the middle 95 % of a bootstrap over works."""
    works = report.works.works
    n_works = len({work.work_id for work in works})
    kind = "validation files" if report.works.split == "valid" else "files (nothing says which the model has not seen)"
    yield f"{report.model} on {len(works)} {kind}, {n_works} works"
    for reason, count in report.works.dropped.items():
        yield f"  left out {count}: {reason}"
    for task in report.facts.get("tasks_left_out", ()):
        yield f"  {task} was not measured: fewer than two of these works have a place for it; give more pieces"
    if "model" in report.likelihood:
        yield from _likelihood_lines(report.likelihood)
    for name, table in report.context.items():
        yield from _context_lines(name, table)
    if report.motif:
        yield from _motif_lines(report.motif)
    for found in report.comparisons:
        yield from _comparison_lines(found)
    if report.dynamics is not None:
        yield from _dynamics_lines(report.dynamics)
    if report.validity is not None:
        yield from _validity_lines(report.validity)


def _likelihood_lines(likelihood: Mapping[str, Sequence[WorkBits]]) -> Iterator[str]:
    names = list(likelihood)
    yield ""
    yield f"{'':26}" + "".join(f"{name:>24}" for name in names)
    yield f"{'bits per note':26}" + "".join(f"{_cell(bits_per_note(likelihood[name])):>24}" for name in names)
    parts = {name: by_part(likelihood[name]) for name in names}
    for part in parts[names[0]]:
        yield f"  {part:24}" + "".join(f"{_cell(parts[name][part]):>24}" for name in names)
    yield f"{'bits per bar':26}" + "".join(f"{_cell(bits_per_bar(likelihood[name]), 1):>24}" for name in names)
    for title, table in (
        ("bits per note by source", by_source),
        ("bits per note from bar", by_bar),
        ("the same, 1 = as everywhere in these works", by_bar_against_own),
    ):
        yield title
        columns: dict[str, Mapping[Any, Estimate]] = {name: table(likelihood[name]) for name in names}
        for key in columns[names[0]]:
            yield f"  {key!s:24}" + "".join(f"{_cell(columns[name][key]):>24}" for name in names)
    for name in names:
        places = ", ".join(map(str, rises(by_bar_against_own(likelihood[name]))))
        yield f"{name} rises from bar {places} on" if places else f"{name} rises nowhere"
        if name != "model":
            share = below(likelihood["model"], likelihood[name])
            yield f"fewer bits than {name}: {share.value:.1%} ({share.low:.1%} … {share.high:.1%})"


def _context_lines(name: str, context: Mapping[int, ContextGain]) -> Iterator[str]:
    heads = ("after the true bars", "gain over another's", "gain of bars 5 to n")
    yield ""
    yield f"{f'context of {name}, bits per note':40}" + "".join(f"{head:>24}" for head in heads)
    for n, found in context.items():
        cells = (_cell(part) if part is not None else "" for part in (found.bits_per_note, found.gain, found.far))
        yield f"  {f'{n} bars ({found.gain.n_works} works)':38}" + "".join(f"{cell:>24}" for cell in cells)


def _motif_lines(motif: Mapping[str, Mapping[int, MotifRecall]]) -> Iterator[str]:
    first = next(iter(motif.values()))
    n_works = next(iter(first.values())).gain.n_works
    yield ""
    if n_works == 0:
        yield "planted motif: no work is long enough for it"
        return
    yield f"{f'planted motif, share recalled ({n_works} works)':40}" + "".join(f"{name:>24}" for name in motif)
    for distance in first:
        cells = (_cell(table[distance].recalled) for table in motif.values())
        yield f"  {f'{distance} bars later':38}" + "".join(f"{cell:>24}" for cell in cells)


def _dynamics_lines(found: DynamicsKept) -> Iterator[str]:
    yield ""
    yield f"dynamics kept in {found.n_expressive} expressive places: {_cell(found.kept)}"
    yield f"  by the composer's own next bars: {_cell(found.truth)}"
    yield f"  loudness of the first new bar within 8: {_cell(found.loudness)}"
    yield f"  spread within 0.7 to 1.3 of the last eight bars': {_cell(found.spread)}"
    yield f"one velocity kept exactly in {found.n_even} even places: {_cell(found.even)}"


def _validity_lines(found: ValidityRate) -> Iterator[str]:
    yield ""
    bound = "" if found.at_most is None else f"; a rate of faults above {found.at_most:.2%} is ruled out (95 %)"
    yield f"valid: {found.total - found.n_faults:,} of {found.total:,} ideas{bound}"
    for temperature, reasons in found.faults.items():
        for reason, n in reasons.items():
            yield f"  temperature {temperature:g}: {n} invalid: {reason}"


def _comparison_lines(found: Comparison) -> Iterator[str]:
    names = [name for name in ORDER if name in found.table]
    names += [name for name in found.table if name not in ORDER]
    yield ""
    yield f"{found.task.name}: {found.task.n_bars} bars in {found.n_places} works"
    yield f"{'':26}" + "".join(f"{name:>24}" for name in names)
    measures = list(dict.fromkeys(key for name in names for key in found.table[name]))
    for measure in measures:
        cells = (_cell(found.table[name][measure]) if measure in found.table[name] else "" for name in names)
        yield f"  {measure:24}" + "".join(f"{cell:>24}" for cell in cells)
    areas = {name: mean_overlap(values) for name, values in found.overlaps.items()}
    ceiling = areas.pop("half of the truth")
    yield f"  {'overlap_area':24}" + "".join(
        f"{_plain(areas[name]) if name in areas else f'half: {_plain(ceiling)}':>24}" for name in names
    )
    bits = {name: mean_divergence(values) for name, values in found.overlaps.items()}
    ceiling = bits.pop("half of the truth")
    yield f"  {'divergence_bits':24}" + "".join(
        f"{_plain(bits[name]) if name in bits else f'half: {_plain(ceiling)}':>24}" for name in names
    )
    for name, reasons in found.faults.items():
        for reason, count in reasons.items():
            yield f"  {name}: {count} invalid: {reason}"


def _plain(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _cell(found: Estimate, digits: int = 3) -> str:
    if np.isnan(found.value):
        return "–"
    if np.isnan(found.low):
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} ({found.low:.{digits}f}–{found.high:.{digits}f})"
