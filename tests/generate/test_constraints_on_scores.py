"""Limits must not forbid music: what real composers wrote next is held against what their own bars before it ask."""

import numpy as np

from pianomuse.generate.constraints import IdeaConstraints
from pianomuse.generate.grid import grid_of
from pianomuse.generate.plan import Limits, Plan, RingingNote
from pianomuse.generate.playable import count_unplayable
from pianomuse.generate.rules import Rules
from pianomuse.tokens.notes import read_notes
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()
VOCABULARY = TOKENIZER.vocabulary
N_CONTEXT, N_NEW = 4, 4


def spans(path):
    """Yield the ids of whole bars before and after every other bar line, and the tempo there."""
    ids = TOKENIZER.tokenize_midi(path)
    lines = [*TOKENIZER.find_bar_indices(ids).tolist(), len(ids)]
    for bar in range(N_CONTEXT, len(lines) - 1 - N_NEW, 2):
        tempo = VOCABULARY.token(TOKENIZER.extract_metadata_tokens(ids, lines[bar])[1])
        yield ids[lines[0] : lines[bar]], ids[lines[bar] : lines[bar + N_NEW]], float(tempo.removeprefix("Tempo_"))


def plan_after(context, new, tempo_bpm):
    """Ask of the new bars what an idea in their place is asked."""
    notes = read_notes(context, VOCABULARY)
    end = notes.onset + notes.duration
    kinds = VOCABULARY.kinds[context]
    metres = [VOCABULARY.token(int(t)).removeprefix("TimeSig_") for t in new[VOCABULARY.kinds[new] == "TimeSig"]]
    rows = list(zip(notes.onset.tolist(), end.tolist(), notes.pitch.tolist(), strict=True))
    velocities = np.unique(notes.velocity)
    return Plan(
        VOCABULARY,
        tuple((int(n), int(d)) for n, d in (metre.split("/") for metre in metres)),
        ringing=tuple(RingingNote(p, e - notes.total_units) for _, e, p in rows if e > notes.total_units),
        pedal_down=bool((kinds == "Pedal").sum() > (kinds == "PedalOff").sum()),
        limits=Limits(
            grid=grid_of(VOCABULARY.values[context[kinds == "Position"]], notes.duration),
            n_hands=2 if count_unplayable(rows, tempo_bpm=tempo_bpm) <= 0.02 * len(rows) else 0,
            tempo_bpm=tempo_bpm,
            velocity=int(velocities[0]) if len(velocities) == 1 else None,
            may_pedal="Pedal" in kinds,
            may_change_tempo=True,
        ),
    )


def first_breach(plan, new):
    """Return the kind of the first token that is not allowed, None if the whole passage is."""
    constraints = IdeaConstraints(Rules(plan))
    for token in [*new.tolist(), VOCABULARY.id("EOS_None")]:
        clipped = constraints.clipped()
        if clipped and token in clipped[0]:
            token = clipped[1]
        if not constraints.allowed()[token]:
            return VOCABULARY.kind(token)
        constraints.accept(token)
    return None


def test_what_composers_wrote_next_nearly_always_keeps_to_the_limits_of_what_stands_before(corpus):
    breaches, n_limited = [], 0
    for path in sorted((corpus / "mutopia").glob("*.mid")):
        for context, new, tempo_bpm in spans(path):
            if len(read_notes(context, VOCABULARY).onset) and "Pitch" in VOCABULARY.kinds[new]:
                plan = plan_after(context, new, tempo_bpm)
                n_limited += plan.limits.n_hands == 2
                breaches.append(first_breach(plan, new))
    assert len(breaches) > 30
    assert n_limited > 0.9 * len(breaches)
    assert breaches.count(None) > 0.85 * len(breaches), breaches
