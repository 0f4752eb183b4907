"""A MIDI file as a project of the studio."""

from __future__ import annotations

import base64

from symusic import Score

from pianomuse.errors import MidiError
from pianomuse.midi.read import Piece, read_midi
from pianomuse.server import bounds
from pianomuse.server.schema import Project, ProjectMetre, ProjectNote, ProjectPedal, ProjectTempo, ProjectTrack

_MICROSECONDS_PER_MINUTE = 60_000_000
MAJOR_KEYS = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
"""Key signatures from seven flats to seven sharps."""
MINOR_KEYS = ("Abm", "Ebm", "Bbm", "Fm", "Cm", "Gm", "Dm", "Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "A#m")


def project_of(data: bytes, title: str = "") -> tuple[Project, list[str]]:
    """Read a MIDI file as a project, on its own bars; return it with what the reader has to say.

    Raises:
        MidiError: the file cannot be read, or is longer than a project may be.

    """
    piece = read_midi(data)
    return within_bounds(piece, title), list(piece.warnings)


def within_bounds(piece: Piece, title: str) -> Project:
    """Return a piece as a project.

    Raises:
        MidiError: it is longer than a project may be.

    """
    project = as_read(piece, title)
    sizes = {"notes": bounds.NOTES, "pedals": bounds.PEDALS, "tempos": bounds.TEMPOS, "metres": bounds.METRES}
    for name, most in (sizes | {"tracks": bounds.TRACKS}).items():
        if (found := len(getattr(project, name))) > most:
            raise MidiError(
                f"The file has {found:,} {name}, more than the studio's {most:,}: give a shorter piece.",
                "project_too_many",
                found=found,
                what=name,
                most=most,
            )
    last = max(int(piece.grid.starts[-1]), *(tempo.tick for tempo in project.tempos))
    if last > bounds.TICK:
        raise MidiError(
            f"The file reaches tick {last:,}, more than the studio's {bounds.TICK:,}: give a shorter piece.",
            "project_too_long",
            tick=last,
            most=bounds.TICK,
        )
    return project


def key_name(score: Score) -> str | None:
    """Name the key signature at the start, None where the score states none there."""
    for signature in score.key_signatures:
        if signature.time == 0:
            names = MINOR_KEYS if signature.tonality else MAJOR_KEYS
            return names[int(signature.key) + 7]
    return None


def as_read(piece: Piece, title: str) -> Project:
    """Return a piece as a project, its bounds unchecked."""
    score, part = piece.score, piece.score.tracks[0]
    columns = part.notes.numpy()
    rows = zip(
        *(columns[name].tolist() for name in ("time", "duration", "pitch", "velocity")),
        piece.track_of_note.tolist(),
        strict=True,
    )
    pedals: list[tuple[int, bool]] = []
    for pedal in part.pedals:
        pedals += [(pedal.time, True), (pedal.time + pedal.duration, False)]
    return Project.model_construct(
        title=title[: bounds.TEXT],
        ppq=piece.grid.ticks_per_quarter,
        notes=[
            ProjectNote.model_construct(tick=tick, duration=length, pitch=pitch, velocity=velocity, track=track)
            for tick, length, pitch, velocity, track in rows
        ],
        pedals=[ProjectPedal.model_construct(tick=int(tick), down=is_down) for tick, is_down in pedals],
        tempos=[
            ProjectTempo.model_construct(tick=int(tempo.time), bpm=_bpm(int(tempo.mspq))) for tempo in score.tempos
        ],
        metres=[
            ProjectMetre.model_construct(tick=int(m.time), numerator=int(m.numerator), denominator=int(m.denominator))
            for m in score.time_signatures
        ],
        tracks=[
            ProjectTrack(name=track.name[: bounds.TEXT], program=track.program, channel=track.channel)
            for track in piece.tracks
        ],
        key=key_name(score),
        source=base64.b64encode(piece.data).decode(),
    )


def _bpm(mspq: int) -> float:
    """Return a tempo with as few decimals as say it: 666,667 microseconds per quarter are 90, not 89.999955."""
    exact = _MICROSECONDS_PER_MINUTE / mspq
    rounded = (round(exact, n_digits) for n_digits in range(7))
    return next((bpm for bpm in rounded if bpm and round(_MICROSECONDS_PER_MINUTE / bpm) == mspq), exact)
