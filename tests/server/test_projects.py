"""A file becomes a project and a file again: untouched it is the same, touched only what was touched is different."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import mido
import pytest

from pianomuse.errors import MidiError, RequestError
from pianomuse.server.project import project_of
from pianomuse.server.project_file import file_of
from pianomuse.server.schema import (
    Project,
    ProjectMetre,
    ProjectNote,
    ProjectPedal,
    ProjectTempo,
    ProjectTrack,
)

REAL = (
    "bach-bwv-269",
    "butterworth-one-and-twenty",
    "cornelius-untreu",
    "warlock-rutterkin",
    "webern-im-morgentaun",
    "expressive-pedal",
    "gap-of-four-bars",
    "waltz-pickup",
)
Row = tuple[int, int, int, int, int]


def sent(data: bytes) -> Project:
    """A project after its way to a client and back."""
    return Project.model_validate_json(project_of(data)[0].model_dump_json())


def rows(project: Project) -> list[Row]:
    return sorted((n.tick, n.pitch, n.duration, n.velocity, n.track) for n in project.notes)


def messages(data: bytes, *, but: Callable[[mido.Message], bool] = lambda message: False) -> list[tuple[int, int, str]]:
    found = []
    for number, track in enumerate(mido.MidiFile(file=io.BytesIO(data)).tracks):
        now = 0
        for message in track:
            now += message.time
            if message.type != "end_of_track" and not but(message):
                found.append((number, now, str(message.copy(time=0))))
    return sorted(found)


@pytest.mark.parametrize("name", REAL)
def test_a_project_without_changes_is_its_file(midi: Callable[[str], bytes], name: str) -> None:
    data = midi(name)
    assert file_of(sent(data)).data == data


@pytest.mark.parametrize("name", REAL)
def test_changed_notes_change_and_all_else_stays(midi: Callable[[str], bytes], name: str) -> None:
    data = midi(name)
    project = sent(data)
    project.notes[3].velocity = 1
    project.notes[4].pitch += 1 if project.notes[4].pitch < 108 else -1
    project.notes[5].duration += 7
    del project.notes[8:12]
    again, _ = project_of(file_of(project).data)
    assert rows(again) == rows(project)
    assert (again.tempos, again.metres, again.pedals, again.tracks) == (
        project.tempos,
        project.metres,
        project.pedals,
        project.tracks,
    )

    def is_note(message: mido.Message) -> bool:
        return message.type in ("note_on", "note_off")

    assert messages(file_of(project).data, but=is_note) == messages(data, but=is_note)


def test_a_pedal_is_written_anew_only_where_it_was_changed(midi: Callable[[str], bytes]) -> None:
    data = midi("expressive-pedal")
    project = sent(data)
    moved = project.pedals[4]
    moved.tick += 11
    written = file_of(project).data
    assert project_of(written)[0].pedals == project.pedals
    before, after = (set(messages(file)) for file in (data, written))
    assert {tick for _, tick, _ in before ^ after} == {moved.tick - 11, moved.tick}


def test_tempo_metre_key_names_and_programs_can_be_changed(midi: Callable[[str], bytes]) -> None:
    project = sent(midi("gap-of-four-bars"))
    project.tempos.append(ProjectTempo(tick=project.ppq * 6, bpm=71.5))
    project.metres = [ProjectMetre(tick=0, numerator=3, denominator=4)]
    project.key = "F# minor"
    project.tracks[0].name, project.tracks[1].program = "Oben", 4
    again, _ = project_of(file_of(project).data)
    assert [(t.tick, round(t.bpm, 2)) for t in again.tempos] == [(t.tick, round(t.bpm, 2)) for t in project.tempos]
    assert (again.metres, again.key, again.tracks) == (project.metres, "F#m", project.tracks)
    assert rows(again) == rows(project)


def test_a_new_track_follows_those_of_the_file(midi: Callable[[str], bytes]) -> None:
    data = midi("bach-bwv-269")
    project = sent(data)
    project.tracks.append(ProjectTrack(name="Recorded", channel=3))
    place = len(project.tracks) - 1
    project.notes.append(ProjectNote(tick=0, duration=40, pitch=90, velocity=50, track=place))
    file = file_of(project)
    again, _ = project_of(file.data)
    assert rows(again) == rows(project)
    assert again.tracks[place].name == "Recorded"
    assert set(messages(data)) < set(messages(file.data))


def test_tracks_keep_their_numbers_where_one_has_lost_its_notes(midi: Callable[[str], bytes]) -> None:
    project = sent(midi("gap-of-four-bars"))
    project.notes = [note for note in project.notes if note.track == 1]
    file = file_of(project)
    assert file.track_numbers(file.read()) == [1]


def test_a_new_piece_is_a_file_of_its_own() -> None:
    project = Project(
        title="Étude",
        ppq=96,
        notes=[ProjectNote(tick=t * 96, duration=96, pitch=60 + t, velocity=80, track=t % 2) for t in range(8)],
        pedals=[ProjectPedal(tick=0, down=True), ProjectPedal(tick=300, down=False)],
        tempos=[ProjectTempo(tick=0, bpm=90)],
        metres=[ProjectMetre(tick=0, numerator=6, denominator=8)],
        tracks=[ProjectTrack(name="Right"), ProjectTrack(name="Left", channel=1)],
        key="Bb",
    )
    again, warnings = project_of(file_of(project).data, "Étude")
    assert warnings == []
    assert again.model_copy(update={"source": None}) == project


def test_a_piece_without_tracks_gets_one() -> None:
    project = Project(notes=[ProjectNote(tick=0, duration=480, pitch=60, velocity=80)])
    assert [track.name for track in project_of(file_of(project).data)[0].tracks] == ["Piano"]


def test_what_cannot_be_is_said(midi: Callable[[str], bytes]) -> None:
    data = midi("waltz-pickup")

    def refused(what: str, kind: type[Exception] = RequestError, **changes: object) -> None:
        with pytest.raises(kind, match=what):
            file_of(sent(data).model_copy(update=changes))

    refused("^source: it is damaged", source="not base64!")
    refused("is not a MIDI file", MidiError, source=base64.b64encode(b"RIFFxxxx").decode())
    refused("^ppq: the imported file has", ppq=960)
    refused("^tracks: those of the imported file", tracks=[])
    refused("no major or minor key", key="H dur")
    refused("numerator above 255", metres=[ProjectMetre(tick=0, numerator=300, denominator=64)])
    far = ProjectNote(tick=0, duration=1, pitch=60, velocity=1, track=99)
    refused("track 99 is not among", notes=[far])
