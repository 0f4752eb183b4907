"""What a MIDI file's parts are: notes paired from their events, names, programs, and the role of each part.

A part is everything on one channel in one track chunk. Roles: 'voice', 'right', 'left', 'piano' are read as the
piano; 'other' instruments and 'drums' are not.

Pairing: the n-th note-on of a key belongs to its n-th note-off, as long as that works out for the whole part (two
voices may hold one key and let go one after the other). Where it does not (lost or doubled note-offs), a new strike
ends the note before, and a note without an end lasts a quarter at most: one lost event then harms one note and not
all that follow.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from pianomuse.midi.events import (
    CONTROL,
    INSTRUMENT,
    META,
    NOTE_ON,
    PROGRAM,
    SUSTAIN,
    TRACK_NAME,
    Event,
    EventFile,
    meta_payload,
)

PIANO_PROGRAMS = range(8)
DRUM_CHANNEL = 9
PIANO_ROLES = ("voice", "right", "left", "piano")
NO_EVENT = -1

_ROLE_WORDS = {
    "right": r"right ?(hand)?|r\.?h|upper|treble|rechts?|rechte|droite|destra|derecha|右|高音",
    "left": r"left ?(hand)?|l\.?h|lower|bass|links?|linke|gauche|sinistra|izquierda|左|低音",
    "voice": r"voice|vocals?|vox|sing(er)?|melody|lead|gesang|chant|canto|soprano|人声|旋律|歌",
}
_ROLE_PATTERNS = {
    role: re.compile(rf"(?<![a-z])({words})(?![a-z])", re.IGNORECASE) for role, words in _ROLE_WORDS.items()
}


class Stroke(NamedTuple):
    """One key struck and let go; the indices point into the chunk's events, NO_EVENT where it has no note-off."""

    onset: int
    end: int
    pitch: int
    velocity: int
    channel: int
    on_index: int
    off_index: int


@dataclass(frozen=True)
class TrackInfo:
    """One part: `index` is its track chunk in the file, `role` one of voice, right, left, piano, other, drums."""

    index: int
    channel: int
    program: int
    name: str
    n_notes: int
    role: str


@dataclass(frozen=True)
class ChunkParts:
    """The notes of one chunk in order of onset, and the indices of the other events."""

    strokes: list[Stroke]
    stray_offs: list[int]
    others: list[int]


def pair_notes(events: list[Event], ticks_per_quarter: int) -> ChunkParts:
    """Pair the note-ons and note-offs of one chunk."""
    keys: defaultdict[int, list[int]] = defaultdict(list)
    others: list[int] = []
    for index, (_, raw) in enumerate(events):
        status = raw[0]
        if status < 0xA0:
            keys[(status & 0x0F) << 7 | raw[1]].append(index)
        else:
            others.append(index)
    strokes: list[Stroke] = []
    stray: list[int] = []
    for indices in keys.values():
        ons = [i for i in indices if events[i][1][0] >= NOTE_ON and events[i][1][2]]
        if len(ons) * 2 == len(indices):
            taken = set(ons)
            offs = [i for i in indices if i not in taken]
            if all(on < off for on, off in zip(ons, offs, strict=True)):
                strokes.extend(_stroke(events, on, off, events[off][0]) for on, off in zip(ons, offs, strict=True))
                continue
        stray.extend(_pair_strictly(events, indices, ticks_per_quarter, strokes))
    strokes.sort(key=lambda stroke: stroke.on_index)
    return ChunkParts(strokes, stray, others)


def find_parts(file: EventFile, paired: list[ChunkParts]) -> tuple[TrackInfo, ...]:
    """List every part that has notes, in file order, with its role."""
    programs = [_programs(chunk.events, parts.others) for chunk, parts in zip(file.chunks, paired, strict=True)]
    found: list[TrackInfo] = []
    for index, (chunk, parts) in enumerate(zip(file.chunks, paired, strict=True)):
        name = _name(chunk.events, parts.others)
        for channel in sorted({stroke.channel for stroke in parts.strokes}):
            onsets = [stroke.onset for stroke in parts.strokes if stroke.channel == channel]
            program = _program_at(programs, index, channel, onsets[0])
            found.append(TrackInfo(index, channel, program, name, len(onsets), ""))
    pianos = {i for i, part in enumerate(found) if part.channel != DRUM_CHANNEL and part.program in PIANO_PROGRAMS}
    if not pianos:
        pianos = {i for i, part in enumerate(found) if part.channel != DRUM_CHANNEL}
    roles = [role_of(part, i in pianos) for i, part in enumerate(found)]
    _tell_hands_by_height(found, roles, paired)
    return tuple(
        TrackInfo(p.index, p.channel, p.program, p.name, p.n_notes, role) for p, role in zip(found, roles, strict=True)
    )


def role_of(part: TrackInfo, is_piano: bool) -> str:
    """Return the role of a part by its channel and its name."""
    if part.channel == DRUM_CHANNEL:
        return "drums"
    if not is_piano:
        return "other"
    hits = [role for role, pattern in _ROLE_PATTERNS.items() if pattern.search(part.name)]
    if hits[:2] == ["right", "left"] or not hits:
        return "piano"
    return hits[0]


def is_sustain(raw: bytes) -> bool:
    """Tell whether an event is the sustain pedal (controller 64)."""
    return raw[0] & 0xF0 == CONTROL and raw[1] == SUSTAIN


def is_piano_pedal(tracks: tuple[TrackInfo, ...], index: int, raw: bytes) -> bool:
    """Tell whether an event of chunk `index` is the piano's pedal, which may stand in a chunk without notes."""
    if not is_sustain(raw):
        return False
    channel = raw[0] & 0x0F
    roles = {track.index: track.role in PIANO_ROLES for track in tracks if track.channel == channel}
    return roles.get(index, any(roles.values()))


def decode_text(payload: bytes) -> str:
    """Read a text of unknown charset for display: UTF-8, else GB 2312 where it can only be that, else Latin-1."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        runs = re.findall(rb"[\x80-\xff]+", payload)
        if all(len(run) % 2 == 0 and min(run) >= 0xA1 for run in runs):
            try:
                return payload.decode("gb2312")
            except UnicodeDecodeError:
                pass
        return payload.decode("latin-1")


def _stroke(events: list[Event], on: int, off: int, end: int) -> Stroke:
    onset, raw = events[on]
    return Stroke(onset, end, raw[1], raw[2], raw[0] & 0x0F, on, off)


def _pair_strictly(events: list[Event], indices: list[int], quarter: int, strokes: list[Stroke]) -> list[int]:
    """Pair one key where offs are lost or doubled: every strike ends the note before. Returns the stray offs."""
    stray: list[int] = []
    sounding = NO_EVENT
    for index in indices:
        tick, raw = events[index]
        if raw[0] >= NOTE_ON and raw[2]:
            if sounding != NO_EVENT:
                strokes.append(_stroke(events, sounding, NO_EVENT, min(tick, events[sounding][0] + quarter)))
            sounding = index
        elif sounding != NO_EVENT:
            strokes.append(_stroke(events, sounding, index, tick))
            sounding = NO_EVENT
        else:
            stray.append(index)
    if sounding != NO_EVENT:
        strokes.append(_stroke(events, sounding, NO_EVENT, events[sounding][0] + quarter))
    return stray


def _programs(events: list[Event], others: list[int]) -> dict[int, list[tuple[int, int]]]:
    changes: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for index in others:
        tick, raw = events[index]
        if raw[0] & 0xF0 == PROGRAM:
            changes[raw[0] & 0x0F].append((tick, raw[1]))
    return changes


def _program_at(programs: list[dict[int, list[tuple[int, int]]]], chunk: int, channel: int, tick: int) -> int:
    """Return the program of a part at its first note: its own chunk says it, else any chunk on that channel."""
    own = [program for at, program in programs[chunk].get(channel, ()) if at <= tick]
    if own:
        return own[-1]
    elsewhere = [change for changes in programs for change in changes.get(channel, ()) if change[0] <= tick]
    return max(elsewhere, key=lambda change: change[0])[1] if elsewhere else 0


def _name(events: list[Event], others: list[int]) -> str:
    names: dict[int, str] = {}
    for index in others:
        raw = events[index][1]
        if raw[0] == META and raw[1] in (TRACK_NAME, INSTRUMENT):
            names.setdefault(raw[1], decode_text(meta_payload(raw)).strip("\0 \t\r\n"))
    return names.get(TRACK_NAME) or names.get(INSTRUMENT, "")


def _tell_hands_by_height(found: list[TrackInfo], roles: list[str], paired: list[ChunkParts]) -> None:
    """Call two unnamed piano parts right and left when one lies clearly above the other (by three semitones)."""
    unnamed = [i for i, role in enumerate(roles) if role == "piano"]
    if len(unnamed) != 2 or "right" in roles or "left" in roles:
        return
    heights = [
        median(s.pitch for s in paired[found[i].index].strokes if s.channel == found[i].channel) for i in unnamed
    ]
    if abs(heights[0] - heights[1]) >= 3:
        upper = unnamed[0] if heights[0] > heights[1] else unnamed[1]
        for i in unnamed:
            roles[i] = "right" if i == upper else "left"
