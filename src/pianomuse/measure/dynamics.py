"""Dynamics: is expressive music gone on with as loud and as uneven as it was?

    loudness_step  |mean velocity of the first new bar − that of the last bar before|, MIDI velocity
    spread_ratio   standard deviation of all new velocities / that of the bars before (usually eight)

`dynamics_kept` asks for a step of at most 8 and a ratio between 0.7 and 1.3, in music whose velocities differ at all
(standard deviation over 2). The limits are ours, set before anything was measured against them; there is no paper
behind them. They ask that a listener does not hear a seam, not that the dynamics are good: composers break them at
every subito, so the number stands beside the truth's.
"""

from __future__ import annotations

from pianomuse.measure.passage import Passage

EXPRESSIVE_SPREAD = 2.0
"""Standard deviation of velocities over which music counts as expressive, as in training."""
MAX_STEP = 8.0
SPREAD_RATIOS = (0.7, 1.3)
NAN = float("nan")


def loudness_step(context: Passage, new: Passage) -> float:
    """Return by how much the first new bar is louder or softer than the last bar; NaN if either has no notes."""
    last = context.velocity[context.bar_index == context.n_bars - 1]
    first = new.velocity[new.bar_index == 0]
    return abs(float(first.mean() - last.mean())) if min(len(last), len(first)) else NAN


def spread_ratio(context: Passage, new: Passage) -> float:
    """Return the spread of the new velocities over that of the context's; NaN in music that is not expressive."""
    spread = float(context.velocity.std()) if context.n_notes else 0.0
    return float(new.velocity.std()) / spread if spread > EXPRESSIVE_SPREAD and new.n_notes else NAN


def dynamics_kept(context: Passage, new: Passage) -> float:
    """Return 1 if an expressive context's dynamics go on, 0 if not; NaN where that cannot be said."""
    step, ratio = loudness_step(context, new), spread_ratio(context, new)
    if step != step or ratio != ratio:
        return NAN
    return float(step <= MAX_STEP and SPREAD_RATIOS[0] <= ratio <= SPREAD_RATIOS[1])
