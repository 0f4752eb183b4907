"""Everything that was measured, as one JSON document; tables for people are made of it in pianomuse.evaluate.tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from pianomuse.evaluate.bootstrap import Estimate, relative_difference
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
from pianomuse.evaluate.validity_rate import ValidityRate
from pianomuse.evaluate.works import WorkSet
from pianomuse.measure.distributions import mean_divergence, mean_overlap


@dataclass(frozen=True)
class Report:
    """What was measured; parts that were not asked for are empty.

    Args:
        model: name of the model.
        works: what it was judged on.
        likelihood: bits of every work, of ``model`` and of the references.
        context: for each reader context gain by distance.
        motif: for each reader what is remembered of a planted motif, by distance.
        comparisons: one per task.
        dynamics: how often dynamics are kept.
        validity: how many ideas are what was promised.
        facts: settings and seconds, for the JSON document.

    """

    model: str
    works: WorkSet
    likelihood: dict[str, list[WorkBits]] = field(default_factory=dict)
    context: dict[str, dict[int, ContextGain]] = field(default_factory=dict)
    motif: dict[str, dict[int, MotifRecall]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    dynamics: DynamicsKept | None = None
    validity: ValidityRate | None = None
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
        tables = {name: _context_json(found) for name, found in report.context.items()}
        document["context_gain"] = tables.pop("model")
        document["context_gain_of_references"] = tables
    if report.motif:
        document["motif_recall"] = {
            name: {str(distance): _parts(found) for distance, found in table.items()}
            for name, table in report.motif.items()
        }
    if report.comparisons:
        document["tasks"] = {found.task.name: _comparison_json(found) for found in report.comparisons}
    if report.dynamics is not None:
        document["dynamics"] = _parts(report.dynamics)
    if report.validity is not None:
        document["validity"] = _validity_json(report.validity)
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
        "rises_from_bars": rises(by_bar_against_own(ours)),
        "sources": _all(by_source(ours)),
        "references": {
            name: {
                "bits_per_note": bits_per_note(found).value,
                "bits_per_bar": bits_per_bar(found).value,
                "interval": bits_per_note(found).to_json(),
                "parts": _all(by_part(found)),
                "sources": _all(by_source(found)),
                "from_bar_against_own": _all(by_bar_against_own(found)),
                "rises_from_bars": rises(by_bar_against_own(found)),
                "model_is_below_by": below(ours, found).to_json(),
                "model_is_below_by_in": {
                    source: below(_of(ours, source), _of(found, source)).to_json() for source in by_source(found)
                },
            }
            for name, found in likelihood.items()
            if name != "model"
        },
    }


def below(ours: Sequence[WorkBits], theirs: Sequence[WorkBits]) -> Estimate:
    """Return by which share our bits are fewer than theirs on the same works."""
    works = [w.work.work_id for w in ours]
    return relative_difference([w.bits.sum() for w in ours], [w.bits.sum() for w in theirs], works)


def _of(found: Sequence[WorkBits], source: str) -> list[WorkBits]:
    return [one for one in found if one.work.source == source]


def _context_json(table: Mapping[int, ContextGain]) -> dict[str, Any]:
    return {str(n): _parts(found) for n, found in table.items()}


def _parts(found: Any) -> dict[str, Any]:
    """Return the fields of a dataclass of estimates and counts."""
    values = {item.name: getattr(found, item.name) for item in fields(found)}
    return {name: value.to_json() if isinstance(value, Estimate) else value for name, value in values.items()}


def _validity_json(found: ValidityRate) -> dict[str, Any]:
    return {
        "ideas": found.total,
        "valid": found.valid_share,
        "faults_at_most": found.at_most,
        "ideas_by_temperature": {f"{t:g}": n for t, n in found.n_ideas.items()},
        "faults_by_temperature": {f"{t:g}": dict(counted) for t, counted in found.faults.items()},
    }


def _all(found: Mapping[Any, Estimate]) -> dict[str, Any]:
    return {str(key): estimate.to_json() for key, estimate in found.items()}


def _comparison_json(found: Comparison) -> dict[str, Any]:
    return {
        "places": found.n_places,
        "bars": found.task.n_bars,
        "measures": {who: _all(values) for who, values in found.table.items()},
        "overlap_area": {who: _number(mean_overlap(values)) for who, values in found.overlaps.items()},
        "divergence_bits": {who: _number(mean_divergence(values)) for who, values in found.overlaps.items()},
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
