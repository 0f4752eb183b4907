"""Hostile files: one clear sentence each, bounded before anything is built, and never anything else."""

from __future__ import annotations

import struct
from collections import Counter

import numpy as np
import pytest

from pianomuse.errors import MidiError
from pianomuse.midi import events as midi_events
from pianomuse.midi import read as midi_read
from pianomuse.midi.read import read_midi
from pianomuse.midi.splice import NewNote, insert_span, replace_span


def hostile(smf):
    good = smf.file(smf.notes((0, 480, 60)))
    lone = struct.pack(">IHHH", 6, 1, 1, 480)
    return {
        "empty": (b"", "is empty"),
        "not MIDI": (b"%PDF-1.7 and so on", "not a MIDI file"),
        "only MThd": (b"MThd\0\0\0\6\0", "cut off"),
        "short header": (b"MThd" + struct.pack(">IHHH", 2, 1, 1, 480), "damaged header"),
        "format 2": (smf.file(smf.notes((0, 480, 60)), kind=2), "format 2"),
        "SMPTE": (smf.file(smf.notes((0, 480, 60)), division=0xE728), "SMPTE"),
        "no resolution": (smf.file(smf.notes((0, 480, 60)), division=0), "no ticks per quarter"),
        "no notes": (smf.file([(0, smf.tempo(500_000))]), "no notes"),
        "no tracks": (smf.file(), "no notes"),
        "only drums": (smf.file(smf.notes((0, 480, 36), channel=9)), "only drums"),
        "half a file": (good[: len(good) - 6], "cut off inside track 1"),
        "a missing track": (smf.file(smf.notes((0, 480, 60)), n_tracks=2), "promises 2 tracks"),
        "too many tracks": (smf.file(n_tracks=60000), "60000 tracks"),
        "half an event": (b"MThd" + lone + smf.chunk(b"\x00\x90\x3c"), "in the middle of an event"),
        "no status": (b"MThd" + lone + smf.chunk(b"\x00\x3c\x50\x00\xff\x2f\x00"), "damaged at byte 22"),
        "a data byte too high": (b"MThd" + lone + smf.chunk(b"\x00\x90\x3c\xd0\x00\xff\x2f\x00"), "damaged at byte 22"),
        "a time of five bytes": (b"MThd" + lone + smf.chunk(b"\xff\xff\xff\xff\x7f\x90\x3c\x50"), "damaged"),
        "a text longer than its track": (b"MThd" + lone + smf.chunk(b"\x00\xff\x01\x7fabc"), "middle of an event"),
        "a million bars": (smf.file(smf.notes((0, 480, 60), (2**28 - 1, 2**28, 60))), "past bar 20000"),
        "beyond all ticks": (
            smf.file([(0, b"\x90\x3c\x50")] + [(i * 2**27, b"\xfe") for i in range(10)]),
            "beyond any",
        ),
        "RIFF without music": (b"RIFF\x10\0\0\0RMIDLIST\0\0\0\0", "is empty"),
        "RIFF cut off": (b"RIFF\x60\0\0\0RMIDdata\x60\0\0\0" + good[:30], "cut off"),
    }


def test_unreadable_files_get_one_sentence_that_says_what_where_and_what_to_do(smf, tmp_path):
    for name, (data, said) in hostile(smf).items():
        path = tmp_path / "étude in b.mid"
        path.write_bytes(data)
        with pytest.raises(MidiError) as error:
            read_midi(path)
        text = str(error.value)
        assert said in text, name
        assert path.name in text, name
        assert "\n" not in text, name
        assert ": " in text, name
        assert text.endswith("."), name
        with pytest.raises(MidiError, match=r"^The MIDI data"):
            read_midi(data)


def test_files_that_are_not_there_and_folders_are_midi_errors(tmp_path):
    with pytest.raises(MidiError, match=r"nothing\.mid cannot be read"):
        read_midi(tmp_path / "nothing.mid")
    with pytest.raises(MidiError, match="folder"):
        read_midi(tmp_path)
    with pytest.raises(MidiError):
        read_midi("a\0b.mid")


def test_size_events_and_notes_are_bounded(smf, monkeypatch, tmp_path):
    data = smf.file(smf.notes(*((i, i + 1, 60) for i in range(200))))
    monkeypatch.setattr(midi_read, "MAX_NOTES", 199)
    with pytest.raises(MidiError, match="200 notes, more than 199"):
        read_midi(data)
    monkeypatch.setattr(midi_events, "MAX_EVENTS", 399)
    with pytest.raises(MidiError, match="more than 399 events"):
        read_midi(data)
    monkeypatch.setattr(midi_events, "MAX_FILE_BYTES", len(data) - 1)
    (tmp_path / "long.mid").write_bytes(data)
    with pytest.raises(MidiError, match="larger than"):
        read_midi(tmp_path / "long.mid")


def test_mutated_files_are_read_or_refused_never_anything_else(real_files):
    rng = np.random.default_rng(20)
    outcome = Counter()
    sources = [path.read_bytes() for path in real_files]
    for number in range(400):
        data = bytearray(sources[number % len(sources)])
        for _ in range(int(rng.integers(1, 8))):
            place = int(rng.integers(len(data)))
            kind = number % 4
            if kind == 0:
                data[place] = int(rng.integers(256))
            elif kind == 1:
                data[place : place + 1] = rng.bytes(int(rng.integers(4)))
            elif kind == 2:
                data[place] ^= 1 << int(rng.integers(8))
            else:
                data[place : place + int(rng.integers(40))] = b""
        try:
            piece = read_midi(bytes(data))
        except MidiError as error:
            outcome["refused" if str(error).endswith(".") else "refused without a sentence"] += 1
        else:
            outcome["read"] += 1
            assert 1 <= len(piece.score.tracks[0].notes) == len(piece.track_of_note)
            assert piece.grid.starts[-1] >= piece.score.end()
            assert (np.diff(piece.grid.starts) > 0).all()
            assert min(note.duration for note in piece.score.tracks[0].notes) > 0
    assert set(outcome) == {"read", "refused"}
    assert min(outcome.values()) > 50, outcome


def test_whatever_can_be_read_can_be_spliced_and_read_again(real_files, columns):
    rng = np.random.default_rng(21)
    sources = [path.read_bytes() for path in real_files]
    n_spliced = 0
    for number in range(200):
        data = bytearray(sources[number % len(sources)])
        data[int(rng.integers(14, len(data)))] = int(rng.integers(256))
        try:
            piece = read_midi(bytes(data))
        except MidiError:
            continue
        track = int(piece.track_of_note[0])
        span = piece.grid.start_of(2), piece.grid.start_of(4)
        new = [NewNote(span[0], 10, 21, 99, track)]
        for out in (replace_span(piece, *span, new, []), insert_span(piece, span[0], span[1] - span[0], new, [])):
            assert any(note[0] == span[0] and note[2:] == (21, 99) for note in columns(read_midi(out)))
        n_spliced += 1
    assert n_spliced > 40
