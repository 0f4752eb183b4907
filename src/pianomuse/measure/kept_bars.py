"""What an idea was to keep of the composer's bars, counted in the files (see `pianomuse.measure.limits`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pianomuse.measure.new_bars import QUARTER, Bars, Music, Sound


def other_rhythm(was: Music, music: Music, bars: Bars) -> int:
    """Count onsets and lengths that are missing or too much."""
    n_wrong = 0
    end = music.lines[bars.last]
    for here, old, new in _beside(was, music, bars):
        wanted = Counter((s.start - here, min(s.end, end) - s.start) for s in _keys(old))
        # before music that wants the pedal down, notes end one tick before the end of the new bars
        written = Counter((s.start - here, s.end - s.start + (s.end == end - 1)) for s in new)
        n_wrong += ((wanted - written) + (written - wanted)).total()
    return n_wrong


def other_contour(was: Music, music: Music, bars: Bars) -> int:
    """Count these, and strikes of the top line that are none in the other bars, or move another way."""
    lines, olds, news = zip(*_beside(was, music, bars), strict=True)
    one, two = (_top_line([s for bar in side for s in bar], lines[0], music.quarter) for side in (olds, news))
    n_moved = sum(one.get(place) != two.get(place) for place in one.keys() | two.keys())
    return other_rhythm(was, music, bars) + n_moved


def other_pitches(was: Music, music: Music, bars: Bars) -> int:
    """Count bars whose strikes are others."""
    return sum(_chords_of(old) != _chords_of(new) for _, old, new in _beside(was, music, bars))


def _beside(was: Music, music: Music, bars: Bars) -> Iterator[tuple[int, list[Sound], list[Sound]]]:
    """Yield for every new bar its line, the composer's notes that it was to keep, laid there, and its own."""
    for index, source in enumerate(bars.kept):
        here, there = music.lines[bars.first - 1 + index], was.lines[source - 1]
        since = max(bars.from_tick - here, 0)
        old = [s for s in was.sounds if there + since <= s.start < was.lines[source]]
        new = [s for s in music.new if here <= s.start < music.lines[bars.first + index]]
        yield here, [Sound(s.start - there + here, s.end - there + here, s.pitch) for s in old], new


def _top_line(sounds: list[Sound], before: int, quarter: int) -> dict[int, int]:
    """Return the strikes above all that sounds, in 24ths of a quarter, and whether they rise, repeat or fall."""
    units = [
        (round((s.start - before) * QUARTER / quarter), round((s.end - before) * QUARTER / quarter), s.pitch)
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


def _keys(sounds: Iterable[Sound]) -> list[Sound]:
    """Return every key struck once, as long as the longest of the notes on it."""
    longest = {(sound.start, sound.pitch): sound for sound in sorted(sounds, key=lambda sound: sound.end)}
    return list(longest.values())


def _chords_of(sounds: list[Sound]) -> list[list[int]]:
    return [sorted({s.pitch for s in sounds if s.start == tick}) for tick in sorted({s.start for s in sounds})]
