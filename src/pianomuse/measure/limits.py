"""Do limits hold? Violations counted in the exported MIDI, by a reading of its own.

Nothing here is shared with what holds the limits while an idea is written: words are read again, bars are laid again,
and only the two files are looked at, the composer's and the one with the new bars in place. What counts:

- key, scale: a new note outside. With chromatic passing notes, one that is off the beat and a semitone beside a note of
  the strike before is none.
- chords: a new note on a beat that is no chord tone, one off the beat that is neither chord tone nor in the scale, and
  the first note below middle C of each chord if it is not the root or the note after the slash.
- range: a new note below or above. notes-per-bar: every bar with
  too few or too many strikes of keys; in a bar that was finished the composer's own count, and too few are none.
- voices: every new strike at which too few or too many keys are down; every bar line that new notes cross into a bar
  that may have fewer.
- keep rhythm: every onset and duration that is missing or too much. keep pitches: every bar whose strikes are others.
- hand: every note of the other hand that is no longer there as it was.
- metre, tempo: every change that was not in the composer's file. hands: every new strike that two hands cannot hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from symusic import Score

from pianomuse.measure.playability import can_hold

_QUARTER = 24
_STEPS = {
    "": "2212221", "major": "2212221", "natural minor": "2122122", "harmonic minor": "2122131",
    "melodic minor": "2122221", "dorian": "2122212", "phrygian": "1222122", "lydian": "2221221",
    "mixolydian": "2212212", "locrian": "1221222", "pentatonic": "22323", "minor pentatonic": "32232",
    "blues": "321132", "whole tone": "222222", "m": "212211111", "minor": "212211111",
}  # fmt: skip
_CHORDS = {
    "": "0 4 7", "m": "0 3 7", "7": "0 4 7 10", "maj7": "0 4 7 11", "m7": "0 3 7 10", "dim": "0 3 6", "aug": "0 4 8",
    "m7b5": "0 3 6 10", "dim7": "0 3 6 9", "sus4": "0 5 7", "sus2": "0 2 7", "6": "0 4 7 9", "9": "0 2 4 7 10",
}  # fmt: skip
_NO_CHORDS = ("free", "NC", "N.C.")
_LETTERS = "C D EF G A B"


class Sound(NamedTuple):
    """A note in the file, in ticks."""

    start: int
    end: int
    pitch: int


@dataclass(frozen=True)
class Bars:
    """The new bars of a file.

    Args:
        first: number of the first, from 1.
        last: number of the last.
        from_tick: nothing new is before it; later than the first bar line where a bar was finished.

    """

    first: int
    last: int
    from_tick: int = 0


def count_violations(original: bytes, result: bytes, bars: Bars, limits: Mapping[str, str]) -> dict[str, int]:
    """Count violations by limit, those of metre, tempo and hands always.

    Args:
        original: the composer's file.
        result: the same with the new bars in place of those that stood there.
        bars: which are new.
        limits: as said on the command line, by the names of the options.

    """
    before, after = Score.from_midi(original), Score.from_midi(result)
    music = _Music(after, bars)
    found = {
        "metre": len(set(_metres(before)) ^ set(_metres(after))),
        "tempo": len(set(_tempos(before)) ^ set(_tempos(after))),
        "hands": sum(not can_hold(sorted({s.pitch for s in music.down(tick)})) for tick in music.strikes),
    }
    lists = {name: _list(text, bars) for name, text in limits.items()}
    if "key" in limits or "scale" in limits:
        found["key"] = _outside_key(music, lists, limits)
    if "chords" in limits:
        found["chords"] = _against_chords(music, lists, limits)
    if "range" in limits:
        found["range"] = _outside_range(music, lists["range"])
    if "notes-per-bar" in limits:
        found["notes-per-bar"] = _wrong_number(music, lists["notes-per-bar"])
    if "voices" in limits:
        found["voices"] = _wrong_voices(music, lists["voices"])
    return found


class _Music:
    """The file as it is now: where its bars are, which notes are new, what sounds when."""

    def __init__(self, score: Score, bars: Bars) -> None:
        self.quarter = score.ticks_per_quarter
        sounds = [Sound(n.time, n.time + n.duration, n.pitch) for track in score.tracks for n in track.notes]
        self.sounds = sorted(sounds, key=lambda sound: (sound.start, sound.pitch))
        self.lines, self.metres = _lines(score, bars.last)
        self.bars = bars
        begin, end = max(self.lines[bars.first - 1], bars.from_tick), self.lines[bars.last]
        self.new = [sound for sound in self.sounds if begin <= sound.start < end]
        self.strikes = sorted({sound.start for sound in self.new})

    def place(self, tick: int) -> tuple[int, int]:
        """Return the index of the new bar that holds a tick, and the position in it in 24ths of a quarter."""
        bar = max(index for index, line in enumerate(self.lines[:-1]) if line <= tick)
        return bar - self.bars.first + 1, round((tick - self.lines[bar]) * _QUARTER / self.quarter)

    def beat(self, bar: int) -> int:
        """Return the length of a beat of a new bar, in 24ths of a quarter."""
        numerator, denominator = self.metres[bar + self.bars.first - 1]
        is_compound = denominator in (8, 16, 32) and numerator in (6, 9, 12, 15)
        return (3 if is_compound else 1) * 4 * _QUARTER // denominator

    def n_beats(self, bar: int) -> int:
        """Return how many beats a new bar has."""
        numerator, denominator = self.metres[bar + self.bars.first - 1]
        return numerator * 4 * _QUARTER // denominator // self.beat(bar)

    def down(self, tick: int) -> list[Sound]:
        """Return what sounds at a tick."""
        return [sound for sound in self.sounds if sound.start <= tick < sound.end]


def _outside_key(music: _Music, lists: Mapping[str, list[str]], limits: Mapping[str, str]) -> int:
    n_wrong = 0
    for sound in music.new:
        bar, position = music.place(sound.start)
        tones = _scale_of(bar, lists)
        has_chords = "chords" in lists and lists["chords"][bar] not in _NO_CHORDS
        if tones is not None and sound.pitch % 12 not in tones and not has_chords:
            is_weak = position % music.beat(bar) != 0
            n_wrong += not (is_weak and "chromatic" in limits and _is_beside(music, sound))
    return n_wrong


def _is_beside(music: _Music, sound: Sound) -> bool:
    earlier = [other.start for other in music.sounds if other.start < sound.start]
    last = max(earlier, default=-1)
    return any(other.start == last and abs(other.pitch - sound.pitch) == 1 for other in music.sounds)


def _against_chords(music: _Music, lists: Mapping[str, list[str]], limits: Mapping[str, str]) -> int:
    n_wrong = 0
    begun: set[tuple[int, int]] = set()
    for sound in music.sounds:
        if not music.lines[music.bars.first - 1] <= sound.start < music.lines[music.bars.last]:
            continue
        bar, position = music.place(sound.start)
        text = lists["chords"][bar]
        if text in _NO_CHORDS:
            continue
        number, symbol = _chord_at(text.split(), position // music.beat(bar), music.n_beats(bar))
        tones, bass = _chord(symbol)
        is_new = sound in music.new
        if sound.pitch < 60 and (bar, number) not in begun:
            begun.add((bar, number))
            n_wrong += is_new and sound.pitch % 12 != bass
        if not is_new or sound.pitch % 12 in tones:
            continue
        scale = _scale_of(bar, lists)
        is_weak = position % music.beat(bar) != 0
        is_passing = "chromatic" in limits and _is_beside(music, sound)
        is_free = scale is None or sound.pitch % 12 in scale or is_passing
        n_wrong += not (is_weak and "chords-strict" not in limits and is_free)
    return n_wrong


def _outside_range(music: _Music, texts: list[str]) -> int:
    n_wrong = 0
    for sound in music.new:
        text = texts[music.place(sound.start)[0]]
        if text != "free":
            low, high = text.split("-")
            n_wrong += not (_pitch(low) if low else 21) <= sound.pitch <= (_pitch(high) if high else 108)
    return n_wrong


def _wrong_number(music: _Music, texts: list[str]) -> int:
    n_wrong = 0
    for index in range(music.bars.last - music.bars.first + 1):
        begin, end = music.lines[music.bars.first - 1 + index : music.bars.first + 1 + index]
        n_notes = sum(begin <= sound.start < end for sound in music.sounds)
        least, most = _bounds(texts[index])
        n_new = sum(begin <= sound.start < end for sound in music.new)
        n_wrong += (n_new > 0 and n_notes > most) or (n_notes < least and begin >= music.bars.from_tick)
    return n_wrong


def _wrong_voices(music: _Music, texts: list[str]) -> int:
    n_wrong = 0
    for tick in music.strikes:
        least, most = _bounds(texts[music.place(tick)[0]])
        n_wrong += not least <= len(music.down(tick)) <= most
    for index in range(1, music.bars.last - music.bars.first + 1):
        line = music.lines[music.bars.first - 1 + index]
        held = [sound for sound in music.new if sound.start < line < sound.end]
        n_wrong += len(held) > _bounds(texts[index])[1]
    return n_wrong


def _list(text: str, bars: Bars) -> list[str]:
    """Return one text per new bar."""
    texts = [part.strip() for part in text.strip().strip("|").split("|")]
    for index, part in enumerate(texts):
        if part == "%":
            texts[index] = texts[index - 1]
    n_bars = bars.last - bars.first + 1
    has_half = len(texts) > 1 and len(texts) < n_bars and bars.from_tick > 0
    whole = [texts[index % len(texts)] for index in range(n_bars)]
    return ["free", *whole][:n_bars] if has_half else whole


def _scale_of(bar: int, lists: Mapping[str, list[str]]) -> set[int] | None:
    texts = [lists[name][bar] for name in ("key", "scale") if name in lists and lists[name][bar] != "free"]
    return set.intersection(*map(_tones, texts)) if texts else None


def _tones(text: str) -> set[int]:
    words = text.split()
    if len(words) > 1 and all(word[0] in "ABCDEFG" and set(word[1:]) <= set("#b") for word in words):
        return {_class(word) for word in words}
    head = text[: 1 + len(text[1:]) - len(text[1:].lstrip("#b"))]
    tonic, tones = _class(head), set()
    for step in _STEPS[text[len(head) :].strip()]:
        tones.add(tonic % 12)
        tonic += int(step)
    return tones


def _chord_at(symbols: list[str], beat: int, n_beats: int) -> tuple[int, str]:
    """Return which chord of a bar stands on a beat: its number and its symbol."""
    each, more = divmod(n_beats, len(symbols))
    by_beat = [index for index in range(len(symbols)) for _ in range(each + (index < more))]
    number = by_beat[beat]
    while symbols[number] == ".":
        number -= 1
    return number, symbols[number]


def _chord(symbol: str) -> tuple[set[int], int]:
    upper, _, lower = symbol.partition("/")
    head = upper[:2] if upper[1:2] in ("#", "b") else upper[:1]
    root = _class(head)
    bass = _class(lower) if lower else root
    return {(root + int(step)) % 12 for step in _CHORDS[upper[len(head) :]].split()} | {bass}, bass


def _class(name: str) -> int:
    return (_LETTERS.index(name[0]) + name.count("#") - name.count("b")) % 12


def _pitch(name: str) -> int:
    if name.strip().isdigit():
        return int(name)
    letter, octave = name.strip()[:-1], int(name.strip()[-1])
    return _LETTERS.index(letter[0]) + letter.count("#") - letter.count("b") + 12 * (octave + 1)


def _bounds(text: str) -> tuple[int, float]:
    if text == "free":
        return 0, float("inf")
    low, dash, high = text.partition("-")
    return int(low), int(high) if high.strip() else float("inf") if dash else int(low)


def _lines(score: Score, n_bars: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Lay bars from tick 0; metres change on bar lines."""
    changes = {tick: (numerator, denominator) for tick, numerator, denominator in _metres(score)}
    metre, lines, metres = (4, 4), [0], []
    for _ in range(n_bars):
        metre = changes.get(lines[-1], metre)
        metres.append(metre)
        lines.append(lines[-1] + metre[0] * 4 * score.ticks_per_quarter // metre[1])
    return lines, metres


def _metres(score: Score) -> list[tuple[int, int, int]]:
    return [(s.time, s.numerator, s.denominator) for s in score.time_signatures]


def _tempos(score: Score) -> list[tuple[int, int]]:
    return [(t.time, t.mspq) for t in score.tempos]
