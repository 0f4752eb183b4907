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
- keep rhythm: every onset and duration that is missing or too much (a key that two
  tracks strike at once counts once). keep contour: the same, and every strike of the top line, of the old bars or the
  new, that is none in the other or moves another way. keep pitches: every bar whose strikes are others.
- hand: every note of the other hand that is no longer there as it was, every new note that crosses it.
- metre, tempo: every change that was not in the composer's file. hands: every new strike that two hands cannot hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from symusic import Score

from pianomuse.measure.limit_words import NO_CHORDS, bounds, by_bar, chord, chord_at, pitch, tones
from pianomuse.measure.playability import can_hold

_QUARTER = 24


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
        kept: number of the composer's bar that each new bar keeps something of.

    """

    first: int
    last: int
    from_tick: int = 0
    kept: tuple[int, ...] = ()


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
    if "hand" in limits:
        other = _other_hand(before, limits["hand"])
        found["hand"] = _broken_hand(other, music, limits["hand"])
        music.leave_out(other)
    if bars.kept:
        was = _Music(before, bars)
        count = {"rhythm": _other_rhythm, "contour": _other_contour, "pitches": _other_pitches}[limits["keep"]]
        found["keep"] = count(was, music, bars)
    n_bars = bars.last - bars.first + 1
    lists = {name: by_bar(text, n_bars, has_half=bars.from_tick > 0) for name, text in limits.items()}
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
        self.lines, self.metres = _lines(score, max(bars.last, *bars.kept, 1))
        self.bars = bars
        begin, end = max(self.lines[bars.first - 1], bars.from_tick), self.lines[bars.last]
        self.new = [sound for sound in self.sounds if begin <= sound.start < end]
        self.strikes = sorted({sound.start for sound in self.new})

    def leave_out(self, sounds: list[Sound]) -> None:
        """Hear no more of some notes: limits are about one hand."""
        gone = set(sounds)
        self.sounds = [sound for sound in self.sounds if sound not in gone]
        self.new = [sound for sound in self.new if sound not in gone]
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
        has_chords = "chords" in lists and lists["chords"][bar] not in NO_CHORDS
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
        if text in NO_CHORDS:
            continue
        number, symbol = chord_at(text.split(), position // music.beat(bar), music.n_beats(bar))
        tones, bass = chord(symbol)
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
            n_wrong += not (pitch(low) if low else 21) <= sound.pitch <= (pitch(high) if high else 108)
    return n_wrong


def _wrong_number(music: _Music, texts: list[str]) -> int:
    n_wrong = 0
    for index in range(music.bars.last - music.bars.first + 1):
        begin, end = music.lines[music.bars.first - 1 + index : music.bars.first + 1 + index]
        n_notes = sum(begin <= sound.start < end for sound in music.sounds)
        least, most = bounds(texts[index])
        n_new = sum(begin <= sound.start < end for sound in music.new)
        n_wrong += (n_new > 0 and n_notes > most) or (n_notes < least and begin >= music.bars.from_tick)
    return n_wrong


def _wrong_voices(music: _Music, texts: list[str]) -> int:
    n_wrong = 0
    for tick in music.strikes:
        least, most = bounds(texts[music.place(tick)[0]])
        n_wrong += not least <= len(music.down(tick)) <= most
    for index in range(1, music.bars.last - music.bars.first + 1):
        line = music.lines[music.bars.first - 1 + index]
        held = [sound for sound in music.new if sound.start < line < sound.end]
        n_wrong += len(held) > bounds(texts[index])[1]
    return n_wrong


def _other_rhythm(was: _Music, music: _Music, bars: Bars) -> int:
    n_wrong = 0
    end = music.lines[bars.last]
    for index, source in enumerate(bars.kept):
        here, there = music.lines[bars.first - 1 + index], was.lines[source - 1]
        since = max(bars.from_tick - here, 0)
        old = _keys(s for s in was.sounds if there + since <= s.start < was.lines[source])
        wanted = Counter((s.start - there, min(s.end - there, end - here) - (s.start - there)) for s in old)
        new = [s for s in music.new if here <= s.start < music.lines[bars.first + index]]
        # before music that wants the pedal down, notes end one tick before the end of the new bars
        written = Counter((s.start - here, s.end - s.start + (s.end == end - 1)) for s in new)
        n_wrong += ((wanted - written) + (written - wanted)).total()
    return n_wrong


def _other_contour(was: _Music, music: _Music, bars: Bars) -> int:
    before = music.lines[bars.first - 1]
    old, new = [], []
    for index, source in enumerate(bars.kept):
        here, there = music.lines[bars.first - 1 + index], was.lines[source - 1]
        since = max(bars.from_tick - here, 0)
        sources = [s for s in was.sounds if there + since <= s.start < was.lines[source]]
        old += [Sound(s.start - there + here, s.end - there + here, s.pitch) for s in sources]
        new += [s for s in music.new if here <= s.start < music.lines[bars.first + index]]
    one, two = (_top_line(sounds, before, music.quarter) for sounds in (old, new))
    n_moved = sum(one.get(place) != two.get(place) for place in one.keys() | two.keys())
    return _other_rhythm(was, music, bars) + n_moved


def _top_line(sounds: list[Sound], before: int, quarter: int) -> dict[int, int]:
    """Return the strikes above all that sounds, in 24ths of a quarter, and whether they rise, repeat or fall."""
    units = [
        (round((s.start - before) * _QUARTER / quarter), round((s.end - before) * _QUARTER / quarter), s.pitch)
        for s in sounds
    ]
    line: dict[int, int] = {}
    last = -1
    for place in sorted({start for start, _, _ in units}):
        top = max(pitch for start, _, pitch in units if start == place)
        if top > max((pitch for start, end, pitch in units if start < place < end), default=-1):
            line[place] = (top > last) - (top < last)
            last = top
    return line


def _other_hand(before: Score, wanted: str) -> list[Sound]:
    """Return what the other hand plays; the higher-lying track is the right hand's."""
    hands = [[Sound(n.time, n.time + n.duration, n.pitch) for n in track.notes] for track in before.tracks]
    hands = sorted(filter(None, hands), key=lambda hand: sum(sound.pitch for sound in hand) / len(hand))
    return hands[-1] if wanted == "left" else hands[0]


def _broken_hand(other: list[Sound], music: _Music, wanted: str) -> int:
    """Count notes of the other hand that are gone, and new notes that cross it."""
    begin, end = music.lines[music.bars.first - 1], music.lines[music.bars.last]
    fixed = [sound for sound in other if begin <= sound.start < end]
    n_gone = len(set(fixed) - set(music.sounds))
    n_crossed = 0
    for sound in set(music.new) - set(fixed):
        met = [s.pitch for s in fixed if s.start < sound.end and s.end > sound.start]
        n_crossed += any(pitch <= sound.pitch if wanted == "left" else pitch >= sound.pitch for pitch in met)
    return n_gone + n_crossed


def _keys(sounds: Iterable[Sound]) -> list[Sound]:
    """Return every key struck once, as long as the longest of the notes on it."""
    longest = {(sound.start, sound.pitch): sound for sound in sorted(sounds, key=lambda sound: sound.end)}
    return list(longest.values())


def _other_pitches(was: _Music, music: _Music, bars: Bars) -> int:
    n_wrong = 0
    for index, source in enumerate(bars.kept):
        here, there = music.lines[bars.first - 1 + index], was.lines[source - 1]
        since = max(bars.from_tick - here, 0)
        old = [s for s in was.sounds if there + since <= s.start < was.lines[source]]
        new = [s for s in music.new if here <= s.start < music.lines[bars.first + index]]
        n_wrong += _chords_of(old) != _chords_of(new)
    return n_wrong


def _chords_of(sounds: list[Sound]) -> list[list[int]]:
    return [sorted({s.pitch for s in sounds if s.start == tick}) for tick in sorted({s.start for s in sounds})]


def _scale_of(bar: int, lists: Mapping[str, list[str]]) -> set[int] | None:
    texts = [lists[name][bar] for name in ("key", "scale") if name in lists and lists[name][bar] != "free"]
    return set.intersection(*map(tones, texts)) if texts else None


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
