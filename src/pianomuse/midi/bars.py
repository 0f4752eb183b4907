"""The bar grid: where bars begin, in which metre, and what is in force at a tick.

Conventions
  * Bar 1 (index 0) is the bar at tick 0. The last bar's metre goes on for ever past the end of the music.
  * Every bar is exactly as long as its metre says, so bar lines and metres never contradict each other.
  * A metre change in the middle of a bar cuts the bar there, as Ableton Live and REAPER draw it, and what is left gets
    the metre it then has (4/4 cut after three quarters is a bar of 3/4). MidiTok would delay such a change to the next
    bar line and move every later bar; a score whose time signatures come from this grid has none left to delay.
  * A change within a 32nd note of a bar line belongs to that bar line, a repetition of the metre in force says nothing
    new, and a cut that is no whole number of 32nds waits for the next bar line: three habits of sloppy exports.
  * Where a bar is no whole number of ticks (7/8 at 1 tick per quarter), bar lines are rounded down one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from symusic import KeySignature, Note, Pedal, Score, Tempo, TimeSignature, Track

from pianomuse.errors import MidiError

MAX_BARS = 20_000
DEFAULT_METRE = (4, 4)
DEFAULT_MSPQ = 500_000  # microseconds per quarter note: 120 to the minute

Metre = tuple[int, int]


@dataclass(frozen=True, eq=False)
class BarGrid:
    """Bar lines and metres; `starts`: int64 [n_bars + 1] in ticks, with the end of the last bar.

    `pickup_ticks` is how much of bar 1 sounds before the first downbeat, 0 when bar 1 is a whole bar. The pickup may
    be a short first bar or a whole one that begins with rest for at least half its length.
    """

    ticks_per_quarter: int
    starts: NDArray[np.int64]
    metres: tuple[Metre, ...]
    pickup_ticks: int = 0

    @property
    def n_bars(self) -> int:
        """How many bars the music has."""
        return len(self.metres)

    def bar_at(self, tick: int) -> int:
        """Return the index of the bar that holds `tick`; ticks past the end count on in the last metre."""
        end = int(self.starts[-1])
        if tick < end:
            return max(int(np.searchsorted(self.starts, tick, side="right")) - 1, 0)
        numerator, denominator = self.metres[-1]
        past = (tick - end + 1) * denominator - 1  # bar lines are rounded down
        return self.n_bars + past // (numerator * 4 * self.ticks_per_quarter)

    def start_of(self, bar_index: int) -> int:
        """Return the first tick of a bar, also past the end."""
        if bar_index <= self.n_bars:
            return int(self.starts[bar_index])
        numerator, denominator = self.metres[-1]
        return int(self.starts[-1]) + (bar_index - self.n_bars) * numerator * 4 * self.ticks_per_quarter // denominator

    def metre_of(self, bar_index: int) -> Metre:
        """Return (numerator, denominator) of a bar, also past the end."""
        return self.metres[min(bar_index, self.n_bars - 1)]

    def beat_ticks(self, bar_index: int) -> int:
        """Return the length of a beat: the metre's note value, three of them in 6/8, 9/8, 12/8 and their like."""
        return beat_ticks(self.metre_of(bar_index), self.ticks_per_quarter)


def beat_ticks(metre: Metre, ticks_per_quarter: int) -> int:
    """Return the length of a beat of a metre, as `BarGrid.beat_ticks` does."""
    numerator, denominator = metre
    unit = 3 if denominator >= 8 and numerator % 3 == 0 and numerator > 3 else 1
    return max(unit * 4 * ticks_per_quarter // denominator, 1)


def bar_grid(score: Score, first_downbeat_ticks: int | None = None) -> BarGrid:
    """Lay bars over all the music of a score, at least one.

    Args:
        score: in ticks; its time signatures may stand anywhere.
        first_downbeat_ticks: a tick where a bar begins, when no time signature tells; the first bar is what is left
            before it, in whole sixteenths.

    Raises:
        MidiError: the music would have more than MAX_BARS bars.
    """
    quarter = int(score.ticks_per_quarter)
    music = [track.notes.numpy() for track in score.tracks if len(track.notes)]
    end = max((int((notes["time"].astype(np.int64) + notes["duration"]).max()) for notes in music), default=0)
    changes = sorted((int(s.time), (int(s.numerator), int(s.denominator))) for s in score.time_signatures)
    short_bar = _pickup_metre(first_downbeat_ticks, changes, quarter)
    starts, metres = _lay(quarter, _usable(changes, quarter), end, short_bar)
    first_onset = min((int(notes["time"].min()) for notes in music), default=0)
    pickup = _pickup_ticks(starts, metres, first_onset)
    return BarGrid(quarter, np.array(starts, dtype=np.int64), tuple(metres), pickup)


def time_signatures(grid: BarGrid) -> list[TimeSignature]:
    """Return the grid's metres as time signatures on bar lines, one per change: what MidiTok should be given."""
    found = []
    for index, metre in enumerate(grid.metres):
        if index == 0 or metre != grid.metres[index - 1]:
            found.append(TimeSignature(int(grid.starts[index]), *metre, ttype="tick"))
    return found


def cut(score: Score, from_tick: int, to_tick: int) -> Score:
    """Return the notes and pedals that start in [from_tick, to_tick), whole, with `from_tick` as tick 0.

    What is in force at `from_tick` (tempo, metre, key) stands at tick 0, changes before `to_tick` follow. Time
    signatures keep their place: cut at a bar line to keep the bars.
    """
    part = Score(score.ticks_per_quarter)
    for track in score.tracks:
        kept = Track(track.name, track.program, track.is_drum, ttype="tick")
        kept.notes = Note.from_numpy(**_starting_in(track.notes.numpy(), from_tick, to_tick), ttype="tick")
        kept.pedals = Pedal.from_numpy(**_starting_in(track.pedals.numpy(), from_tick, to_tick), ttype="tick")
        part.tracks.append(kept)
    for source, target in (
        (score.tempos, part.tempos),
        (score.time_signatures, part.time_signatures),
        (score.key_signatures, part.key_signatures),
    ):
        in_force = _in_force(source, from_tick)
        inside = sorted((event for event in source if from_tick < event.time < to_tick), key=lambda event: event.time)
        for event in (*([] if in_force is None else [in_force]), *inside):
            moved = event.copy()  # symusic's own shift_time returns the event where it was (0.6.0)
            moved.time = max(event.time - from_tick, 0)
            target.append(moved)
    return part


def tempo_at(score: Score, tick: int) -> int:
    """Return the tempo in force at `tick` in microseconds per quarter note (60e6 / it = quarters per minute)."""
    in_force: Tempo | None = _in_force(score.tempos, tick)
    return DEFAULT_MSPQ if in_force is None else int(in_force.mspq)


def key_at(score: Score, tick: int) -> KeySignature | None:
    """Return the key signature in force at `tick`, None where the file states none."""
    return _in_force(score.key_signatures, tick)


def prevailing_tempo(score: Score, grid: BarGrid, tick: int) -> tuple[int, bool]:
    """Return the tempo an idea at `tick` should have, and whether a ritardando was passed over for it.

    A ritardando is a fall of the tempo within the last two bars before `tick`, by at least a twelfth and never rising
    on the way (rubato goes both ways and stays). Microseconds per quarter note.
    """
    now = tempo_at(score, max(tick - 1, 0))
    window = grid.start_of(max(grid.bar_at(max(tick - 1, 0)) - 1, 0))
    slower = sorted((t.time, int(t.mspq)) for t in score.tempos if window <= t.time < tick)
    before = tempo_at(score, max(window - 1, 0))
    course = [before, *(mspq for at, mspq in slower if at)]
    falls = all(earlier <= later for earlier, later in pairwise(course))
    return (before, True) if falls and now * 12 >= before * 13 else (now, False)


def _in_force(events: Sequence[Tempo | KeySignature], tick: int) -> Tempo | KeySignature | None:
    in_force = None
    for event in events:
        if event.time <= tick and (in_force is None or event.time >= in_force.time):
            in_force = event
    return in_force


def _starting_in(columns: dict[str, NDArray[np.int32]], from_tick: int, to_tick: int) -> dict[str, NDArray[np.int32]]:
    chosen = (columns["time"] >= from_tick) & (columns["time"] < to_tick)
    picked = {name: column[chosen] for name, column in columns.items()}
    picked["time"] = picked["time"] - np.int32(from_tick)
    return picked


def _usable(changes: list[tuple[int, Metre]], quarter: int) -> list[tuple[int, Metre]]:
    """Drop metres that no bar can have (0/4, bars shorter than a tick, note values beyond a 64th)."""
    return [
        (tick, (n, d))
        for tick, (n, d) in changes
        if n > 0 and 1 <= d <= 64 and d & (d - 1) == 0 and n * 4 * quarter >= d
    ]


def _pickup_metre(first_downbeat: int | None, changes: list[tuple[int, Metre]], quarter: int) -> Metre | None:
    """Turn a downbeat into the short metre of the first bar, None when the first bar is whole."""
    if not first_downbeat:
        return None
    at_start = [metre for tick, metre in _usable(changes, quarter) if tick <= first_downbeat]
    numerator, denominator = at_start[-1] if at_start else DEFAULT_METRE
    sixteenths = round(first_downbeat * 4 / quarter) * denominator % (numerator * 16)
    return _metre_of_length(sixteenths // denominator * 2) if sixteenths // denominator else None


def _metre_of_length(thirty_seconds: int) -> Metre:
    for denominator in (4, 8, 16):
        if thirty_seconds * denominator % 32 == 0:
            return thirty_seconds * denominator // 32, denominator
    return thirty_seconds, 32


def _lay(
    quarter: int, changes: list[tuple[int, Metre]], end: int, pickup: Metre | None
) -> tuple[list[int], list[Metre]]:
    """Lay bars from tick 0 to `end`: returns n + 1 bar lines and n metres."""
    near = quarter // 8
    starts: list[int] = [0]
    metres: list[Metre] = []
    metre = DEFAULT_METRE
    waiting = list(reversed(changes))
    run = 0  # the bar where the metre in force began: bar lines are rounded from there, so that errors do not add up
    while not metres or starts[-1] < end:
        line = starts[-1]
        while waiting and waiting[-1][0] <= line + near:
            metre = waiting.pop()[1]
        bar = pickup if pickup and not metres else metre
        if not metres or bar != metres[-1]:
            run = len(metres)
        next_line = max(starts[run] + (len(metres) - run + 1) * bar[0] * 4 * quarter // bar[1], line + 1)
        while waiting and waiting[-1][0] < next_line - near:
            tick, new = waiting.pop()
            before = (tick - line) * 8 // quarter
            if new != metre and before * quarter == (tick - line) * 8:
                bar, next_line, run = _metre_of_length(before), tick, len(metres)
                waiting.append((tick, new))
                break
            metre = new
        metres.append(bar)
        starts.append(next_line)
        if len(metres) > MAX_BARS:
            raise MidiError(
                f"The music reaches past bar {MAX_BARS}, at tick {end}: give a shorter piece.",
                "bars_past_most",
                most=MAX_BARS,
                tick=end,
            )
    return starts, metres


def _pickup_ticks(starts: list[int], metres: list[Metre], first_onset: int) -> int:
    if len(metres) < 2 or first_onset >= starts[1]:
        return 0
    first, second = starts[1], starts[2] - starts[1]
    if first < second and (len(metres) < 3 or starts[3] - starts[2] != first):
        return first - first_onset
    return first - first_onset if first_onset * 2 >= first else 0
