"""What stands in a bar: the notes and rests of each voice with their values, ties, tuplets, accidentals and beams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pianomuse.notation.measures import Measure
from pianomuse.notation.metre import Span, beam_spans
from pianomuse.notation.rhythm import WrittenNote
from pianomuse.notation.spelling import Key, Spelled
from pianomuse.notation.values import Tuplet, Value, cut_voice
from pianomuse.notation.voices import Chord

_WHOLE, _EIGHTH = 1, 4  # indices into values.TYPES
_SHARPS, _FLATS = "FCGDAEB", "BEADGCF"

Names = Mapping[WrittenNote, Spelled]


@dataclass
class Head:
    """One note of a chord, as it is printed."""

    name: Spelled
    is_tied_from: bool = False
    is_tied_on: bool = False
    accidental: int | None = None  # semitones; None: none is printed


@dataclass
class Event:
    """A chord or a rest of one value; `start` in units from the beginning of the file."""

    start: int
    length: int
    value: Value
    heads: list[Head] = field(default_factory=list)
    graces: list[Head] = field(default_factory=list)
    tuplet: Tuplet | None = None
    is_tuplet_start: bool = False
    is_tuplet_stop: bool = False
    beams: list[str] = field(default_factory=list)  # one per level, as MusicXML calls them

    @property
    def is_rest(self) -> bool:
        """Whether nothing is struck or held."""
        return not self.heads


@dataclass(frozen=True)
class StaffBar:
    """One bar of one staff: its voices in order, from 0; a voice that has nothing to say is missing."""

    voices: dict[int, list[Event]]


def lay_bar(voices: Sequence[Sequence[Chord]], bar: Measure, tree: Span, key: Key, names: Names) -> StaffBar:
    """Lay out one bar of one staff.

    Args:
        voices: chords of each voice that sound in the bar.
        bar: where it lies.
        tree: its whole metre.
        key: for accidentals.
        names: of all notes.
    """
    laid = {index: _lay_voice(chords, bar, tree, names) for index, chords in enumerate(voices) if chords or index == 0}
    busy = [index for index, events in laid.items() if any(not event.is_rest for event in events)]
    if len(busy) == 1 and busy != [0] and not _is_tied_out(laid[busy[0]]):
        laid = {0: laid[busy[0]]}
    for events in laid.values():
        _beam(events, bar, tree)
    _put_accidentals(laid.values(), key)
    return StaffBar(laid)


def _lay_voice(chords: Sequence[Chord], bar: Measure, tree: Span, names: Names) -> list[Event]:
    """Turn the chords of one voice into events that fill the bar."""
    borders = {bar.start, bar.end}
    borders |= {place for chord in chords for place in (chord.onset, chord.end) if bar.start < place < bar.end}
    edges = sorted(borders)
    sounding: list[list[WrittenNote]] = []
    for start in edges[:-1]:
        notes = [note for chord in chords if chord.onset <= start < chord.end for note in chord.notes]
        sounding.append(sorted(notes, key=lambda note: note.pitch))
    origin = bar.start - bar.offset
    merged: list[tuple[int, int, bool]] = []
    for index, start in enumerate(edges[:-1]):
        merged.append((start - origin, edges[index + 1] - origin, not sounding[index]))
    if bar.is_whole and merged == [(0, bar.length, True)]:
        return [Event(bar.start, bar.length, Value(_WHOLE, 0))]
    graces = {chord.onset: chord.graces for chord in chords if chord.graces}
    events = []
    for cut in cut_voice(merged, tree):
        start, end = cut.start + origin, cut.end + origin
        heads = [Head(names[n], n.onset < start, n.end > end) for n in sounding[cut.segment]]
        before = [Head(names[note]) for note in graces.get(start, ()) if heads]
        events.append(Event(start, end - start, cut.value, heads, before, cut.tuplet))
    _mark_tuplets(events)
    return events


def _mark_tuplets(events: Sequence[Event]) -> None:
    for index, event in enumerate(events):
        if event.tuplet is not None:
            event.is_tuplet_start = index == 0 or events[index - 1].tuplet != event.tuplet
            event.is_tuplet_stop = index + 1 == len(events) or events[index + 1].tuplet != event.tuplet


def _is_tied_out(events: Sequence[Event]) -> bool:
    """Tell whether a tie leads into or out of a bar."""
    first, last = events[0].heads, events[-1].heads
    return any(head.is_tied_from for head in first) or any(head.is_tied_on for head in last)


def _put_accidentals(voices: Iterable[Sequence[Event]], key: Key) -> None:
    """Print an accidental where a note differs from what the signature and the bar so far say."""
    in_force: dict[tuple[str, int], int] = {}
    for event in sorted((event for events in voices for event in events), key=lambda event: event.start):
        for head in [*event.graces, *event.heads]:
            if head.is_tied_from:
                continue
            place = head.name.step, head.name.octave
            if head.name.alter != in_force.get(place, _signature_alter(head.name.step, key.sharps)):
                head.accidental = head.name.alter
                in_force[place] = head.name.alter


def _signature_alter(step: str, sharps: int) -> int:
    if step in _SHARPS[: max(sharps, 0)]:
        return 1
    return -1 if step in _FLATS[: max(-sharps, 0)] else 0


def _beam(events: Sequence[Event], bar: Measure, tree: Span) -> None:
    """Join eighths and shorter notes by beams, as the metre groups them."""
    origin = bar.start - bar.offset
    coarse, fine = beam_spans(tree, bar.metre)
    for span in coarse:
        inside = _within(events, span, origin)
        is_plain = all(event.value == Value(_EIGHTH, 0) or event.value.type_index < _EIGHTH for event in inside)
        if is_plain and not any(event.tuplet for event in inside):
            _beam_run(inside)
            continue
        for part in fine:
            if span.start <= part.start < span.end:
                _beam_run(_within(events, part, origin))


def _within(events: Sequence[Event], span: Span, origin: int) -> list[Event]:
    return [event for event in events if span.start <= event.start - origin < span.end]


def _beam_run(events: Sequence[Event]) -> None:
    """Beam the runs of short notes between rests and long notes."""
    run: list[Event] = []
    for event in [*events, None]:
        if event is not None and not event.is_rest and event.value.type_index >= _EIGHTH:
            run.append(event)
            continue
        if len(run) > 1:
            _beam_group(run)
        run = []


def _beam_group(group: Sequence[Event]) -> None:
    counts = [event.value.type_index - _EIGHTH + 1 for event in group]
    for level in range(1, max(counts) + 1):
        for index, (event, count) in enumerate(zip(group, counts, strict=True)):
            if count < level:
                continue
            before = index > 0 and counts[index - 1] >= level
            after = index + 1 < len(group) and counts[index + 1] >= level
            if before and after:
                event.beams.append("continue")
            elif before or after:
                event.beams.append("end" if before else "begin")
            else:
                is_forward = index == 0 or (index + 1 < len(group) and event.start // event.length % 2 == 0)
                event.beams.append("forward hook" if is_forward else "backward hook")
