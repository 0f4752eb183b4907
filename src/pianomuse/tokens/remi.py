"""MidiTok's REMI, held to one grid: 24 positions per quarter note in every metre.

MidiTok counts time in beats, and a beat is what the metre's denominator says; in 6/8 its positions would be twice as
fine as in 3/4 and its longest note half as long. The methods overridden here make the quarter note the unit of
positions and durations whatever the metre (docs/decisions/0002-grid.md).
"""

from __future__ import annotations

from typing import Any

from pianomuse.tokens.light_miditok import REMI, Event, TokenizerConfig
from pianomuse.tokens.vocabulary import (
    GRID,
    MAX_DURATION,
    METRES,
    N_TEMPOS,
    N_VELOCITIES,
    PITCH_RANGE,
    TEMPO_RANGE_BPM,
    control_tokens,
    duration_name,
    music_tokens,
)


class PianoREMI(REMI):  # type: ignore[misc]
    """REMI for one piano part whose Scores are already on the 24-per-quarter grid."""

    def __init__(self) -> None:
        denominators = sorted({denominator for _, denominator in METRES})
        config = TokenizerConfig(
            pitch_range=PITCH_RANGE,
            beat_res={(0, MAX_DURATION // GRID): GRID},
            num_velocities=N_VELOCITIES,
            special_tokens=control_tokens(),
            use_tempos=True,
            num_tempos=N_TEMPOS,
            tempo_range=(int(TEMPO_RANGE_BPM[0]), int(TEMPO_RANGE_BPM[1])),
            log_tempos=True,
            use_time_signatures=True,
            time_signature_range={
                denominator: [n for n, of in METRES if of == denominator] for denominator in denominators
            },
            use_sustain_pedals=True,
            use_pitchdrum_tokens=False,
            use_rests=False,
        )
        super().__init__(config)
        self.time_division = GRID

    def _create_base_vocabulary(self) -> list[str]:
        return music_tokens()

    def _compute_ticks_per_pos(self, ticks_per_beat: int) -> int:
        return 1

    @staticmethod
    def _time_token_to_ticks(token_duration: str | tuple[int, int, int], ticks_per_beat: int) -> int:
        if isinstance(token_duration, str):
            quarters, rest, resolution = (int(part) for part in token_duration.split("."))
        else:
            quarters, rest, resolution = token_duration
        return quarters * resolution + rest

    def _create_duration_event(self, note: Any, _program: int, _ticks_per_beat: Any, _tpb_idx: int) -> Event:
        value = duration_name(note.duration).removeprefix("Duration_")
        return Event("Duration", value, note.start, _program, f"{note.duration} ticks")
