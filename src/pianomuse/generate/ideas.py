"""Ideas as a composer gets them: files, words, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import overload

from symusic import Score

from pianomuse.coded import Coded
from pianomuse.generate.caret import Caret
from pianomuse.midi.additions import NewNote, NewPedal
from pianomuse.midi.read import Piece
from pianomuse.midi.write import write_atomically


@dataclass(frozen=True)
class Figures:
    """What an idea's place among others rests on; a composer is told in words.

    Args:
        log_prob_per_note: the model's own likelihood of the idea, natural logarithm per note.
        following_log_prob_per_note: of the next bars behind it, after the idea; None where it need not join them.
        nearness: to the bars before, in key, register, rhythm and density, 0 … 1.
        fullness: log2 of the notes a quarter against the bars before.
        difference: share of notes that no idea placed before it has, 0 … 1.
        resembles: the work in which a long stretch of it stands, perhaps in another key; None where there is none.
        resembling_notes: notes of that stretch.

    """

    log_prob_per_note: float
    following_log_prob_per_note: float | None
    nearness: float
    fullness: float
    difference: float
    resembles: str | None = None
    resembling_notes: int = 0


@dataclass(frozen=True)
class Candidate:
    """One idea.

    Args:
        number: from 1; idea k of a seed is the same however many are asked for.
        notes: the new notes, by onset, in ticks of the whole piece.
        pedals: the new pedal events, likewise.
        reason: what it does, in words.
        range: lowest and highest note.
        ending: how it ends, in words.
        log_prob_per_note: the model's own likelihood of it, natural logarithm per note.
        seconds: from the start of decoding to its end.
        write_midi: writes `midi`.
        write_with_completion: writes `with_completion`.
        figures: what its place among the others rests on; None until all are written.
        write_on_bars: writes `on_bars` where that is not `with_completion`.
        write_as_score: writes `as_score`; None where the piece has bars of its own.

    """

    number: int
    notes: tuple[NewNote, ...]
    pedals: tuple[NewPedal, ...]
    reason: Coded
    range: Coded
    ending: Coded
    log_prob_per_note: float
    seconds: float
    write_midi: Callable[[], bytes] = field(repr=False, compare=False)
    write_with_completion: Callable[[], bytes] = field(repr=False, compare=False)
    figures: Figures | None = None
    write_on_bars: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)
    write_as_score: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def midi(self) -> bytes:
        """A MIDI file of the new bars alone; a text in it says seed and settings."""
        return self.write_midi()

    @cached_property
    def with_completion(self) -> bytes:
        """The composer's file with the new bars in place."""
        return self.write_with_completion()

    @cached_property
    def on_bars(self) -> bytes:
        """The piece with the new bars as the model reads it: of a recording, on the bars that were found."""
        return self.with_completion if self.write_on_bars is None else self.write_on_bars()

    @cached_property
    def as_score(self) -> bytes | None:
        """Of a recording, the piece with the new bars as a score: rhythm, metre and one tempo; else None."""
        return None if self.write_as_score is None else self.write_as_score()

    @property
    def score(self) -> Score:
        """The new bars alone, from their first bar line on."""
        return Score.from_midi(self.midi)

    def save(self, path: str | Path) -> Path:
        """Write the new bars as a MIDI file; return its path."""
        return write_atomically(Path(path), self.midi)

    def save_with_completion(self, path: str | Path) -> Path:
        """Write the whole piece with the new bars in place; return its path."""
        return write_atomically(Path(path), self.with_completion)


@dataclass(frozen=True)
class Ideas(Sequence[Candidate]):
    """All ideas for one place, and what is to be said about them.

    Args:
        candidates: the ideas, the one most likely to be wanted first.
        piece: the composer's file.
        caret: where the ideas are.
        seed: what they were drawn with.
        first_downbeat_ticks: as `piece` was read with.
        context_bars: bars before the ideas that were heard.
        bars_after: bars behind them that were heard.
        hands: who plays, such as ``two hands``; empty where nothing was heard.
        model: name of the model.
        style: name of the style it began with; empty without one.
        device: where it ran.
        summary: the piece in one line.
        headline: what was written, in one line.
        warnings: what the composer should know, as sentences.
        seconds: from reading the file to the last idea.
        seconds_to_first_note: from reading the file to the first new note; None without notes.
        limits: what was asked to hold, by the name of its option.
        added_hand: the hand that was written where the other stands, ``left`` or ``right``; empty: both were free.

    """

    candidates: tuple[Candidate, ...]
    piece: Piece
    caret: Caret
    seed: int
    first_downbeat_ticks: int | None
    context_bars: int
    bars_after: int
    hands: str
    model: str
    style: str
    device: str
    summary: str
    headline: Coded
    warnings: tuple[Coded, ...]
    seconds: float
    seconds_to_first_note: float | None
    limits: Mapping[str, str] = field(default_factory=dict)
    added_hand: str = ""

    @property
    def bars(self) -> int:
        """Whole bars asked for."""
        return self.caret.n_bars - self.caret.finishes_bar

    @property
    def starts_at(self) -> dict[str, float]:
        """Bar and beat, both from 1, at which the ideas start."""
        beat = self.caret.beat
        return {"bar": self.caret.bar_index + 1, "beat": int(beat) if beat == int(beat) else beat}

    def __len__(self) -> int:
        """Return the number of ideas."""
        return len(self.candidates)

    def __iter__(self) -> Iterator[Candidate]:
        """Iterate over the ideas."""
        return iter(self.candidates)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Candidate, ...]: ...
    def __getitem__(self, index: int | slice) -> Candidate | tuple[Candidate, ...]:
        """Return one idea, or some."""
        return self.candidates[index]
