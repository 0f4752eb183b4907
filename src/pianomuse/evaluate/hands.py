"""One hand under or over the other: the request as training lays it out, decoded within the hand's limits.

The request is that of `harmonise`, whatever else stands in the bars: all bars before with both hands, the given hand's
bars, then the wanted hand by the grammar, playable by one hand, on the grid and, where there is only one, in the
loudness of its last bars. No dynamics are given back and no pedal is written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pianomuse.evaluate.tasks import CONTEXT_BARS, Idea, Place, Task
from pianomuse.evaluate.validity import fault
from pianomuse.generate.decode import DecodedIdea, decode
from pianomuse.generate.engine import Engine
from pianomuse.generate.grid import grid_of
from pianomuse.generate.plan import Limits, Plan, RingingNote
from pianomuse.generate.prompt import MAX_CONTEXT_TOKENS
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.measure.passage import passage
from pianomuse.midi.write import score_bytes
from pianomuse.tokens.prompt import PromptWriter, Wishes
from pianomuse.tokens.tokenizer import PianoTokenizer


def write_hand(
    engine: Engine[Any],
    tokenizer: PianoTokenizer,
    place: Place,
    task: Task,
    *,
    n_ideas: int,
    seed: int,
    sampling: SamplingSettings | None = None,
) -> list[Idea]:
    """Let a model write one hand where the other is given.

    Args:
        engine: the model.
        tokenizer: its tokenizer.
        place: where, with its `whole` work.
        task: which hand.
        n_ideas: how many ideas.
        seed: of the ideas.
        sampling: how boldly; default balanced.

    """
    assert place.whole is not None
    parts, first, last = place.whole.parts, place.first_bar, place.first_bar + place.n_bars
    full, given = parts.views["full"], parts.views[task.given]
    start = int(np.searchsorted(full.bars, full.bars[first] - MAX_CONTEXT_TOKENS))
    wishes = Wishes(task="Hand", n_bars=place.n_bars, is_expressive=parts.is_expressive, hand=task.view.capitalize())
    request = PromptWriter(tokenizer.vocabulary).given(
        full.head(start), full.cut(start, first), given.head(first), given.cut(first, last), wishes
    )
    plan = _plan(place, tokenizer)
    logits, state = engine.prefill(request)
    decoded = decode(engine, state, logits, plan, n_ideas, seed, sampling)
    head = parts.views[task.view].head(first)
    return [_idea(found, plan, head, tokenizer) for found in decoded]


def _plan(place: Place, tokenizer: PianoTokenizer) -> Plan:
    music, first = place.work.music, place.first_bar
    near = music.bars(max(first - CONTEXT_BARS, 0), first)
    places = near.onset - near.bar_starts[near.bar_index]
    velocities = np.unique(near.velocity)
    line = int(music.bar_starts[first])
    end = music.onset + music.duration
    rings = (music.onset < line) & (end > line)
    bars = tokenizer.find_bar_indices(place.work.ids)[first : first + place.n_bars]
    spelled = [tokenizer.vocabulary.token(int(place.work.ids[bar + 1])) for bar in bars]
    metres = [tuple(map(int, token.removeprefix("TimeSig_").split("/"))) for token in spelled]
    return Plan(
        vocabulary=tokenizer.vocabulary,
        metres=tuple((metre[0], metre[1]) for metre in metres),
        ringing=tuple(RingingNote(int(p), int(e) - line) for p, e in zip(music.pitch[rings], end[rings], strict=True)),
        limits=Limits(
            grid=grid_of(places, near.duration),
            n_hands=1,
            tempo_bpm=float(tokenizer.vocabulary.token(_tempo(place, tokenizer)).removeprefix("Tempo_")),
            velocity=int(velocities[0]) if len(velocities) == 1 else None,
        ),
    )


def _tempo(place: Place, tokenizer: PianoTokenizer) -> int:
    at = int(tokenizer.find_bar_indices(place.work.ids)[place.first_bar])
    return tokenizer.extract_metadata_tokens(place.work.ids, at)[-1]


def _idea(found: DecodedIdea, plan: Plan, head: list[int], tokenizer: PianoTokenizer) -> Idea:
    onset, duration, pitch, velocity = (
        np.array([(n.onset, n.duration, n.pitch, n.velocity) for n in found.notes], dtype=np.int64).reshape(-1, 4).T
    )
    midi = score_bytes(tokenizer.decode(np.concatenate([head, found.ids])))
    music = passage(onset, duration, pitch, velocity, np.array(plan.bar_starts))
    return Idea(music, fault(midi, plan.n_bars, tokenizer), found.seconds)
