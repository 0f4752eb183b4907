"""The order of ideas: which one first, from figures that are kept with each.

An idea's figures are how likely the model finds it, how well the bars behind follow from it (where it has to join
them), and how near it is to the bars before in key, register, rhythm and density. A taste weighs them
(`pianomuse.generate.taste`); ideas then take their places one by one, each the worthiest of those left, less what it
has in common with an idea already placed (maximal marginal relevance, Carbonell & Goldstein 1998). An idea in which a
long stretch of another work was found comes last, and says which work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pianomuse.coded import coded
from pianomuse.generate.compose import Scene
from pianomuse.generate.ideas import Candidate, Figures
from pianomuse.generate.joins import NEAR_BARS, Joins
from pianomuse.generate.side import Side
from pianomuse.generate.taste import Taste
from pianomuse.generate.writer import DecodedIdea
from pianomuse.measure.agreement import note_f1
from pianomuse.measure.known_works import KnownWorks
from pianomuse.measure.passage import Passage, passage
from pianomuse.measure.style import density_distance, groove_similarity, in_key_share, register_overlap

_LIKENESS = 2.0  # worth that an idea loses if it has all notes of one placed before it
_COPIED = 100.0  # more than any taste
_SCALES = {"likely": 0.38, "joins": 0.12, "near": 0.043, "fuller": 0.27, "closes": 0.5}
"""By how much ideas for one place usually differ: standard deviations in benchmarks/results/ranking.json."""

Weighed = list[tuple[Candidate, Passage]]


@dataclass(frozen=True)
class Ranker:
    """Puts ideas in order.

    Args:
        known_works: finds stretches of works of the training corpus; None looks for none.
        taste: what the composer tends to choose.

    """

    known_works: Callable[[], KnownWorks | None] = lambda: None
    taste: Callable[[], Taste] = Taste

    def __call__(
        self, scene: Scene, ideas: Sequence[tuple[Candidate, DecodedIdea]], joins: Joins | None
    ) -> tuple[Candidate, ...]:
        """Return the ideas in order, each with its figures.

        Args:
            scene: where they are.
            ideas: finished ones.
            joins: where the ideas have to lead into bars behind them: tells how well these follow.

        """
        known = self.known_works()
        near = near_bars(scene.request.before)
        weighed: Weighed = []
        for candidate, decoded in ideas:
            music = idea_passage(decoded, scene)
            stretch = known.find(music) if known is not None else None
            figures = Figures(
                log_prob_per_note=candidate.log_prob_per_note,
                following_log_prob_per_note=joins.log_prob_per_note(decoded.ids) if joins is not None else None,
                nearness=nearness(near, music),
                fullness=fullness(near, music),
                difference=1.0,
                resembles=stretch.work if stretch is not None else None,
                resembling_notes=stretch.n_notes if stretch is not None else 0,
            )
            reason = candidate.reason
            if stretch is not None:
                reason = coded(f"resembles {stretch.work}", "resembles", work=stretch.work)
            weighed.append((replace(candidate, figures=figures, reason=reason), music))
        return _in_order(weighed, self.taste())


def features_of(candidate: Candidate) -> dict[str, float]:
    """Return the features of a ranked idea, scaled; see `pianomuse.generate.taste`."""
    if candidate.figures is None:
        raise ValueError(f"idea {candidate.number} has no figures yet: it gets them when all ideas are written")
    return features(candidate.figures, candidate.ending)


def features(figures: Figures, ending: str) -> dict[str, float]:
    """Return the features of an idea from its figures and how it ends, in words."""
    raw = {
        "likely": figures.log_prob_per_note,
        "joins": figures.following_log_prob_per_note or 0.0,
        "near": figures.nearness,
        "fuller": figures.fullness,
        "closes": float(ending.startswith("ends closed")),
    }
    return {name: value / _SCALES[name] for name, value in raw.items()}


def nearness(near: Passage, music: Passage) -> float:
    """Return how near an idea is to the bars before in key, register, rhythm and density, 0 … 1; nothing heard is 1."""
    if near.n_notes == 0 or music.n_notes == 0:
        return float(near.n_notes == music.n_notes or near.n_notes == 0)
    density = 2.0 ** -density_distance(near, music)
    parts = (in_key_share(near, music), register_overlap(near, music), groove_similarity(near, music), density)
    return float(np.nanmean(parts))


def fullness(near: Passage, music: Passage) -> float:
    """Return log2 of the notes a quarter against the bars before; 0 where nothing was heard."""
    if near.n_notes == 0:
        return 0.0
    rates = [max(part.n_notes, 1) / max(part.quarters, 1e-9) for part in (near, music)]
    return float(np.log2(rates[1] / rates[0]))


def near_bars(before: Side) -> Passage:
    """Return the last bars before the caret."""
    notes = before.notes
    lines = np.concatenate([[0], np.cumsum(before.bar_units)]).astype(np.int64)
    whole = passage(notes.onset, notes.duration, notes.pitch, notes.velocity, lines)
    return whole.bars(max(whole.n_bars - NEAR_BARS, 0), whole.n_bars) if whole.n_bars else whole


def idea_passage(idea: DecodedIdea, scene: Scene) -> Passage:
    """Return the notes of an idea between its bar lines."""
    rows = np.array([(n.onset, n.duration, n.pitch, n.velocity) for n in idea.notes], dtype=np.int64).reshape(-1, 4)
    return passage(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], np.array(scene.request.plan.bar_starts))


def _in_order(weighed: Weighed, taste: Taste) -> tuple[Candidate, ...]:
    """Return the ideas, the worthiest first, each less what it has in common with those before it."""
    placed: list[tuple[Candidate, Passage]] = []
    left = list(weighed)
    while left:

        def worth(entry: tuple[Candidate, Passage]) -> float:
            candidate, music = entry
            is_copy = candidate.figures is not None and candidate.figures.resembles is not None
            return taste.worth(features_of(candidate)) - _LIKENESS * likeness(music, placed) - _COPIED * is_copy

        best = max(left, key=worth)
        left.remove(best)
        candidate, music = best
        figures = candidate.figures and replace(candidate.figures, difference=1.0 - likeness(music, placed))
        placed.append((replace(candidate, figures=figures), music))
    return tuple(candidate for candidate, _ in placed)


def likeness(music: Passage, placed: Sequence[tuple[Candidate, Passage]]) -> float:
    """Return the share of notes that an idea has in common with the most similar of others, 0 … 1."""
    return max((note_f1(other, music) for _, other in placed), default=0.0)
