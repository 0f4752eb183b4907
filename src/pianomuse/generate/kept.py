"""The composer's notes whose rhythm, contour or pitches an idea keeps: where they come from, and who plays them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pianomuse.errors import RequestError
from pianomuse.generate.asked import Asked
from pianomuse.generate.caret import Caret, onsets_and_ends
from pianomuse.generate.playable import HandSearch
from pianomuse.midi.bars import Metre, cut
from pianomuse.midi.read import Piece
from pianomuse.tokens.quantise import bar_length
from pianomuse.tokens.snap import is_played, snap
from pianomuse.tokens.vocabulary import GRID, MAX_DURATION, PITCH_RANGE


@dataclass(frozen=True)
class KeptNote:
    """A note of the composer's, laid into the new bars.

    Args:
        bar: index of the new bar.
        position: in it, in grid units.
        duration: in grid units, as far as the tokens can say it.
        pitch: MIDI pitch.
        hand: 0 left, 1 right; 1 where hands are no limit.
        tick: onset in ticks from the bar line, exactly as it was.
        duration_ticks: exactly as it was.

    """

    bar: int
    position: int
    duration: int
    pitch: int
    hand: int
    tick: int
    duration_ticks: int


@dataclass(frozen=True)
class Kept:
    """What an idea keeps.

    Args:
        what: ``rhythm``, ``contour`` or ``pitches``.
        notes: by onset, then pitch.
        n_hands: that play them; 0 where hands cannot, and are no limit.
        bars: the bars they come from, numbers from 1, one for each new bar.

    """

    what: str
    notes: tuple[KeptNote, ...]
    n_hands: int
    bars: tuple[int, ...]

    @property
    def has_rhythm(self) -> bool:
        """Whether every onset and length is kept."""
        return self.what in ("rhythm", "contour")

    def strikes(self) -> list[list[KeptNote]]:
        """Return the notes struck together, in order."""
        found: list[list[KeptNote]] = []
        for note in self.notes:
            is_same = found and (found[-1][0].bar, found[-1][0].position) == (note.bar, note.position)
            if is_same:
                found[-1].append(note)
            else:
                found.append([note])
        return found


def find_kept(
    piece: Piece, caret: Caret, asked: Asked, metres: tuple[Metre, ...], tempo_bpm: float, *, n_hands: int = 2
) -> Kept | None:
    """Return what is to be kept; None if nothing was asked.

    The notes are those of the bars that are written over; where nothing is, those of as many bars before.

    Args:
        piece: the composer's file.
        caret: where ideas go.
        asked: by the composer.
        metres: of the new bars, as the tokens spell them.
        tempo_bpm: quarter notes per minute.
        n_hands: that are to play them, if they can.

    Raises:
        RequestError: there are no such bars, no notes in them, or their metres are others.

    """
    if not asked.keep:
        return None
    bars = _source_bars(piece, caret, asked)
    grid = piece.grid
    for source, metre in zip(bars, caret.metres, strict=True):
        if grid.metre_of(source) != metre:
            there, here = grid.metre_of(source), metre
            raise RequestError(
                f"--keep {asked.keep}: bar {source + 1} is in {there[0]}/{there[1]}, the new bar in "
                f"{here[0]}/{here[1]}; choose bars of the same metre with --keep-from",
                "kept_other_metre",
                kept=asked.keep,
                bar=source + 1,
                metre=f"{there[0]}/{there[1]}",
                new=f"{here[0]}/{here[1]}",
            )
    starts = [0]
    for metre in metres:
        starts.append(starts[-1] + bar_length(*metre))
    notes: list[KeptNote] = []
    for index, source in enumerate(bars):
        notes += _notes_of(piece, source, index, starts, caret)
    if not notes:
        said = f"bars {bars[0] + 1} to {bars[-1] + 1}" if len(bars) > 1 else f"bar {bars[0] + 1}"
        raise RequestError(
            f"--keep {asked.keep}: {said} of the piece have no notes; name others with --keep-from",
            "kept_no_notes",
            kept=asked.keep,
            first=bars[0] + 1,
            last=bars[-1] + 1,
        )
    hands = _hands_of(notes, starts, tempo_bpm, n_hands)
    if hands is not None:
        notes = [replace(note, hand=hand) for note, hand in zip(notes, hands, strict=True)]
    return Kept(asked.keep, tuple(notes), n_hands if hands is not None else 0, tuple(source + 1 for source in bars))


def _source_bars(piece: Piece, caret: Caret, asked: Asked) -> list[int]:
    """Return the index of the bar that each new bar is made after."""
    onset, _ = onsets_and_ends(piece)
    n_bars = caret.n_bars
    if asked.keep_from is not None:
        first = asked.keep_from - 1
        if not 0 <= first < piece.grid.n_bars:
            raise RequestError(
                f"--keep-from {asked.keep_from}: the piece has bars 1 to {piece.grid.n_bars}",
                "keep_from_outside",
                bar=asked.keep_from,
                last=piece.grid.n_bars,
            )
        n_there = min(n_bars, piece.grid.n_bars - first)
        return [first + index % n_there for index in range(n_bars)]
    is_written_over = not caret.is_inserted and ((onset >= caret.tick) & (onset < caret.end_tick)).any()
    if is_written_over:
        return [caret.bar_index + index for index in range(n_bars)]
    n_there = min(n_bars, caret.bar_index)
    if n_there == 0:
        raise RequestError(
            f"--keep {asked.keep}: no bar stands before the new ones; name one with --keep-from",
            "kept_nothing_before",
            kept=asked.keep,
        )
    return [caret.bar_index - n_there + index % n_there for index in range(n_bars)]


def _notes_of(piece: Piece, source: int, bar: int, starts: list[int], caret: Caret) -> list[KeptNote]:
    grid = piece.grid
    line = grid.start_of(source)
    exact = cut(piece.score, line, grid.start_of(source + 1))
    musical = snap(exact) if is_played(piece.score) else exact
    scale = GRID / grid.ticks_per_quarter
    length = starts[bar + 1] - starts[bar]
    earliest = -(-(caret.tick - caret.bar_tick) * GRID // grid.ticks_per_quarter) if bar == 0 else 0
    found: dict[tuple[int, int], KeptNote] = {}
    for meant, as_it_was in zip(musical.tracks[0].notes, exact.tracks[0].notes, strict=True):
        position = min(int(meant.time * scale + 0.5), length - 1)
        until = min(int((meant.time + meant.duration) * scale + 0.5), starts[-1] - starts[bar])
        if position < earliest or not PITCH_RANGE[0] <= meant.pitch <= PITCH_RANGE[1]:
            continue
        duration = min(max(until - position, 1), MAX_DURATION)
        note = KeptNote(bar, position, duration, meant.pitch, 1, as_it_was.time, as_it_was.duration)
        twin = found.get((position, meant.pitch))  # the voice and the right hand in unison
        if twin is None or twin.duration < duration:
            found[position, meant.pitch] = note
    return [found[key] for key in sorted(found)]


def _hands_of(notes: list[KeptNote], starts: list[int], tempo_bpm: float, n_hands: int) -> list[int] | None:
    """Return which hand plays each note; None if they cannot."""
    search = HandSearch(n_hands, tempo_bpm)
    last: dict[int, int] = {}
    for note in notes:
        time = starts[note.bar] + note.position
        is_too_soon = time - last.get(note.pitch, -(10**9)) < search.repetition_units
        last[note.pitch] = time
        if is_too_soon or not search.strike(note.pitch, time):
            return None
        search.release_at(note.pitch, time + note.duration)
    return search.hands()
