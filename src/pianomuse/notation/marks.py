"""What stands above, between and below the staves: tempo, pedal, loudness; and which clef a staff has."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, pstdev

from symusic import Score

from pianomuse.notation.measures import UNITS, Measure, measure_at
from pianomuse.notation.rhythm import WrittenNote

_TEMPO_SHOWN = 0.09  # share by which a tempo differs from the last one printed
_TEMPO_LASTS = UNITS  # a tempo that lasts shorter than this is rubato and not printed
_EXPRESSIVE = 4.0  # standard deviation of velocities from which loudness is written
_LEVELS = ((24, "ppp"), (38, "pp"), (52, "p"), (66, "mp"), (80, "mf"), (98, "f"), (114, "ff"), (128, "fff"))
_MARGIN = 4  # velocities beyond a level's edge that a bar must be for a new mark
_COST_OF_CLEF = 20.0  # in ledger lines
_TREBLE_LOW, _BASS_HIGH = 60, 60  # middle C: one ledger line in either clef


@dataclass(frozen=True)
class Mark:
    """Something printed at a place, in units; `kind` is tempo, pedal, dynamics or words."""

    place: int
    kind: str
    text: str = ""
    qpm: float = 0.0
    is_printed: bool = True


def tempo_marks(score: Score, bars: Sequence[Measure]) -> list[Mark]:
    """Return the tempos, in quarters per minute: all are played, those that last and differ are printed."""
    found: dict[int, float] = {}
    for tempo in sorted(score.tempos, key=lambda tempo: tempo.time):
        place = place_of(bars, int(tempo.time))
        if place < bars[-1].end:
            found[max(place, bars[0].start)] = 60e6 / int(tempo.mspq)
    marks: list[Mark] = []
    printed = 0.0
    places = [*found, bars[-1].end]
    for (place, qpm), after in zip(found.items(), places[1:], strict=True):
        is_printed = not printed or (abs(qpm / printed - 1) > _TEMPO_SHOWN and after - place >= _TEMPO_LASTS)
        printed = qpm if is_printed else printed
        marks.append(Mark(place, "tempo", "", qpm, is_printed))
    return marks


def pedal_marks(score: Score, bars: Sequence[Measure]) -> list[Mark]:
    """Return where the pedal goes down, is changed and goes up, on sixteenths."""
    spans = sorted(
        (_sixteenth(place_of(bars, p.time)), _sixteenth(place_of(bars, p.time + p.duration)))
        for track in score.tracks
        for p in track.pedals
    )
    start, end = bars[0].start, bars[-1].end
    spans = [(max(down, start), min(up, end)) for down, up in spans if min(up, end) > max(down, start)]
    marks: dict[int, str] = {}
    for down, up in spans:
        marks[down] = "change" if marks.get(down) == "stop" else "start"
        marks[up] = "stop"
    return [Mark(place, "pedal", text) for place, text in sorted(marks.items())]


def dynamics_marks(notes: Sequence[WrittenNote], bars: Sequence[Measure]) -> list[Mark]:
    """Return how loud the music is, bar by bar, where its loudness says something at all."""
    if len(notes) < 2 or pstdev([note.velocity for note in notes]) < _EXPRESSIVE:
        return []
    marks: list[Mark] = []
    in_force = ""
    played = sorted(notes, key=lambda note: note.onset)
    onsets = [note.onset for note in played]
    for bar in bars:
        here = played[bisect_left(onsets, bar.start) : bisect_left(onsets, bar.end)]
        if not here:
            continue
        loudness = mean(note.velocity for note in here)
        low, high = _edges(in_force)
        if not low - _MARGIN <= loudness < high + _MARGIN:
            in_force = next(name for edge, name in _LEVELS if loudness < edge)
            marks.append(Mark(here[0].onset, "dynamics", in_force))
    return marks


def clefs(notes: Sequence[WrittenNote], bars: Sequence[Measure], usual: str) -> list[str]:
    """Return the clef of each bar of a staff, G or F: few ledger lines, few changes.

    Args:
        notes: of the staff.
        bars: of the piece.
        usual: its clef where nothing speaks against it.
    """
    costs = [{"G": 0.0, "F": 0.0} for _ in bars]
    index = 0
    for note in notes:  # by onset
        while index + 1 < len(bars) and note.onset >= bars[index + 1].start:
            index += 1
        costs[index]["G"] += max(_TREBLE_LOW - note.pitch, 0) / 3.5 + 0.02 * (usual != "G")
        costs[index]["F"] += max(note.pitch - _BASS_HIGH, 0) / 3.5 + 0.02 * (usual != "F")
    total = {clef: _COST_OF_CLEF * (clef != usual) for clef in "GF"}
    came: list[dict[str, str]] = []
    for cost in costs:
        best = {
            clef: min("GF", key=lambda old: (total[old] + _COST_OF_CLEF * (old != clef), old != clef)) for clef in "GF"
        }
        total = {clef: total[old] + _COST_OF_CLEF * (old != clef) + cost[clef] for clef, old in best.items()}
        came.append(best)
    clef = min("GF", key=lambda clef: (total[clef], clef != usual))
    chosen = []
    for best in reversed(came):
        chosen.append(clef)
        clef = best[clef]
    return chosen[::-1]


def place_of(bars: Sequence[Measure], tick: int) -> int:
    """Return a tick's place, to the nearest 64th note."""
    step = UNITS // 16
    return round(bars[measure_at(bars, tick)].units_at(tick) / step) * step


def _sixteenth(place: int) -> int:
    return round(place / (UNITS // 4)) * (UNITS // 4)


def _edges(level: str) -> tuple[int, int]:
    """Return the velocities between which a level lies; for none an empty range."""
    edges = [0, *(edge for edge, _ in _LEVELS)]
    return next((pair for pair, (_, name) in zip(pairwise(edges), _LEVELS, strict=True) if name == level), (999, 999))
