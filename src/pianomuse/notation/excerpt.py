"""Some bars of a page, as a page of their own, named and laid out as in the whole: no key is guessed anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pianomuse.notation.layout import Event, StaffBar
from pianomuse.notation.marks import Mark
from pianomuse.notation.sheet import Part, Sheet, Staff


def excerpt(sheet: Sheet, first: int, last: int) -> Sheet:
    """Return bars first … last of a page, counted from 0, both included and inside it.

    What is held into the first bar is struck there; a pedal that is down is pressed anew.
    """
    bars = slice(first, last + 1)
    measures = sheet.measures[bars]
    start, end = measures[0].start, measures[-1].end
    parts = [Part(part.name, [_staff(staff, bars) for staff in part.staves]) for part in sheet.parts]
    inside = [[mark for mark in marks if start <= mark.place < end] for marks in (sheet.tempos, sheet.dynamics)]
    is_end = sheet.is_end and last + 1 >= len(sheet.measures)
    return replace(
        sheet,
        measures=measures,
        keys=sheet.keys[bars],
        parts=parts,
        tempos=inside[0],
        dynamics=inside[1],
        pedals=_pedals(sheet.pedals, start, end),
        is_end=is_end,
    )


def _staff(staff: Staff, bars: slice) -> Staff:
    shown = staff.bars[bars]
    begin = StaffBar({voice: _untied(events) for voice, events in shown[0].voices.items()})
    return Staff(staff.clefs[bars], [begin, *shown[1:]])


def _untied(events: Sequence[Event]) -> list[Event]:
    """Return a bar's events without the ties that come from the bar before: those of its first chord."""
    if not events:
        return []
    heads = [replace(head, is_tied_from=False) for head in events[0].heads]
    return [replace(events[0], heads=heads), *events[1:]]


def _pedals(marks: Sequence[Mark], start: int, end: int) -> list[Mark]:
    before = [mark for mark in marks if mark.place < start]
    inside = [mark for mark in marks if start < mark.place < end or (mark.place == end and mark.text == "stop")]
    here = next((mark.text for mark in marks if mark.place == start), "")
    was_down = bool(before) and before[-1].text != "stop"
    is_down = here in ("start", "change") or (was_down and not here)
    found = [Mark(start, "pedal", "start")] if is_down else []
    found += inside
    if found and found[-1].text != "stop":
        found.append(Mark(end, "pedal", "stop"))
    return found
