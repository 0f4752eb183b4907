"""Surprise of every note: it adds up to the likelihood, and a wrong note has more of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import pytest

from pianomuse.api import Muse, load
from pianomuse.cli import main
from pianomuse.midi.read import read_midi

Real = Callable[[str], Path]


@pytest.mark.parametrize("name", ["finished-phrase", "expressive-pedal", "waltz-pickup", "warlock-rutterkin"])
def test_every_note_has_a_surprise_and_all_add_up(muse: Muse, real: Real, name: str) -> None:
    piece = read_midi(real(name))
    notes = muse.surprise(real(name))
    raw = piece.score.tracks[0].notes.numpy()
    assert [(n.tick, n.pitch) for n in notes] == list(zip(raw["time"].tolist(), raw["pitch"].tolist(), strict=True))
    assert all(piece.grid.start_of(n.bar - 1) <= n.tick < piece.grid.start_of(n.bar) for n in notes)
    assert min(min(n.when, n.what, n.how_loud, n.how_long) for n in notes) >= 0

    vocabulary = muse.tokenizer.vocabulary
    ids = np.concatenate([[vocabulary.id("BOS_None")], muse.tokenizer.encode(muse.tokenizer.musical(piece.score))])
    logits, _ = muse.engine.prefill_all(ids[:-1].astype(np.int32))
    logits = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    bits = (np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), ids[1:]]) / np.log(2)
    kinds = vocabulary.kinds[ids[1:]]
    for part, own in (("what", ["Pitch"]), ("how_loud", ["Velocity"]), ("how_long", ["Duration"])):
        assert sum(getattr(n, part) for n in notes) == pytest.approx(bits[np.isin(kinds, own)].sum(), rel=1e-6)
    in_time = np.isin(kinds, ["Bar", "TimeSig", "Position"])
    in_time[0] = False
    last = np.flatnonzero(kinds == "Pitch")[-1]
    assert sum(n.when for n in notes) == pytest.approx(bits[:last][in_time[:last]].sum(), rel=1e-6)


def test_notes_no_piano_has_are_left_out(muse: Muse, change: Callable[..., bytes], real: Real) -> None:
    def too_low(file: mido.MidiFile) -> None:
        for track in file.tracks[2:]:
            track[:] = [m.copy(note=12) if m.type in ("note_on", "note_off") else m for m in track]

    data = change(real("finished-phrase"), too_low)
    pitches = [note.pitch for note in muse.surprise(data)]
    assert len(pitches) > 10
    assert 12 not in pitches


def test_a_wrong_note_surprises_the_default_model(
    change: Callable[..., bytes], real: Real, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(file: mido.MidiFile) -> None:
        track = file.tracks[1]
        at = [index for index, m in enumerate(track) if m.type == "note_on" and m.velocity][-6]
        pitch = track[at].note
        track[at] = track[at].copy(note=pitch + 1)
        off = next(i for i in range(at + 1, len(track)) if track[i].type.startswith("note") and track[i].note == pitch)
        track[off] = track[off].copy(note=pitch + 1)

    path = tmp_path / "wrong.mid"
    path.write_bytes(change(real("finished-phrase"), wrong))
    before = {(n.tick, n.pitch): n.what for n in load(threads=1).surprise(real("finished-phrase"))}
    assert main(["surprise", str(path), "--json"]) == 0
    spoken = capsys.readouterr()
    report = json.loads(spoken.out)
    (changed,) = [n for n in report["notes"] if (n["tick"], n["pitch"]) not in before]
    assert changed["what"] > before[changed["tick"], changed["pitch"] - 1] + 2
    assert report["bits_per_note"] == pytest.approx(np.mean([n["bits"] for n in report["notes"]]), abs=1e-3)
    assert "most surprising: bar" in spoken.err
    assert max(report["bars"], key=lambda bar: report["bars"][bar]) in spoken.err
