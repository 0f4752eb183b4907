"""The sound of one idea: two bars of the piece, then the idea, small enough to be embedded in a page."""

from __future__ import annotations

import io
from bisect import bisect_right
from dataclasses import dataclass

import soundfile

from pianomuse.render.piano import SAMPLE_RATE, Sound, SoundNote, synthesise
from pianomuse.render.rows import IdeaRow

CONTEXT_BARS = 2
TAIL_S = 1.2  # after the last bar, for the sound to die away
MAX_CLIP_S = 150.0
MAX_CLIP_BYTES = 300_000  # of MP3; 400 kB as base64
# (kbit/s, sample rate), best first: the first that keeps a clip within `MAX_CLIP_BYTES` is taken.
QUALITIES = ((96, 44_100), (80, 44_100), (64, 44_100), (48, 22_050), (32, 22_050), (24, 22_050), (16, 22_050))


@dataclass(frozen=True)
class Clip:
    """What is played for one row."""

    notes: tuple[SoundNote, ...]  # seconds from the clip's begin
    pedals: tuple[tuple[float, float], ...]
    seconds: float  # the tail included
    begin_tick: int
    end_tick: int
    idea_s: float  # where the idea begins
    is_cut: bool  # longer than `MAX_CLIP_S`, so its end is missing


def clip_of(row: IdeaRow) -> Clip:
    """Choose what is played: two bars before the idea's first bar, the idea, and one bar after it where bars follow."""
    first = bisect_right(row.bar_lines, row.from_tick) - 1
    begin_tick = row.bar_lines[max(first - CONTEXT_BARS, 0)]
    end_tick = next((tick for tick in row.bar_lines if tick > row.to_tick), row.bar_lines[-1])
    begin_s = row.seconds_at(begin_tick)
    wanted_s = row.seconds_at(end_tick) - begin_s
    music_s = min(wanted_s, MAX_CLIP_S - TAIL_S)

    def inside(tick: int) -> float:
        return min(max(row.seconds_at(tick) - begin_s, 0.0), music_s)

    notes = []
    for note in row.notes:
        onset_s, end_s = inside(note.onset_ticks), inside(note.onset_ticks + note.duration_ticks)
        if note.onset_ticks >= begin_tick and onset_s < music_s:
            notes.append(SoundNote(onset_s, end_s - onset_s, note.pitch, note.velocity))
    spans = ((inside(down), inside(up)) for down, up in row.pedals)
    return Clip(
        notes=tuple(notes),
        pedals=tuple((down, up) for down, up in spans if up > down),
        seconds=music_s + TAIL_S,
        begin_tick=begin_tick,
        end_tick=end_tick,
        idea_s=inside(row.from_tick),
        is_cut=music_s < wanted_s,
    )


def clip_sound(clip: Clip, sample_rate: int = SAMPLE_RATE) -> Sound:
    """Play a clip on the sampled piano: float32 [n, 2]."""
    return synthesise(clip.notes, clip.pedals, seconds=clip.seconds, sample_rate=sample_rate)


def clip_mp3(clip: Clip) -> bytes:
    """Play a clip and encode it as MP3 (constant bit rate, so that seeking is exact), within `MAX_CLIP_BYTES`."""
    fitting = [quality for quality in QUALITIES if quality[0] * 125 * clip.seconds <= 0.98 * MAX_CLIP_BYTES]
    kbit_per_s, sample_rate = fitting[0] if fitting else QUALITIES[-1]
    best, worst = (320, 32) if sample_rate >= 32_000 else (160, 8)  # libsndfile maps 0..1 onto best..worst kbit/s
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        clip_sound(clip, sample_rate),
        sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=(best - kbit_per_s) / (best - worst),
    )
    return buffer.getvalue()
