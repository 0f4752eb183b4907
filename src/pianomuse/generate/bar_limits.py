"""What holds in each new bar, resolved: scale and chord tones by position, range, notes and voices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pianomuse.errors import RequestError
from pianomuse.generate.asked import Asked, Beats, of_bar, require_fitting_lists
from pianomuse.generate.harmony import Chord
from pianomuse.tokens.vocabulary import GRID, PITCH_RANGE

BASS_BELOW = 60
"""MIDI; a note struck below middle C is a bass note."""


@dataclass(frozen=True)
class ChordSpan:
    """A chord and the position in its bar, in grid units, from which on it holds."""

    position: int
    chord: Chord


@dataclass(frozen=True)
class BarLimits:
    """What holds for the notes struck in one bar.

    Args:
        scale: pitch classes of key and scale; None leaves them free.
        has_passing_notes: semitone steps off the beat may leave the scale.
        chords: ascending by position; empty leaves chords free.
        is_strict: chord tones only.
        lowest: MIDI pitch, inclusive.
        highest: MIDI pitch, inclusive.
        min_notes: struck in the bar at least, the composer's own in a bar that is finished counted.
        max_notes: at most; None for no limit.
        min_voices: sounding at least, whenever a note is struck.
        max_voices: sounding at most; None for no limit.
        beat_units: grid units in a beat.

    """

    scale: frozenset[int] | None = None
    has_passing_notes: bool = False
    chords: tuple[ChordSpan, ...] = ()
    is_strict: bool = False
    lowest: int = PITCH_RANGE[0]
    highest: int = PITCH_RANGE[1]
    min_notes: int = 0
    max_notes: int | None = None
    min_voices: int = 0
    max_voices: int | None = None
    beat_units: int = GRID


def bars_of(
    asked: Asked,
    metres: Sequence[tuple[int, int]],
    usual: BarLimits,
    *,
    finishes_bar: bool = False,
    written_key: frozenset[int] | None = None,
) -> tuple[BarLimits, ...]:
    """Resolve what was asked for every bar.

    Args:
        asked: by the composer.
        metres: of the bars to be written, as the file spells them.
        usual: what holds where nothing was asked: range and voices as heard.
        finishes_bar: the first of them is a half-finished one; it is not held to a least number of notes.
        written_key: pitch classes of the piece's own key, for the notes between chord tones where no key was asked.

    Raises:
        RequestError: a list of more bars than are written, or more chords in a bar than it has beats.

    """
    require_fitting_lists(asked, len(metres))
    n_bars = len(metres)
    found = []
    for bar, metre in enumerate(metres):
        key = of_bar(asked.key, bar, n_bars, finishes_bar=finishes_bar)
        scale = of_bar(asked.scale, bar, n_bars, finishes_bar=finishes_bar)
        beats = of_bar(asked.chords, bar, n_bars, finishes_bar=finishes_bar)
        pitches = of_bar(asked.pitch_range, bar, n_bars, finishes_bar=finishes_bar)
        notes = of_bar(asked.notes_per_bar, bar, n_bars, finishes_bar=finishes_bar) or (0, None)
        voices = of_bar(asked.voices, bar, n_bars, finishes_bar=finishes_bar)
        tones = [found.tones for found in (key, scale) if found is not None]
        if not tones and beats is not None and written_key is not None:
            tones = [written_key]
        lowest, highest = pitches or (usual.lowest, usual.highest)
        least, most = voices or (usual.min_voices, usual.max_voices)
        unit = beat_units(metre)
        found.append(
            BarLimits(
                scale=frozenset.intersection(*tones) if tones else None,
                has_passing_notes=asked.has_passing_notes,
                chords=spans_of(beats, metre) if beats is not None else (),
                is_strict=asked.is_strict,
                lowest=lowest,
                highest=highest,
                min_notes=0 if finishes_bar and bar == 0 else notes[0],
                max_notes=notes[1],
                min_voices=least,
                max_voices=most,
                beat_units=unit,
            )
        )
    return tuple(found)


def beat_units(metre: tuple[int, int]) -> int:
    """Return the length of a beat: the metre's note value, three of them in 6/8, 9/8, 12/8 and their like.

    >>> beat_units((6, 8)), beat_units((3, 4)), beat_units((2, 2))
    (36, 24, 48)
    """
    numerator, denominator = metre
    unit = 3 if denominator >= 8 and numerator % 3 == 0 and numerator > 3 else 1
    return unit * 4 * GRID // denominator


def spans_of(beats: Beats, metre: tuple[int, int]) -> tuple[ChordSpan, ...]:
    """Share the beats of a bar out among its chords; what is left over goes to the first ones.

    Raises:
        RequestError: more chords than beats, or dots that do not fill the bar.

    >>> from pianomuse.generate.harmony import parse_chord
    >>> [span.position for span in spans_of((parse_chord("Am"), parse_chord("F")), (3, 4))]
    [0, 48]
    """
    unit = beat_units(metre)
    n_beats = max(metre[0] * 4 * GRID // metre[1] // unit, 1)
    names = " ".join(chord.symbol if chord else "." for chord in beats)
    if None in beats and len(beats) != n_beats:
        raise RequestError(
            f"--chords: {names} fills {len(beats)} beats, the bar of {metre[0]}/{metre[1]} has {n_beats}",
            "chords_do_not_fill",
            chords=names,
            beats=len(beats),
            metre=f"{metre[0]}/{metre[1]}",
            has=n_beats,
        )
    if len(beats) > n_beats:
        raise RequestError(
            f"--chords: {names} in one bar of {metre[0]}/{metre[1]}, which has {n_beats} beats",
            "chords_too_many",
            chords=names,
            metre=f"{metre[0]}/{metre[1]}",
            has=n_beats,
        )
    spans = []
    beat = 0
    for index, chord in enumerate(beats):
        if chord is not None:
            spans.append(ChordSpan(beat * unit, chord))
        beat += n_beats // len(beats) + (index < n_beats % len(beats))
    return tuple(spans)
