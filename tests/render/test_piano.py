"""The sampled piano: what sounds when, how loud, at which pitch."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pianomuse.errors import RequestError
from pianomuse.midi.read import Piece
from pianomuse.render.piano import (
    SAMPLE_RATE,
    SAMPLED_PITCHES,
    Sound,
    SoundNote,
    score_sound,
    synthesise,
    velocity_gain,
    write_wav,
)
from pianomuse.render.tempo import seconds_at, tempo_steps


def level(sound: Sound, begin_s: float, end_s: float) -> float:
    """Return the root mean square between two times."""
    return float(np.sqrt((sound[round(begin_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)] ** 2).mean()))


def fundamental(pitch: int, sample_rate: int = SAMPLE_RATE) -> float:
    """Return the frequency of the strongest partial near a key's fundamental, to a fraction of a cent."""
    sound = synthesise([SoundNote(0.0, 3.0, pitch, 90)], seconds=2.0, sample_rate=sample_rate)
    power = sum(np.abs(np.fft.rfft(channel * np.hanning(len(channel)), 2**19)) ** 2 for channel in sound.T)
    expected = 440.0 * 2.0 ** ((pitch - 69) / 12)
    hertz_per_bin = sample_rate / 2**19
    near = slice(int(expected * 0.97 / hertz_per_bin), int(expected * 1.03 / hertz_per_bin))
    return (near.start + int(np.argmax(power[near]))) * hertz_per_bin


def cents(frequency: float, reference: float) -> float:
    return 1200.0 * math.log2(frequency / reference)


def test_sounds_while_a_key_is_down_and_nowhere_else() -> None:
    sound = synthesise([SoundNote(0.5, 0.5, 60, 90), SoundNote(2.0, 0.5, 67, 90)], seconds=4.0)
    assert sound.shape == (4 * SAMPLE_RATE, 2)
    assert sound.dtype == np.float32
    assert not sound[: SAMPLE_RATE // 2].any()
    assert level(sound, 0.51, 0.99) > 0.02
    assert not sound[round(1.31 * SAMPLE_RATE) : 2 * SAMPLE_RATE].any()
    assert level(sound, 2.01, 2.49) > 0.02
    assert not sound[round(2.81 * SAMPLE_RATE) :].any()


def test_the_pedal_holds_a_note_until_it_comes_up() -> None:
    note = SoundNote(0.0, 0.3, 55, 90)
    short, held = synthesise([note], seconds=4.0), synthesise([note], [(0.2, 2.0)], seconds=4.0)
    assert level(short, 1.0, 1.9) == 0.0
    assert level(held, 1.0, 1.9) > 0.005
    assert level(held, 2.5, 4.0) == 0.0


@pytest.mark.parametrize("pedal", [(0.4, 2.0), (0.0, 0.3)])
def test_a_pedal_pressed_late_or_lifted_early_holds_nothing(pedal: tuple[float, float]) -> None:
    note = SoundNote(0.0, 0.3, 55, 90)
    assert np.array_equal(synthesise([note], [pedal], seconds=3.0), synthesise([note], seconds=3.0))


def test_overlapping_pedal_spans_are_one() -> None:
    note = SoundNote(0.0, 0.3, 55, 90)
    two = synthesise([note], [(0.1, 1.0), (0.2, 2.0)], seconds=3.0)
    assert np.array_equal(two, synthesise([note], [(0.1, 2.0)], seconds=3.0))


def test_a_repeated_key_does_not_pile_up() -> None:
    once = synthesise([SoundNote(0.0, 3.0, 60, 90)], seconds=3.0)
    often = synthesise([SoundNote(i * 0.1, 0.1, 60, 90) for i in range(30)], [(0.0, 3.0)], seconds=3.0)
    assert np.abs(often).max() < 2.0 * np.abs(once).max()


def test_keys_between_samples_are_in_tune() -> None:
    checked = 0
    for sampled in SAMPLED_PITCHES[8:23]:
        reference = fundamental(sampled)
        assert abs(cents(reference, 440.0 * 2.0 ** ((sampled - 69) / 12))) < 15.0  # a grand's stretched tuning
        for pitch in (sampled - 1, sampled + 1):
            assert abs(cents(fundamental(pitch), reference * 2.0 ** ((pitch - sampled) / 12))) < 3.0, pitch
            checked += 1
    assert checked == 30


def test_another_sample_rate_keeps_pitch_and_length() -> None:
    for sample_rate in (22_050, 48_000):
        assert abs(cents(fundamental(70, sample_rate), fundamental(70))) < 1.0
        assert len(synthesise([SoundNote(0.0, 0.7, 60, 90)], seconds=1.5, sample_rate=sample_rate)) == 1.5 * sample_rate


def test_a_higher_velocity_is_always_louder() -> None:
    levels = [level(synthesise([SoundNote(0.0, 0.4, 64, v)], seconds=0.4), 0.0, 0.4) for v in range(10, 128, 3)]
    assert all(softer < louder for softer, louder in pairwise(levels))
    assert velocity_gain(127) == pytest.approx(1.0)
    assert 20 * math.log10(velocity_gain(1)) == pytest.approx(-50.0)


def test_the_whole_keyboard_at_full_force_does_not_clip() -> None:
    sound = synthesise([SoundNote(0.0, 1.0, pitch, 127) for pitch in range(128)], [(0.0, 1.0)])
    assert 0.9 < np.abs(sound).max() < 1.0


def test_the_same_notes_in_any_order_give_the_same_samples(piece: Callable[[str], Piece]) -> None:
    heard = piece("finished-phrase").score.tracks[0].notes
    notes = [SoundNote(n.time / 480, n.duration / 480, n.pitch, n.velocity) for n in heard]
    assert len(notes) > 20
    assert np.array_equal(synthesise(notes), synthesise(reversed(notes)))


@pytest.mark.parametrize("stem", ["butterworth-one-and-twenty", "expressive-pedal", "waltz-pickup"])
def test_a_real_piece_sounds_where_its_own_clock_says(piece: Callable[[str], Piece], stem: str) -> None:
    score = piece(stem).score
    sound = score_sound(score)
    seconds = score.to("Second").tracks[0]  # symusic's own tempo map
    assert score.tempos
    assert len(sound) / SAMPLE_RATE == pytest.approx(max(n.time + n.duration for n in seconds.notes), abs=3.0)
    sounding = [level(sound, n.time + 0.01, n.time + min(n.duration, 0.2)) for n in seconds.notes]
    assert min(sounding) > 1e-3


def test_empty_bars_are_silent(piece: Callable[[str], Piece]) -> None:
    whole = piece("gap-of-four-bars")
    sound, tempo = score_sound(whole.score), tempo_steps(whole.score)
    gap_begins, gap_ends = (seconds_at(tempo, whole.grid.start_of(bar_index)) for bar_index in (8, 12))
    assert gap_ends - gap_begins > 5.0
    assert level(sound, gap_begins - 1.0, gap_begins) > 0.005
    assert level(sound, gap_begins + 0.5, gap_ends) == 0.0
    assert level(sound, gap_ends, gap_ends + 1.0) > 0.005


def test_too_long_or_at_an_impossible_rate_is_refused() -> None:
    with pytest.raises(RequestError, match="too long"):
        synthesise([SoundNote(4000.0, 1.0, 60, 80)])
    with pytest.raises(RequestError, match="44100"):
        synthesise([], sample_rate=1)


def test_no_notes_are_silence() -> None:
    assert synthesise([]).shape == (0, 2)
    assert not synthesise([], seconds=1.0, sample_rate=22_050).any()


def test_wav_holds_the_sound(tmp_path: Path) -> None:
    sound = synthesise([SoundNote(0.0, 0.5, 72, 100)])
    back, sample_rate = soundfile.read(write_wav(tmp_path / "c.wav", sound), dtype="float32")
    assert sample_rate == SAMPLE_RATE
    assert np.abs(back - sound).max() < 1e-4


def test_every_bundled_sample_begins_at_once_and_the_folder_stays_small() -> None:
    folder = files("pianomuse.render").joinpath("samples")
    paths = sorted(Path(str(folder)).glob("*.mp3"))
    assert [path.stem for path in paths] == [f"{x}-{p:03d}" for x in ("loud", "soft") for p in SAMPLED_PITCHES]
    assert sum(path.stat().st_size for path in paths) < 2_000_000
    for path in paths:
        sound, sample_rate = soundfile.read(path)
        loudness = np.abs(sound).max(axis=1)
        assert sample_rate == SAMPLE_RATE
        assert np.argmax(loudness > 0.1 * loudness.max()) < 0.025 * SAMPLE_RATE, path.stem
        assert np.abs(sound[-20:]).max() < 0.002, path.stem
