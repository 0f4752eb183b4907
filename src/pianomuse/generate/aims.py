"""What the new bars lead to: chords and notes that were named, and how the phrase ends.

Both become pins (see `pins`), with the chord held from there on in the bar:

- a target, such as ``bar 12: Am/E, melody C5``: the named melody note is the highest, the named bass the lowest of what
  is struck there, and all of it belongs to the named chord. In music of one line, only the melody note is struck.
- an ending. ``half``: the last bar is over the dominant, struck on its first beat over its root. ``close``: over the
  tonic so, after the dominant in the second half of the bar before. ``final``: nothing begins after that. ``open``: the
  last bar stays in the key and has no tonic in it. The bass of an arrival is held to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from pianomuse.errors import RequestError
from pianomuse.generate.asked import Asked
from pianomuse.generate.bar_limits import BarLimits, ChordSpan
from pianomuse.generate.caret import Caret
from pianomuse.generate.harmony import SCALES, Chord
from pianomuse.generate.key import HeardKey
from pianomuse.generate.pins import Pin
from pianomuse.generate.plan import Plan
from pianomuse.generate.targets import Target
from pianomuse.tokens.quantise import bar_length


def with_aims(plan: Plan, asked: Asked, caret: Caret, key: HeardKey) -> Plan:
    """Return a plan that also leads to the asked targets and ending.

    Args:
        plan: with what holds in its bars.
        asked: by the composer.
        caret: where the bars are.
        key: of the ending.

    Raises:
        RequestError: a place outside the new bars, or what cannot be combined.

    """
    if not (asked.targets or asked.ending):
        return plan
    name = "to" if asked.targets else "ending"
    if asked.keep:
        raise RequestError(
            f"--{name} and --keep {asked.keep} cannot be combined: what is kept says what is struck where",
            "kept_with",
            limit=name,
            kept=asked.keep,
        )
    for other, bounds in (("notes-per-bar", asked.notes_per_bar), ("voices", asked.voices)):
        if any(bound is not None and bound[0] > 1 for bound in bounds):
            raise RequestError(
                f"--{name} and --{other} {asked.said[other]} cannot be combined: what is fixed may leave no room for a "
                "least number; say only the most, like 1-6",
                "least_with",
                limit=name,
                other=other,
                value=asked.said[other],
            )
    if plan.given is not None and plan.given.hand == "right":
        raise RequestError(
            f"--{name}: a right hand over a given bass has no bass of its own to arrive with", "no_own_bass", limit=name
        )
    bars = list(plan.bars or (plan.in_bar(index) for index in range(plan.n_bars)))
    pins = [_target(bars, target, asked, caret) for target in asked.targets]
    if asked.ending:
        if asked.chords:
            raise RequestError(
                f"--ending {asked.ending} and --chords {asked.said['chords']} both say the harmony: leave one out",
                "harmony_said_twice",
                ending=asked.ending,
                chords=asked.said["chords"],
            )
        pins += _ending(bars, asked.ending, key, caret)
    pins.sort(key=lambda pin: (pin.bar, pin.position))
    for first, second in pairwise(pins):
        if (first.bar, first.position) == (second.bar, second.position):
            number = caret.bar_index + first.bar + 1
            raise RequestError(
                f"--ending {asked.ending} and --to both say how bar {number} begins: leave one out",
                "beginning_said_twice",
                ending=asked.ending,
                bar=number,
            )
    return replace(plan, bars=tuple(bars), pins=tuple(pins))


def _target(bars: list[BarLimits], target: Target, asked: Asked, caret: Caret) -> Pin:
    """Return the pin of a target, and write its chord into its bar."""
    index = target.bar - 1 - caret.bar_index
    first, last = caret.at_bar + 1, caret.bar_index + caret.n_bars
    said = f"--to {asked.said['to']}"
    if not caret.finishes_bar <= index < caret.n_bars:
        raise RequestError(
            f"{said}: {target.place} is not among the new bars {first} to {last}; --bars writes more",
            "target_outside",
            target=asked.said["to"],
            place=target.place,
            first=first,
            last=last,
        )
    bar, (numerator, denominator) = bars[index], caret.metres[index]
    position = round((target.beat - 1) * bar.beat_units, 6)
    if target.beat < 1 or position != int(position) or position >= bar_length(numerator, denominator):
        raise RequestError(
            f"{said}: there is no beat {target.beat:g} in a bar of {numerator}/{denominator}",
            "target_no_beat",
            target=asked.said["to"],
            beat=target.beat,
            metre=f"{numerator}/{denominator}",
        )
    position = int(position)
    for voice, pitch in (("melody", target.melody), ("bass", target.bass)):
        if pitch >= 0 and not bar.lowest <= pitch <= bar.highest:
            raise RequestError(
                f"{said}: that {voice} note is outside the range of these bars; --range widens it",
                "target_out_of_range",
                target=asked.said["to"],
                voice=voice,
            )
    if target.chord is not None:
        bars[index] = _with_chord(bar, position, target.chord)
    is_line = bar.max_voices == 1
    has_melody = target.melody >= 0
    return Pin(
        index,
        position,
        lowest=None if target.chord is None or (is_line and has_melody) else frozenset({target.chord.bass}),
        bass=-1 if is_line and has_melody else target.bass,
        classes=target.chord.tones if target.chord is not None else None,
        top=target.melody,
    )


def _with_chord(bar: BarLimits, position: int, chord: Chord) -> BarLimits:
    """Return a bar that is over a chord from a position on."""
    before = tuple(span for span in bar.chords if span.position < position)
    return replace(bar, chords=(*before, ChordSpan(position, chord)))


def _ending(bars: list[BarLimits], ending: str, key: HeardKey, caret: Caret) -> Sequence[Pin]:
    """Return the pins of an ending, and write its chords into the last bars."""
    third = 3 if key.is_minor else 4
    tonic = _chord(key, 0, (0, third, 7))
    dominant = _chord(key, 7, (0, 4, 7))
    last = len(bars) - 1
    if ending == "open":
        steps = SCALES["minor" if key.is_minor else "major"]
        scale = (bars[last].scale or {(key.tonic + step) % 12 for step in steps}) - {key.tonic}
        scale = frozenset(scale)
        bars[last] = replace(bars[last], scale=scale)
        return [Pin(last, 0, classes=scale)]
    if ending == "half":
        bars[last] = replace(_with_chord(bars[last], 0, dominant), is_strict=True)
        return [Pin(last, 0, lowest=frozenset({dominant.bass}), classes=dominant.tones, holds_bass=True)]
    seventh = _chord(key, 7, (0, 4, 7, 10))
    n_whole = caret.n_bars - caret.finishes_bar
    before = last - 1 if n_whole > 1 else last
    arrival = 0 if n_whole > 1 else _middle(bars[last], caret.metres[last])
    if n_whole == 1 and arrival == 0:
        raise RequestError(
            f"--ending {ending}: a single bar of one beat has no room for it; write two bars or more",
            "ending_no_room",
            ending=ending,
        )
    turn = _middle(bars[before], caret.metres[before]) if n_whole > 1 else 0
    bars[before] = _with_chord(bars[before], turn, seventh)
    bars[last] = replace(_with_chord(bars[last], arrival, tonic), is_strict=True)
    return [
        Pin(before, turn, classes=seventh.tones),
        Pin(
            last,
            arrival,
            lowest=frozenset({key.tonic}),
            classes=tonic.tones,
            holds_bass=True,
            is_last=ending == "final",
        ),
    ]


def _middle(bar: BarLimits, metre: tuple[int, int]) -> int:
    """Return where the second half of a bar begins, on a beat; 0 in a bar of one beat."""
    n_beats = max(bar_length(*metre) // bar.beat_units, 1)
    return min((n_beats + 1) // 2, n_beats - 1) * bar.beat_units


def _chord(key: HeardKey, root: int, steps: tuple[int, ...]) -> Chord:
    bass = (key.tonic + root) % 12
    return Chord(key.pitch_class_name(bass), frozenset((bass + step) % 12 for step in steps), bass)
