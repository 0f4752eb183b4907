"""Writing: whole files or none, and never over another by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from symusic import Note, Pedal, Score, Track

from pianomuse.midi.read import read_midi
from pianomuse.midi.write import score_bytes, unused_path, write_atomically


def test_a_file_is_written_into_a_new_folder_and_nothing_is_left_aside(tmp_path):
    path = tmp_path / "waltz ideas" / "waltz.completion-1.mid"
    assert write_atomically(path, b"music") == path
    assert path.read_bytes() == b"music"
    assert write_atomically(str(path), b"other music") == path
    assert path.read_bytes() == b"other music"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    path = tmp_path / "waltz.mid"
    write_atomically(path, b"music")

    def fail(_: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        write_atomically(path, b"half")
    assert path.read_bytes() == b"music"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_the_mode_is_what_any_program_would_give(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    path = write_atomically(tmp_path / "waltz.mid", b"music")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o600)
    assert write_atomically(path, b"more").stat().st_mode & 0o777 == 0o600


def test_numbers_go_on_where_files_are(tmp_path):
    first = tmp_path / "waltz.completion-1.mid"
    assert unused_path(first) == first
    for number in (1, 2, 3):
        (tmp_path / f"waltz.completion-{number}.mid").touch()
    assert unused_path(first).name == "waltz.completion-4.mid"
    assert unused_path(str(tmp_path / "waltz.completion-2.mid")).name == "waltz.completion-4.mid"
    page = tmp_path / "ideas.html"
    page.touch()
    assert unused_path(page).name == "ideas-2.html"
    op = tmp_path / "op9.mid"
    op.touch()
    assert unused_path(op).name == "op9-2.mid"


def test_a_dangling_link_is_not_free(tmp_path):
    link = tmp_path / "waltz.mid"
    try:
        link.symlink_to(tmp_path / "gone")
    except OSError:
        pytest.fail("links are part of the platforms tested here")
    assert unused_path(link) == Path(tmp_path / "waltz-2.mid")


def test_a_pedal_change_catches_no_note_that_ends_there(events_of):
    score, track = Score(24), Track(ttype="tick")
    for beat in range(3):
        track.notes.append(Note(beat * 24, 24, 60 + beat, 80, ttype="tick"))
        track.pedals.append(Pedal(beat * 24, 24, ttype="tick"))
    score.tracks.append(track)
    events = [
        (message.type, getattr(message, "value", None))
        for track in events_of(score_bytes(score))
        for tick, message in track
        if tick == 24
    ]
    assert events.index(("control_change", 0)) < events.index(("control_change", 127))
    assert events.index(("note_off", None)) < events.index(("control_change", 127))
    assert len(score.tracks[0].controls) == 0


def test_a_score_is_written_as_it_is(real, tmp_path):
    score = read_midi(real("cornelius-untreu")).score
    path = write_atomically(tmp_path / "out.mid", score_bytes(score))
    again = Score(path)
    assert len(again.tracks) == 1
    for parts in (("time", "pitch", "velocity"), ("end", "pitch")):  # a key held by two voices: ends in their order
        written, read = (
            sorted(tuple(getattr(note, part) for part in parts) for note in one.tracks[0].notes)
            for one in (score, again)
        )
        assert read == written
    assert [(p.time, p.duration) for p in again.tracks[0].pedals] == [
        (p.time, p.duration) for p in score.tracks[0].pedals
    ]
    assert again.time_signatures == score.time_signatures
