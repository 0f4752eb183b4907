"""MIREX Piano Music Continuation (2025): four bars of piano in, twelve bars out, as JSON.

The public format: ``{"prompt": [{"start": 16, "pitch": 72, "duration": 6}, ...]}`` in, ``{"generation": [...]}`` out.
Times are sixteenths, the metre is 4/4. The prompt has start 0 … 79: one pickup bar (0 … 15, usually empty), then four
bars. The generation has start 80 … 271; what sounds longer is cut at 272.

The format knows no tempo and no loudness: we read it at 120 quarter notes a minute with one velocity, which is how
written scores come to the model. An empty pickup bar is passed over, so that the model hears four bars and not five.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from symusic import Note, Score, Tempo, TimeSignature, Track

from pianomuse.errors import RequestError
from pianomuse.generate.caret import find_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.engine import Engine
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.session import compose
from pianomuse.measure.agreement import in_sixteenths
from pianomuse.measure.passage import SIXTEENTH, Passage, passage
from pianomuse.midi.read import read_midi
from pianomuse.midi.write import score_bytes
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import GRID

BAR = 16
PROMPT_END, END = 5 * BAR, 17 * BAR
N_BARS = 12
MAX_NOTES = 20_000
VELOCITY = 80

Events = list[dict[str, int]]


def read_prompt(text: str) -> Events:
    """Read and check the JSON of a prompt.

    Raises:
        RequestError: not the public format; the entry is named.

    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"the prompt is not JSON ({error}); give {{'prompt': [{{'start', 'pitch', ...}}]}}"
        ) from None
    notes = document.get("prompt") if isinstance(document, dict) else None
    if not isinstance(notes, list) or not 1 <= len(notes) <= MAX_NOTES:
        raise RequestError(f"the prompt needs a list 'prompt' of 1 to {MAX_NOTES} notes with start, pitch and duration")
    return [_checked(note, index) for index, note in enumerate(notes)]


def _checked(note: Any, index: int) -> dict[str, int]:
    limits = {"start": (0, PROMPT_END - 1), "pitch": (0, 127), "duration": (1, END)}
    found = {}
    for name, (low, high) in limits.items():
        value = note.get(name) if isinstance(note, dict) else None
        if type(value) is not int or not low <= value <= high:
            raise RequestError(f"prompt[{index}]: {name} must be a whole number {low} … {high}, found {value!r}")
        found[name] = value
    return found


def continue_prompt(
    engine: Engine[Any],
    tokenizer: PianoTokenizer,
    prompt: Events,
    *,
    n_ideas: int = 1,
    seed: int = 0,
    sampling: SamplingSettings | None = None,
) -> list[Events]:
    """Write twelve bars after a prompt; return the generations.

    Args:
        engine: the model.
        tokenizer: its tokenizer.
        prompt: from `read_prompt`.
        n_ideas: how many generations.
        seed: of the ideas.
        sampling: how boldly; default balanced.

    """
    first = 0 if any(note["start"] < BAR for note in prompt) else BAR
    piece = read_midi(score_bytes(_score(prompt, first)))
    caret = find_caret(piece, at_bar=(PROMPT_END - first) // BAR, bars=N_BARS)
    order = Order(n_ideas=n_ideas, seed=seed, sampling=sampling or SamplingSettings(), has_feel=False)
    ideas = compose(engine, tokenizer, piece, caret, order).ideas
    unit = piece.grid.ticks_per_quarter / 4
    generations = []
    for idea in ideas:
        events = [
            _event(round(note.tick / unit) + first, round((note.tick + note.duration_ticks) / unit) + first, note.pitch)
            for note in idea.notes
        ]
        generations.append(_without_doubles([event for event in events if PROMPT_END <= event["start"] < END]))
    return generations


def _event(start: int, end: int, pitch: int) -> dict[str, int]:
    return {"start": start, "pitch": pitch, "duration": max(min(end, END) - start, 1)}


def _without_doubles(events: Events) -> Events:
    """Return events by start and pitch, the longest of those that fall on one sixteenth and pitch."""
    kept: dict[tuple[int, int], dict[str, int]] = {}
    for event in sorted(events, key=lambda e: (e["start"], e["pitch"], -e["duration"])):
        kept.setdefault((event["start"], event["pitch"]), event)
    return list(kept.values())


def _score(events: Events, first: int) -> Score:
    score = Score(GRID)
    score.tempos = [Tempo(0, qpm=120, ttype="tick")]
    score.time_signatures = [TimeSignature(0, 4, 4, ttype="tick")]
    track = Track("Piano", 0, False, ttype="tick")
    columns = [(e["start"] - first, e["duration"], e["pitch"]) for e in events if 21 <= e["pitch"] <= 108]
    if not columns:
        raise RequestError("the prompt has no note on the 88 keys of a piano; check its pitches")
    table = np.array(columns, dtype=np.int32)
    track.notes = Note.from_numpy(
        time=table[:, 0] * SIXTEENTH,
        duration=table[:, 1] * SIXTEENTH,
        pitch=table[:, 2].astype(np.int8),
        velocity=np.full(len(table), VELOCITY, dtype=np.int8),
        ttype="tick",
    )
    score.tracks = [track]
    return score


def prompt_of(music: Passage) -> Events:
    """Write four bars of 4/4 as a prompt with an empty pickup bar."""
    return _events(music, BAR, PROMPT_END)


def generation_of(music: Passage) -> Events:
    """Write twelve bars of 4/4 as a generation."""
    return _events(music, PROMPT_END, END)


def _events(music: Passage, first: int, end: int) -> Events:
    starts = in_sixteenths(music.onset)
    ends = np.minimum(np.maximum(in_sixteenths(music.onset + music.duration), starts + 1), end - first)
    rows = zip(starts.tolist(), ends.tolist(), music.pitch.tolist(), strict=True)
    found = [{"start": s + first, "pitch": p, "duration": max(e - s, 1)} for s, e, p in rows if s + first < end]
    return _without_doubles(found)


def music_of(events: Events, first: int, n_bars: int) -> Passage:
    """Read events from sixteenth `first` on as a passage of `n_bars` bars of 4/4."""
    table = np.array([(e["start"] - first, e["duration"], e["pitch"]) for e in events], dtype=np.int64).reshape(-1, 3)
    velocity = np.full(len(table), VELOCITY, dtype=np.int64)
    lines = np.arange(n_bars + 1) * 4 * GRID
    return passage(table[:, 0] * SIXTEENTH, table[:, 1] * SIXTEENTH, table[:, 2], velocity, lines)
