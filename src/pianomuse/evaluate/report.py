"""Everything that was measured, as one JSON document and as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pianomuse.evaluate.bootstrap import Estimate, relative_difference
from pianomuse.evaluate.comparison import Comparison
from pianomuse.evaluate.context import ContextGain
from pianomuse.evaluate.likelihood import (
    WorkBits,
    bits_per_bar,
    bits_per_note,
    by_bar,
    by_bar_against_own,
    by_part,
    by_source,
)
from pianomuse.evaluate.works import WorkSet
from pianomuse.measure.distributions import mean_overlap

ORDER = ("truth", "model", "attention", "markov", "copy", "another piece")
"""Columns of a table of completions."""


@dataclass(frozen=True)
class Report:
    """What was measured; parts that were not asked for are empty.

    Args:
        model: name of the model.
        works: what it was judged on.
        likelihood: bits of every work, of ``model`` and of the references.
        context: context gain by distance.
        comparisons: one per task.
        facts: settings and seconds, for the JSON document.

    """

    model: str
    works: WorkSet
    likelihood: dict[str, list[WorkBits]] = field(default_factory=dict)
    context: dict[int, ContextGain] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def to_json(report: Report) -> dict[str, Any]:
    """Return the document that `pianomuse evaluate --json` prints."""
    works = report.works.works
    document: dict[str, Any] = {
        "model": report.model,
        "split": report.works.split,
        "files": len(works),
        "works": len({work.work_id for work in works}),
        "bars": int(sum(work.music.n_bars for work in works)),
        "notes": int(sum(work.music.n_notes for work in works)),
        "tokens": int(sum(len(work.ids) for work in works)),
        "dropped": report.works.dropped,
        **report.facts,
    }
    if "model" in report.likelihood:
        document |= _likelihood_json(report.likelihood)
    if report.context:
        document["context_gain"] = {
            str(n): {
                "bits_per_note": found.bits_per_note.to_json(),
                "gain": found.gain.to_json(),
                "far": found.far.to_json() if found.far is not None else None,
            }
            for n, found in report.context.items()
        }
    if report.comparisons:
        document["tasks"] = {found.task.name: _comparison_json(found) for found in report.comparisons}
    return document


def _likelihood_json(likelihood: Mapping[str, Sequence[WorkBits]]) -> dict[str, Any]:
    ours = likelihood["model"]
    return {
        "bits_per_note": bits_per_note(ours).value,
        "bits_per_bar": bits_per_bar(ours).value,
        "intervals": {"bits_per_note": bits_per_note(ours).to_json(), "bits_per_bar": bits_per_bar(ours).to_json()},
        "parts": _all(by_part(ours)),
        "from_bar": _all(by_bar(ours)),
        "from_bar_against_own": _all(by_bar_against_own(ours)),
        "sources": _all(by_source(ours)),
        "references": {
            name: {
                "bits_per_note": bits_per_note(found).value,
                "bits_per_bar": bits_per_bar(found).value,
                "interval": bits_per_note(found).to_json(),
                "parts": _all(by_part(found)),
                "model_is_below_by": below(ours, found).to_json(),
            }
            for name, found in likelihood.items()
            if name != "model"
        },
    }


def below(ours: Sequence[WorkBits], theirs: Sequence[WorkBits]) -> Estimate:
    """Return by which share our bits are fewer than theirs on the same works."""
    works = [w.work.work_id for w in ours]
    return relative_difference([w.bits.sum() for w in ours], [w.bits.sum() for w in theirs], works)


def _all(found: Mapping[Any, Estimate]) -> dict[str, Any]:
    return {str(key): estimate.to_json() for key, estimate in found.items()}


def _comparison_json(found: Comparison) -> dict[str, Any]:
    return {
        "places": found.n_places,
        "bars": found.task.n_bars,
        "measures": {who: _all(values) for who, values in found.table.items()},
        "overlap_area": {who: _number(mean_overlap(values)) for who, values in found.overlaps.items()},
        "features": {
            who: {
                name: {
                    "overlap_area": _number(o.overlap_area),
                    "divergence_bits": _number(o.divergence_bits),
                    "left_out": o.n_left_out,
                }
                for name, o in values.items()
            }
            for who, values in found.overlaps.items()
        },
        "faults": found.faults,
    }


def _number(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None


def to_lines(report: Report) -> Iterator[str]:
    """Yield the tables for people; an interval is the middle 95 % of a bootstrap over works."""
    works = report.works.works
    n_works = len({work.work_id for work in works})
    kind = "validation files" if report.works.split == "valid" else "files (nothing says which the model has not seen)"
    yield f"{report.model} on {len(works)} {kind}, {n_works} works"
    for reason, count in report.works.dropped.items():
        yield f"  left out {count}: {reason}"
    if "model" in report.likelihood:
        yield from _likelihood_lines(report.likelihood)
    if report.context:
        yield from _context_lines(report.context)
    for found in report.comparisons:
        yield from _comparison_lines(found)


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
        if name != "model":
            share = below(likelihood["model"], likelihood[name])
            yield f"fewer bits than {name}: {share.value:.1%} ({share.low:.1%} … {share.high:.1%})"


def _context_lines(context: Mapping[int, ContextGain]) -> Iterator[str]:
    heads = ("after the true bars", "gain over another's", "gain of bars 5 to n")
    yield ""
    yield f"{'context, bits per note':32}" + "".join(f"{head:>24}" for head in heads)
    for n, found in context.items():
        cells = (_cell(part) if part is not None else "" for part in (found.bits_per_note, found.gain, found.far))
        yield f"  {f'{n} bars ({found.gain.n_works} works)':30}" + "".join(f"{cell:>24}" for cell in cells)


def _comparison_lines(found: Comparison) -> Iterator[str]:
    names = [name for name in ORDER if name in found.table]
    names += [name for name in found.table if name not in ORDER]
    yield ""
    yield f"{found.task.name}: {found.task.n_bars} bars in {found.n_places} works"
    yield f"{'':26}" + "".join(f"{name:>22}" for name in names)
    measures = list(dict.fromkeys(key for name in names for key in found.table[name]))
    for measure in measures:
        cells = (_cell(found.table[name][measure]) if measure in found.table[name] else "" for name in names)
        yield f"  {measure:24}" + "".join(f"{cell:>22}" for cell in cells)
    areas = {name: mean_overlap(values) for name, values in found.overlaps.items()}
    ceiling = areas.pop("half of the truth")
    yield f"  {'overlap_area':24}" + "".join(
        f"{_plain(areas[name]) if name in areas else f'half: {_plain(ceiling)}':>22}" for name in names
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
