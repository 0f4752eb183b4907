"""Random limits, and a way to write ideas under them and count violations in the files; for benchmark and tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import mido
import numpy as np

from pianomuse.errors import RequestError
from pianomuse.generate.asked import read_asked
from pianomuse.generate.caret import Caret, find_caret, span_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.session import compose
from pianomuse.measure.limits import count_violations
from pianomuse.measure.new_bars import Bars
from pianomuse.midi.read import Piece, read_midi
from pianomuse.tokens.snap import is_played
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import piano_vocabulary

_VOCABULARY = piano_vocabulary()
METRES = ((4, 4), (3, 4), (6, 8), (5, 8), (7, 8), (2, 2), (12, 8), (5, 4), (3, 8), (2, 4), (9, 8), (7, 16))
ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SCALES = ("dorian", "pentatonic", "blues", "whole tone", "harmonic minor")
KINDS = ("", "m", "7", "maj7", "m7b5", "sus4", "6", "9", "dim7", "/E", "m7/G")


class Noise:
    """A model without sense: logits are noise that depends on everything read, around a taste for kinds of its own."""

    vocab_size = len(_VOCABULARY)
    rows_are_exact = True

    class State:
        """What has been read, as one number per row."""

        def __init__(self, seen: Any) -> None:
            self.seen = list(seen)

        @property
        def batch(self) -> int:
            """Number of rows."""
            return len(self.seen)

        def repeat(self, n: int) -> Noise.State:
            """Return a state of n rows."""
            return Noise.State(self.seen * n)

        def take(self, rows: Any) -> Noise.State:
            """Return a state of some rows."""
            return Noise.State([self.seen[row] for row in rows])

    def __init__(self, seed: int, taste: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        tastes = {kind: rng.normal(0, taste) for kind in np.unique(_VOCABULARY.kinds)}
        self.taste = np.array([tastes[kind] for kind in _VOCABULARY.kinds])
        self.taste[_VOCABULARY.ids_of("Position")] -= 0.1 * np.arange(192)
        self.taste[_VOCABULARY.ids_of("Duration")] -= 0.1 * np.arange(288)
        self.taste[[_VOCABULARY.id("Bar_None"), _VOCABULARY.id("EOS_None")]] -= 4

    def prefill(self, ids: Any, state: Any = None) -> Any:
        """Return logits and a state."""
        state = Noise.State([17])
        return self.step(np.array([int(np.sum(ids)) % 1009]), state)[0], state

    def step(self, ids: Any, state: Any) -> Any:
        """Return logits."""
        state.seen = [(seen * 1_000_003 + int(id) + 1) % (2**31 - 1) for seen, id in zip(state.seen, ids, strict=True)]
        rows = [np.random.default_rng(seen).normal(0, 2, self.vocab_size) + self.taste for seen in state.seen]
        return np.array(rows, dtype=np.float32)


@dataclass(frozen=True)
class Trial:
    """What came of one random request.

    Args:
        limits: what was asked, as on the command line.
        n_bars: bars written, all ideas together.
        n_notes: notes written.
        violations: by limit.
        refusal: the sentence, if it was refused.

    """

    limits: dict[str, str]
    n_bars: int
    n_notes: int
    violations: dict[str, int]
    refusal: str


def random_piece(rng: np.random.Generator, piece_of: Callable[..., Piece], metre: tuple[int, int]) -> Piece:
    """Make four bars on a plain grid: one or two hands, the last bar whole or broken off."""
    end = metre[0] * 16 / metre[1] * (1 if rng.random() < 0.6 else 0.875)
    step = 0.25 if rng.random() < 0.8 else 1 / 3
    hands: list[list[tuple[float, float, int]]] = []
    for longest, low, high in ((5, 64, 84), (9, 40, 56))[: 2 if rng.random() < 0.6 else 1]:
        hands.append([])
        at = 0.0
        while at < end - 1e-9:
            length = min(step * int(rng.integers(1, longest)), end - at)
            hands[-1].append((at, length, int(rng.integers(low, high))))
            at += length
    key = ("C", "Am", None)[rng.integers(3)]
    return piece_of(*hands, metre=metre, tempos=((0, float(rng.integers(50, 180))),), key=key)


def random_limits(rng: np.random.Generator, n_bars: int) -> dict[str, str]:
    """Draw limits, each with some probability, for all bars or bar by bar."""
    makers = {
        "key": (0.5, 0.4, lambda: _one(rng, ROOTS) + _one(rng, ("", "m"))),
        "scale": (0.2, 0.0, lambda: f"{_one(rng, ROOTS)} {_one(rng, SCALES)}"),
        "chords": (0.5, 0.8, lambda: " ".join(_one(rng, ROOTS) + _one(rng, KINDS) for _ in range(rng.integers(1, 3)))),
        "range": (0.5, 0.2, lambda: _range(rng)),
        "notes-per-bar": (0.6, 0.4, lambda: _bounds(rng, 0, 9)),
        "voices": (0.5, 0.3, lambda: _bounds(rng, 1, 4)),
    }
    limits: dict[str, str] = {}
    for name, (share, share_of_lists, make) in makers.items():
        if rng.random() < share:
            is_list = n_bars > 1 and rng.random() < share_of_lists
            limits[name] = " | ".join(make() for _ in range(rng.integers(2, n_bars + 1) if is_list else 1))
    if "key" in limits and rng.random() < 0.3:
        limits["chromatic"] = "passing"
    if "chords" in limits and rng.random() < 0.3:
        limits["chords-strict"] = "yes"
    return limits


def options_of(limits: dict[str, str]) -> dict[str, Any]:
    """Spell limits as Python's keyword arguments."""
    options: dict[str, Any] = {name.replace("-", "_"): text for name, text in limits.items()}
    return options | ({"chords_strict": True} if "chords-strict" in limits else {})


def bars_of(caret: Caret) -> Bars:
    """Say which bars are new."""
    return Bars(caret.bar_index + 1, caret.bar_index + caret.n_bars, caret.tick if caret.finishes_bar else 0)


def try_random(engine: Any, tokenizer: PianoTokenizer, piece: Piece, seed: int, n_ideas: int = 2) -> Trial:
    """Write ideas at a random place of a piece under random limits, and count in the files."""
    rng = np.random.default_rng([97, seed])
    hands = {track.role for track in piece.tracks}
    hand = ("left", "right")[rng.integers(2)] if hands == {"left", "right"} and rng.random() < 0.15 else ""
    keep = ("rhythm", "contour", "pitches")[rng.integers(3)] if rng.random() < 0.25 else ""
    was_played = is_played(piece.score)  # what is struck together there can only be guessed from the file
    keep = "rhythm" if keep and was_played else keep
    n_bars = int(rng.integers(1, 5))
    if rng.random() < 0.6 and not hand:
        caret = find_caret(piece, bars=n_bars)
    else:
        first = int(rng.integers(2, max(piece.grid.n_bars - n_bars, 2) + 1))
        caret = span_caret(piece, first, min(first + n_bars - 1, piece.grid.n_bars))
    limits = random_limits(rng, caret.n_bars)
    if keep:  # the notes of what is kept are as many as they are
        limits = {name: text for name, text in limits.items() if name not in ("notes-per-bar", "voices")}
    if keep == "pitches":
        limits = {}
    limits |= ({"keep": keep} if keep else {}) | ({"hand": hand} if hand else {})
    try:
        asked = read_asked(**options_of(limits))
        sampling = SamplingSettings(1.0, 1.0)
        order = Order(n_ideas=n_ideas, seed=seed, sampling=sampling, asked=asked, has_feel=not was_played)
        composition = compose(engine, tokenizer, piece, caret, order)
    except RequestError as error:
        return Trial(limits, 0, 0, {}, str(error))
    found: dict[str, int] = {}
    ideas, plan = composition.ideas, composition.scene.request.plan
    kept = plan.kept.bars if plan.kept is not None else ()
    for idea in ideas:
        bars = replace(bars_of(caret), kept=kept if not hand else ())
        for name, n_wrong in count_violations(piece.data, idea.with_completion, bars, limits).items():
            found[name] = found.get(name, 0) + n_wrong
    if plan.limits.n_hands == 0 or (plan.kept is not None and plan.kept.n_hands == 0):
        found.pop("hands")  # two hands cannot play what stands there either
    return Trial(limits, caret.n_bars * len(ideas), sum(len(idea.notes) for idea in ideas), found, "")


def _one(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[rng.integers(len(words))]


def _range(rng: np.random.Generator) -> str:
    low = int(rng.integers(30, 80))
    return f"{low}-{min(low + int(rng.integers(5, 40)), 108)}"


def _bounds(rng: np.random.Generator, least: int, most: int) -> str:
    low = int(rng.integers(least, most))
    return _one(rng, (f"{low}-{max(low, least, 1) + int(rng.integers(0, 4))}", f"{low}-", f"{max(low, 1)}"))


def piece_of(*parts: list[tuple[float, float, int]], metre: tuple[int, int], **others: Any) -> Piece:
    """Make a piece of onsets, durations (quarter notes) and pitches, one track per part."""
    file = mido.MidiFile(ticks_per_beat=480)
    conductor = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1])])
    conductor += [mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)) for _, bpm in others.get("tempos", ())]
    if others.get("key"):
        conductor.append(mido.MetaMessage("key_signature", key=others["key"]))
    file.tracks.append(conductor)
    for notes in parts:
        events = [(round(480 * (at + length)), 0, pitch) for at, length, pitch in notes]
        events += [(round(480 * at), 80, pitch) for at, _, pitch in notes]
        track, now = mido.MidiTrack(), 0
        for tick, velocity, pitch in sorted(events):
            track.append(mido.Message("note_on", note=pitch, velocity=velocity, time=tick - now))
            now = tick
        file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return read_midi(buffer.getvalue())


def plain_step(piece: Piece) -> int | None:
    """Return how many parts of a quarter all onsets and ends lie on: 4 or 3; None if it is neither."""
    notes = piece.score.tracks[0].notes.numpy()
    ticks = np.concatenate([notes["time"], notes["time"] + notes["duration"]]).astype(np.int64)
    quarter = piece.grid.ticks_per_quarter
    return next((parts for parts in (4, 3) if not (ticks * parts % quarter).any()), None)


def n_off_grid(piece: Piece, caret: Caret, notes: Any, parts: int) -> int:
    """Count notes that begin or end off the grid of so many parts of a quarter."""
    quarter = piece.grid.ticks_per_quarter
    edges = [(note.tick, note.tick + note.duration_ticks) for note in notes]
    return sum(any((tick - caret.bar_tick) * parts % quarter for tick in pair) for pair in edges)
