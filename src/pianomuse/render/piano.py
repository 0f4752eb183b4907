"""A sampled grand piano in NumPy: notes and pedal in, stereo sound out.

The samples (`samples/README.md`) are one grand piano in two layers, a key every minor third; other keys are
resampled from a neighbour at most a semitone away. Notes last until the key is released or, with the pedal down,
until the pedal comes up; then the damper ends them. The highest keys have no dampers, as on a real piano.

    sound = synthesise([SoundNote(0.0, 1.0, 60, 80)], [(0.0, 2.5)])     # float32 [n, 2], within -1 to 1
    write_wav("c.wav", sound)

The same notes always give the same samples. Measured on one core of a busy 2-core machine: 369 s of a Chopin waltz
(3,512 notes, 58 pedals) in 3.5 s.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from symusic import Score

from pianomuse.errors import RequestError
from pianomuse.midi.write import write_atomically
from pianomuse.render.tempo import seconds_at, tempo_steps

Sound = NDArray[np.float32]  # [n samples, 2 channels]

SAMPLE_RATE = 44_100  # of the samples, and of the mix before it is converted to another rate
BLOCK = 8_192  # samples resampled at once
MAX_SECONDS = 3600.0  # an hour is 1.3 GB of float32
SAMPLED_PITCHES = range(21, 109, 3)
LOUD_FROM_VELOCITY = 67  # half-way between the velocities the two layers were struck with, 48 and 85
UNDAMPED_FROM_PITCH = 90  # F sharp 6: grand pianos have no dampers above
UNDAMPED_S = 2.4  # as long as the longest sample up there
RESTRIKE_S = 0.06  # how long a string still sounds when its key is struck again
DYNAMIC_RANGE_DB = 50.0  # between velocity 1 and 127
MASTER_GAIN = 0.45  # leaves room for about eight loud notes at once; a peak above `PEAK` turns everything down
PEAK = 0.97


@dataclass(frozen=True, order=True)
class SoundNote:
    """A note in seconds."""

    onset_s: float
    duration_s: float
    pitch: int  # MIDI, 0-127; outside the piano's 21-108 it is left out
    velocity: int  # 1-127


def synthesise(
    notes: Iterable[SoundNote],
    pedals: Iterable[tuple[float, float]] = (),
    *,
    seconds: float | None = None,
    sample_rate: int = SAMPLE_RATE,
) -> Sound:
    """Play notes on the sampled piano.

    Args:
        notes: in any order.
        pedals: the spans in which the sustain pedal is down, (down, up) in seconds.
        seconds: length of the sound; by default until the last note has died away.
        sample_rate: samples per second, 8,000 to 192,000.

    Returns:
        float32 [n, 2] within -1 to 1. When the peak would pass 0.97, all of it is turned down together.

    Raises:
        RequestError: the sound would last more than an hour, or the sample rate is out of range.
    """
    if not 8_000 <= sample_rate <= 192_000:
        raise RequestError(
            f"a sample rate of {sample_rate} is out of range; take 44100", "sample_rate", value=sample_rate
        )
    voices = _voices(notes, list(pedals))
    last = max((voice.release_s + voice.fade_s for voice in voices), default=0.0)
    length_s = last if seconds is None else seconds
    if length_s > MAX_SECONDS:
        raise RequestError(
            f"{length_s / 60:.0f} minutes are too long to render; take at most {MAX_SECONDS / 60:.0f}",
            "sound_too_long",
            minutes=round(length_s / 60),
            most=round(MAX_SECONDS / 60),
        )
    mix = np.zeros((round(length_s * SAMPLE_RATE), 2), np.float32)
    for (layer, pitch), group in _by_key(voices).items():
        held_s = max(voice.release_s + voice.fade_s - voice.onset_s for voice in group)
        key = _key_sound(layer, pitch, held_s)
        for voice in group:
            _add(mix, key, voice)
    peak = float(np.abs(mix).max(initial=0.0))
    if peak > PEAK:
        mix *= PEAK / peak
    return mix if sample_rate == SAMPLE_RATE else _convert(mix, sample_rate)


def score_sound(score: Score, *, sample_rate: int = SAMPLE_RATE) -> Sound:
    """Play every track of a score on the sampled piano, with its tempo map and pedals, from tick 0."""
    tempo = tempo_steps(score)
    notes, pedals = [], []
    for track in score.tracks:
        for n in track.notes:
            onset_s = seconds_at(tempo, n.time)
            notes.append(SoundNote(onset_s, seconds_at(tempo, n.time + n.duration) - onset_s, n.pitch, n.velocity))
        pedals += [(seconds_at(tempo, p.time), seconds_at(tempo, p.time + p.duration)) for p in track.pedals]
    return synthesise(notes, pedals, sample_rate=sample_rate)


def write_wav(path: str | Path, sound: Sound, sample_rate: int = SAMPLE_RATE) -> Path:
    """Write sound as a 16-bit WAV file, aside and then renamed."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, sample_rate, format="WAV", subtype="PCM_16")
    return write_atomically(Path(path), buffer.getvalue())


def velocity_gain(velocity: int) -> float:
    """Return the amplitude of a velocity relative to 127.

    The square law of Dannenberg, "The Interpretation of MIDI Velocity" (ICMC 2006), with the range set to 50 dB.
    """
    root_of_range: float = 10.0 ** (DYNAMIC_RANGE_DB / 40.0)
    offset = 127.0 / (126.0 * root_of_range) - 1.0 / 126.0
    return ((1.0 - offset) * velocity / 127.0 + offset) ** 2


@dataclass(frozen=True)
class _Voice:
    """A note with everything decided that makes it sound."""

    onset_s: float
    release_s: float  # the damper falls, or the key is struck again
    fade_s: float  # after the release, until 60 dB below
    pitch: int
    layer: str
    gain: float


def _voices(notes: Iterable[SoundNote], pedals: Sequence[tuple[float, float]]) -> list[_Voice]:
    """Decide when every note ends: key, pedal, damper, next stroke of the same key."""
    spans = _merged(pedals)
    ups = np.array([up for _, up in spans])
    voices: list[_Voice] = []
    next_stroke: dict[int, float] = {}
    for note in sorted(notes, reverse=True):
        if not SAMPLED_PITCHES[0] <= note.pitch <= SAMPLED_PITCHES[-1]:
            continue
        key_up = note.onset_s + note.duration_s
        span = int(np.searchsorted(ups, key_up, side="right"))
        release = spans[span][1] if span < len(spans) and spans[span][0] <= key_up else key_up
        if note.pitch >= UNDAMPED_FROM_PITCH:
            release = max(release, note.onset_s + UNDAMPED_S)
        fade = float(np.interp(note.pitch, (21, 60, UNDAMPED_FROM_PITCH), (0.5, 0.3, 0.15)))
        struck_again = next_stroke.get(note.pitch, np.inf)
        if struck_again < release:
            release, fade = struck_again, RESTRIKE_S
        next_stroke[note.pitch] = note.onset_s
        layer = "loud" if note.velocity >= LOUD_FROM_VELOCITY else "soft"
        voices.append(_Voice(note.onset_s, release, fade, note.pitch, layer, velocity_gain(note.velocity)))
    return voices[::-1]


def _merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join overlapping pedal spans, so that they are ascending and apart."""
    merged: list[tuple[float, float]] = []
    for down, up in sorted(spans):
        if merged and down < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], up))
        else:
            merged.append((down, up))
    return merged


def _by_key(voices: Sequence[_Voice]) -> dict[tuple[str, int], list[_Voice]]:
    """Group voices by the sample they play; sorted, so that neighbours share a decoded file and sums are repeatable."""
    groups: dict[tuple[str, int], list[_Voice]] = {}
    for voice in sorted(voices, key=lambda voice: (voice.layer, voice.pitch, voice.onset_s)):
        groups.setdefault((voice.layer, voice.pitch), []).append(voice)
    return groups


@lru_cache(maxsize=32)  # about 50 MB; a file decodes in 2 ms
def _sample(layer: str, pitch: int) -> Sound:
    """Decode one of the bundled samples."""
    data = files("pianomuse.render").joinpath("samples", f"{layer}-{pitch:03d}.mp3").read_bytes()
    sound: Sound = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
    return sound


def _key_sound(layer: str, pitch: int, seconds: float) -> Sound:
    """Return the first `seconds` of a key, resampled from the nearest sampled one."""
    sampled = SAMPLED_PITCHES[round((pitch - SAMPLED_PITCHES[0]) / 3)]
    sound = _sample(layer, sampled)
    n_wanted = round(seconds * SAMPLE_RATE)
    return sound[:n_wanted] if sampled == pitch else _resample(sound, 2.0 ** ((pitch - sampled) / 12.0), n_wanted)


def _resample(sound: Sound, step: float, n_wanted: int) -> Sound:
    """Read a sound at `step` times its speed, by cubic interpolation (Catmull-Rom), in blocks that fit the cache."""
    resampled = np.empty((min(n_wanted, int((len(sound) - 4) / step)), 2), np.float32)
    pairs = sound.view(np.complex64)[:, 0]  # both channels as one element, which numpy gathers four times faster
    for begin in range(0, len(resampled), BLOCK):
        at = np.arange(begin, min(begin + BLOCK, len(resampled))) * step
        index = at.astype(np.int64)
        t = np.repeat((at - index).astype(np.float32), 2)
        a, b, c, d = (pairs[index + k].view(np.float32) for k in range(4))  # b at `index + 1`: one sample early
        cubic = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        resampled[begin : begin + BLOCK] = cubic.reshape(-1, 2)
    return resampled


def _add(mix: Sound, key: Sound, voice: _Voice) -> None:
    """Add one note to the mix."""
    begin = round(voice.onset_s * SAMPLE_RATE)
    if begin >= len(mix):
        return
    held = round((voice.release_s - voice.onset_s) * SAMPLE_RATE)
    fading = round(voice.fade_s * SAMPLE_RATE)
    note = key[: min(held + fading, len(mix) - begin)] * np.float32(voice.gain * MASTER_GAIN)
    tail = note[held:]
    if len(tail):
        t = np.arange(len(tail), dtype=np.float32)[:, None] / fading
        tail *= 10.0 ** (-3.0 * t) * (1.0 - t)  # 60 dB down, and exactly silent at the end
    mix[begin : begin + len(note)] += note


def _convert(mix: Sound, sample_rate: int) -> Sound:
    """Convert the finished mix to another sample rate in the frequency domain, padded to whole seconds."""
    n_seconds = -(-len(mix) // SAMPLE_RATE)
    if not n_seconds:
        return mix
    n_out = n_seconds * sample_rate
    spectrum = np.fft.rfft(mix, n_seconds * SAMPLE_RATE, axis=0)[: min(n_out, n_seconds * SAMPLE_RATE) // 2 + 1]
    converted = np.fft.irfft(spectrum, n_out, axis=0)[: round(len(mix) * sample_rate / SAMPLE_RATE)]
    return np.clip(converted * (sample_rate / SAMPLE_RATE), -1.0, 1.0).astype(np.float32)
