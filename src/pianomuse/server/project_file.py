"""A project of the studio as a MIDI file: what was not changed since it was imported comes back event by event."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from pianomuse.coded import coded
from pianomuse.errors import RequestError
from pianomuse.generate.harmony import parse_key
from pianomuse.midi.additions import NewNote
from pianomuse.midi.events import MAX_TICK, parse
from pianomuse.midi.parts import DRUM_CHANNEL, PIANO_ROLES, TrackInfo, is_sustain, role_of
from pianomuse.midi.read import Piece, blank_piece, read_midi
from pianomuse.midi.rewrite import Edit, NewPart, Place, blank_file, rewrite
from pianomuse.server.project import MAJOR_KEYS, MINOR_KEYS, as_read
from pianomuse.server.schema import Project, ProjectTrack

NO_NOTES = coded("The project has no notes yet: write some, or open a file.", "project_no_notes")
_SOURCES_KEPT = 4
_MOST_MSPQ = 0xFFFFFF
_DOWN, _UP = 127, 0


@dataclass(frozen=True)
class ProjectFile:
    """A project as a MIDI file: its bytes, where each of its tracks stands in it, and what they are."""

    data: bytes
    places: tuple[Place, ...]
    tracks: tuple[TrackInfo, ...]
    has_notes: bool

    def read(self) -> Piece:
        """Read the file as the model does; it may be without a note.

        Raises:
            MidiError: it has bars without end.

        """
        return read_midi(self.data) if self.has_notes else blank_piece(self.data, self.tracks)

    def track_numbers(self, piece: Piece) -> list[int]:
        """Return, for each track of the piece that was read from this file, the index of the project's track."""
        return [self.places.index((track.index, track.channel)) for track in piece.tracks]


@dataclass(frozen=True)
class _Source:
    """What the project was before the composer changed it."""

    data: bytes
    places: tuple[Place, ...]
    is_piano: tuple[bool, ...]
    n_chunks: int
    project: Project


def file_of(project: Project) -> ProjectFile:
    """Write a project as a MIDI file; without changes it is the imported file itself.

    Raises:
        RequestError: tracks or a key that cannot be, or a source that is none.
        MidiError: the source is no MIDI file.

    """
    source = _imported(project.source) if project.source else _blank(project)
    n_old = len(source.places)
    tracks = project.tracks or ([] if n_old else [ProjectTrack(name="Piano")])
    if [track.channel for track in tracks[:n_old]] != [channel for _, channel in source.places]:
        raise RequestError(
            "tracks: those of the imported file come first, with their channels; give them back", "project_tracks"
        )
    if project.ppq != source.project.ppq:
        raise RequestError(
            f"ppq: the imported file has {source.project.ppq} ticks per quarter; give them back",
            "project_ppq",
            ppq=source.project.ppq,
        )
    new = tracks[n_old:]
    places = (*source.places, *((source.n_chunks + number, track.channel) for number, track in enumerate(new)))
    is_piano = (*source.is_piano, *(track.channel != DRUM_CHANNEL for track in new))
    edit = _edit(project, tracks, source, places, is_piano)
    data = source.data if edit is None else rewrite(source.data, edit)
    return ProjectFile(data, places, _infos(tracks, places, is_piano), bool(project.notes))


def _infos(tracks: list[ProjectTrack], places: tuple[Place, ...], is_piano: tuple[bool, ...]) -> tuple[TrackInfo, ...]:
    found = (
        TrackInfo(chunk, channel, track.program, track.name, 0, "")
        for track, (chunk, channel) in zip(tracks, places, strict=True)
    )
    return tuple(replace(info, role=role_of(info, piano)) for info, piano in zip(found, is_piano, strict=True))


@lru_cache(maxsize=_SOURCES_KEPT)
def _imported(source: str) -> _Source:
    try:
        data = base64.b64decode(source, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(
            "source: it is damaged; give it back as import gave it, or null", "project_source"
        ) from error
    piece = read_midi(data)
    return _Source(
        piece.data,
        tuple((track.index, track.channel) for track in piece.tracks),
        tuple(track.role in PIANO_ROLES for track in piece.tracks),
        len(parse(piece.data).chunks),
        as_read(piece, ""),
    )


def _blank(project: Project) -> _Source:
    return _Source(blank_file(project.ppq, project.title), (), (), 1, Project(ppq=project.ppq))


def _edit(
    project: Project, tracks: list[ProjectTrack], source: _Source, places: tuple[Place, ...], is_piano: tuple[bool, ...]
) -> Edit | None:
    """Return what the composer changed, None if nothing is different."""
    n_old = len(source.places)
    gone, notes = _notes(project, source, is_piano)
    span, pedals = _pedals(project, source, places, is_piano)
    metres = _metres(project, source)
    tempos = _tempos(project, source)
    key = _key(project, source)
    before = source.project.tracks
    names = {places[i][0]: tracks[i].name for i in range(n_old) if tracks[i].name != before[i].name}
    programs = {places[i]: tracks[i].program for i in range(n_old) if tracks[i].program != before[i].program}
    new = [NewPart(track.name, track.program, track.channel) for track in tracks[n_old:]]
    if not (gone or notes or span or tempos or names or programs or new) and metres is None and key is None:
        return None
    pianos = {place for place, piano in zip(places, is_piano, strict=True) if piano}
    return Edit(places, pianos, gone, notes, span, pedals, tempos, metres, key, names, programs, new)


def _notes(project: Project, source: _Source, is_piano: tuple[bool, ...]) -> tuple[set[tuple[int, int]], list[NewNote]]:
    before, now = (
        Counter((note.tick, note.duration, note.pitch, note.velocity, note.track) for note in whose.notes)
        for whose in (source.project, project)
    )
    come = sorted((now - before).elements())
    for track in {note[-1] for note in come}:
        if track >= len(is_piano):
            raise RequestError(
                f"notes: track {track} is not among `tracks`; there are {len(is_piano)}",
                "project_track_unknown",
                track=track,
                tracks=len(is_piano),
            )
        if not is_piano[track]:
            raise RequestError(
                f"notes: track {track} is no piano track; write on another one", "project_track_not_piano", track=track
            )
    return {(tick, pitch) for tick, _, pitch, *_ in before - now}, [NewNote(*note) for note in come]


def _pedals(
    project: Project, source: _Source, places: tuple[Place, ...], is_piano: tuple[bool, ...]
) -> tuple[tuple[int, int] | None, list[tuple[int, int, int]]]:
    """Return the span in which the pedal is written anew, and its events there.

    The span goes from the first to the last difference; where several channels have pedals of their own, to the end,
    so that none of them hangs.
    """
    before = [(pedal.tick, pedal.down) for pedal in source.project.pedals]
    now = sorted(((pedal.tick, pedal.down) for pedal in project.pedals), key=lambda move: move[0])
    if before == now:
        return None, []
    start = _n_same(before, now)
    end = _n_same(before[start:][::-1], now[start:][::-1])
    changed = [tick for tick, _ in (*before[start : len(before) - end], *now[start : len(now) - end])]
    parts = {channel: part for part, (_, channel) in reversed(list(enumerate(places))) if is_piano[part]}
    pedalled = {
        raw[0] & 0x0F
        for chunk in parse(source.data).chunks
        for _, raw in chunk.events
        if is_sustain(raw) and raw[0] & 0x0F in parts
    }
    span = min(changed), MAX_TICK if len(pedalled) > 1 else max(changed) + 1
    targets = [part for channel, part in sorted(parts.items()) if channel in (pedalled or parts)]
    moves = [(tick, _DOWN if is_down else _UP) for tick, is_down in now if span[0] <= tick < span[1]]
    return span, [(tick, value, part) for part in targets for tick, value in moves]


def _tempos(project: Project, source: _Source) -> dict[int, int | None]:
    before, now = (
        {tempo.tick: min(round(60_000_000 / tempo.bpm), _MOST_MSPQ) for tempo in whose.tempos}
        for whose in (source.project, project)
    )
    return {tick: now.get(tick) for tick in sorted(before | now) if before.get(tick) != now.get(tick)}


def _metres(project: Project, source: _Source) -> list[tuple[int, int, int]] | None:
    before, now = (
        sorted((metre.tick, metre.numerator, int(metre.denominator)) for metre in whose.metres)
        for whose in (source.project, project)
    )
    if before == now:
        return None
    if any(numerator > 255 for _, numerator, _ in now):
        raise RequestError(
            "metres: a numerator above 255 cannot be written to a MIDI file; choose a smaller one", "project_numerator"
        )
    return now


def _key(project: Project, source: _Source) -> tuple[int, int] | None:
    """Return sharps and mode of a new key signature; a project that names no key keeps what the file says."""
    if project.key in (None, "", source.project.key):
        return None
    name = str(project.key)
    for mode, names in enumerate((MAJOR_KEYS, MINOR_KEYS)):
        if name in names:
            return names.index(name) - 7, mode
    index = parse_key(name).key_index
    if index is None:
        raise RequestError(
            f"key {name}: no major or minor key; write C, Am, F# minor or Bb major", "project_key", value=name
        )
    tonic, mode = index % 12, index // 12
    sharps = (tonic + 3 * mode) * 7 % 12  # of the relative major
    return sharps - 12 * (sharps > 6), mode


def _n_same(one: list[tuple[int, bool]], other: list[tuple[int, bool]]) -> int:
    """Return how many entries two lists have in common at their beginnings."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
