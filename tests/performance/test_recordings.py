"""Ideas for recordings without a metronome: played into the recording, and as a score."""

from __future__ import annotations

import io
import json
from pathlib import Path

import mido
import numpy as np
import pytest

from pianomuse.api import Muse
from pianomuse.errors import RequestError
from pianomuse.evaluate.performer import perform
from pianomuse.midi.read import read_midi
from pianomuse.notation.musicxml import musicxml
from pianomuse.performance.clock import seconds_of
from pianomuse.render.sheet import sheet_of
from pianomuse.tokens.snap import is_played

NAME = "mutopia/czerny-op821-no1.mid"


@pytest.fixture(scope="module")
def recording(corpus: Path) -> bytes:
    return perform(read_midi(corpus / NAME), 0).data


def events(data: bytes) -> list[tuple[int, str]]:
    found, now = [], 0
    for message in mido.MidiFile(file=io.BytesIO(data)).tracks[0]:
        now += message.time
        if message.type != "end_of_track":
            found.append((now, str(message.copy(time=0))))
    return found


def test_ideas_go_on_in_the_recording_and_all_its_own_events_stay(muse: Muse, recording: bytes) -> None:
    ideas = muse.complete(recording, bars=2, candidates=2, seed=1)
    assert ideas.piece.recording is not None
    assert ideas.warnings[0].startswith("No metronome: found ")
    end = max(tick for tick, _ in events(recording))
    tempo = ideas.piece.recording.tempo_bpm
    for idea in ideas:
        whole = events(idea.with_completion)
        left = whole.copy()
        for event in events(recording):
            left.remove(event)
        new = [tick for tick, text in left if "note_on" in text]
        assert len(new) == len(idea.notes)
        if new:
            bars_s = (max(new) - min(new)) / 960
            assert bars_s < 3.2 * 4 * 60 / tempo
            assert min(new) > end - 2 * 960 * 60 / tempo


def test_new_notes_over_old_ones_stay_between_the_composer_s_own_beats(muse: Muse, recording: bytes) -> None:
    idea = muse.complete(recording, at_bar=3, bars=2, candidates=1, seed=1)[0]
    filled = muse.fill(recording, 4, 5, candidates=1, seed=1)
    piece = filled.piece
    first, last = piece.recording.in_file([piece.grid.start_of(3), piece.grid.start_of(5)])
    for whole in (idea.with_completion, filled[0].with_completion):
        kept = [e for e in events(recording) if "note" in e[1] and not first - 2 <= e[0] < last + 480]
        there = events(whole)
        assert all(event in there for event in kept if "note_on" in event[1])
    new = [n for n in filled[0].notes if not first <= piece.recording.in_file(n.tick) <= last]
    assert not new


def test_inserted_bars_push_the_rest_by_their_length(muse: Muse, recording: bytes) -> None:
    ideas = muse.complete(recording, at_bar=2, bars=1, insert=True, candidates=1, seed=1)
    before, after = (
        read_midi(data).score.tracks[0].notes.numpy()["time"] for data in (recording, ideas[0].with_completion)
    )
    assert len(after) == len(before) + len(ideas[0].notes)
    tempo = ideas.piece.recording.tempo_bpm
    assert 0.5 < (int(after.max()) - int(before.max())) / 960 / (4 * 60 / tempo) < 2


def test_the_score_is_on_its_grid_and_becomes_sheet_music(muse: Muse, recording: bytes) -> None:
    ideas = muse.complete(recording, bars=2, candidates=1, seed=1)
    score = read_midi(ideas[0].as_score)
    assert not is_played(score.score)
    assert len({int(t.mspq) for t in score.score.tempos}) == 1
    assert score.grid.metre_of(1) == ideas.piece.recording.metre
    n_own = len(read_midi(recording).score.tracks[0].notes)
    assert len(score.score.tracks[0].notes) > 0.9 * (n_own + len(ideas[0].notes))
    document = musicxml(sheet_of(score))
    assert ("<note" if isinstance(document, str) else b"<note") in document


def test_a_file_with_bars_has_no_score_version_and_grid_file_trusts_any(
    muse: Muse, recording: bytes, corpus: Path
) -> None:
    assert muse.complete(corpus / NAME, bars=1, candidates=1, seed=1)[0].as_score is None
    trusted = muse.complete(recording, bars=1, candidates=1, seed=1, grid="file")
    assert trusted.piece.recording is None
    assert trusted.piece.grid.metre_of(0) == (4, 4)


def test_a_session_reads_an_edit_as_it_read_the_piece(muse: Muse, recording: bytes) -> None:
    session = muse.session(recording, reads_ahead=False)
    stream = session.stream(bars=1, candidates=1, seed=1)
    with pytest.raises(RequestError, match="taken whole"):
        session.ghost(stream, 1)
    assert session.edit(recording) is None
    assert session.piece.recording is not None


def test_more_like_an_idea_of_a_recording_is_played_into_it_too(muse: Muse, recording: bytes) -> None:
    ideas = muse.complete(recording, bars=1, candidates=2, seed=1)
    likes = muse.like(ideas, 1, same="rhythm", candidates=1, seed=2)
    n_own = len(read_midi(recording).score.tracks[0].notes)
    assert len(read_midi(likes[0].with_completion).score.tracks[0].notes) == n_own + len(likes[0].notes)


def test_the_command_writes_performance_score_and_what_was_assumed(
    muse: Muse, recording: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pianomuse.cli import ideas as command
    from pianomuse.cli import main

    monkeypatch.setattr(command, "load", lambda *_: muse)
    (tmp_path / "night.mid").write_bytes(recording)
    assert (
        main(["complete", str(tmp_path / "night.mid"), "--bars", "1", "--candidates", "2", "--seed", "1", "--json"])
        == 0
    )
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["grid"]["bars"] == "found"
    assert [Path(c["score"]).name for c in report["candidates"]] == ["night.score-1.mid", "night.score-2.mid"]
    assert all(Path(c["score"]).exists() for c in report["candidates"])
    assert "No metronome: found" in err
    assert "night.score-1.mid" in err
    page = Path(report["page"]).read_text("utf-8")
    assert "No metronome: found" in page
    assert "night.score-2.mid" in page
    words = ["convert", str(tmp_path / "night.mid"), str(tmp_path / "night.musicxml"), "--metre", "4/4"]
    assert main([*words, "--first-downbeat", f"{report['grid']['first_downbeat_s']}s"]) == 0
    assert "No metronome" in capsys.readouterr().err


def test_dynamics_and_tempo_of_new_bars_are_those_of_the_recording(muse: Muse, recording: bytes) -> None:
    ideas = muse.complete(recording, bars=4, candidates=3, seed=3)
    own = read_midi(recording).score.tracks[0].notes.numpy()
    loud = [note.velocity for idea in ideas for note in idea.notes]
    assert abs(np.mean(loud) - own["velocity"][-60:].mean()) < 12
    assert np.std(loud) > 2
    onset = np.concatenate([seconds_of(read_midi(idea.with_completion))[0] for idea in ideas])
    assert (np.round(onset * 960) % 40 != 0).mean() > 0.5
