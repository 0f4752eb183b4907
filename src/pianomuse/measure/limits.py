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

from collections.abc import Mapping

from symusic import Score

from pianomuse.measure.kept_bars import other_contour, other_pitches, other_rhythm
from pianomuse.measure.limit_words import NO_CHORDS, bounds, by_bar, chord, chord_at, pitch, tones
from pianomuse.measure.new_bars import Bars, Music, Sound, metre_changes
from pianomuse.measure.playability import can_hold


def count_violations(original: bytes, result: bytes, bars: Bars, limits: Mapping[str, str]) -> dict[str, int]:
    """Count violations by limit, those of metre, tempo and hands always.

    Args:
        original: the composer's file.
        result: the same with the new bars in place of those that stood there.
        bars: which are new.
        limits: as said on the command line, by the names of the options.

    """
    before, after = Score.from_midi(original), Score.from_midi(result)
    music = Music(after, bars)
    found = {
        "metre": len(set(metre_changes(before)) ^ set(metre_changes(after))),
        "tempo": len(set(_tempos(before)) ^ set(_tempos(after))),
        "hands": sum(not can_hold(sorted({s.pitch for s in music.down(tick)})) for tick in music.strikes),
    }
    if "hand" in limits:
        other = _other_hand(before, limits["hand"])
        found["hand"] = _broken_hand(other, music, limits["hand"])
        music.leave_out(other)
    if bars.kept:
        was = Music(before, bars)
        count = {"rhythm": other_rhythm, "contour": other_contour, "pitches": other_pitches}[limits["keep"]]
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


def _outside_key(music: Music, lists: Mapping[str, list[str]], limits: Mapping[str, str]) -> int:
    n_wrong = 0
    for sound in music.new:
        bar, position = music.place(sound.start)
        tones = _scale_of(bar, lists)
        has_chords = "chords" in lists and lists["chords"][bar] not in NO_CHORDS
        if tones is not None and sound.pitch % 12 not in tones and not has_chords:
            is_weak = position % music.beat(bar) != 0
            n_wrong += not (is_weak and "chromatic" in limits and _is_beside(music, sound))
    return n_wrong


def _is_beside(music: Music, sound: Sound) -> bool:
    earlier = [other.start for other in music.sounds if other.start < sound.start]
    last = max(earlier, default=-1)
    return any(other.start == last and abs(other.pitch - sound.pitch) == 1 for other in music.sounds)


def _against_chords(music: Music, lists: Mapping[str, list[str]], limits: Mapping[str, str]) -> int:
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


def _outside_range(music: Music, texts: list[str]) -> int:
    n_wrong = 0
    for sound in music.new:
        text = texts[music.place(sound.start)[0]]
        if text != "free":
            low, high = text.split("-")
            n_wrong += not (pitch(low) if low else 21) <= sound.pitch <= (pitch(high) if high else 108)
    return n_wrong


def _wrong_number(music: Music, texts: list[str]) -> int:
    n_wrong = 0
    for index in range(music.bars.last - music.bars.first + 1):
        begin, end = music.lines[music.bars.first - 1 + index : music.bars.first + 1 + index]
        n_notes = sum(begin <= sound.start < end for sound in music.sounds)
        least, most = bounds(texts[index])
        n_new = sum(begin <= sound.start < end for sound in music.new)
        n_wrong += (n_new > 0 and n_notes > most) or (n_notes < least and begin >= music.bars.from_tick)
    return n_wrong


def _wrong_voices(music: Music, texts: list[str]) -> int:
    n_wrong = 0
    for tick in music.strikes:
        least, most = bounds(texts[music.place(tick)[0]])
        n_wrong += not least <= len(music.down(tick)) <= most
    for index in range(1, music.bars.last - music.bars.first + 1):
        line = music.lines[music.bars.first - 1 + index]
        held = [sound for sound in music.new if sound.start < line < sound.end]
        n_wrong += len(held) > bounds(texts[index])[1]
    return n_wrong


def _other_hand(before: Score, wanted: str) -> list[Sound]:
    """Return what the other hand plays; the higher-lying track is the right hand's."""
    hands = [[Sound(n.time, n.time + n.duration, n.pitch) for n in track.notes] for track in before.tracks]
    hands = sorted(filter(None, hands), key=lambda hand: sum(sound.pitch for sound in hand) / len(hand))
    return hands[-1] if wanted == "left" else hands[0]


def _broken_hand(other: list[Sound], music: Music, wanted: str) -> int:
    """Count notes of the other hand that are gone, and new notes that cross it."""
    begin, end = music.lines[music.bars.first - 1], music.lines[music.bars.last]
    fixed = [sound for sound in other if begin <= sound.start < end]
    n_gone = len(set(fixed) - set(music.sounds))
    n_crossed = 0
    for sound in set(music.new) - set(fixed):
        met = [s.pitch for s in fixed if s.start < sound.end and s.end > sound.start]
        n_crossed += any(pitch <= sound.pitch if wanted == "left" else pitch >= sound.pitch for pitch in met)
    return n_gone + n_crossed


def _scale_of(bar: int, lists: Mapping[str, list[str]]) -> set[int] | None:
    texts = [lists[name][bar] for name in ("key", "scale") if name in lists and lists[name][bar] != "free"]
    return set.intersection(*map(tones, texts)) if texts else None


def _tempos(score: Score) -> list[tuple[int, int]]:
    return [(t.time, t.mspq) for t in score.tempos]
