"""Do phrases end as they were asked to? Read out of the files by a chord reading that shares nothing with the masks.

    python benchmarks/phrase_ends.py MIDI_DIR [--model CKPT] [--works 17] [--ideas 3] [--bars 4] [--context-bars 16]

In the middle of every work `--bars` bars are asked for with each ending, and once without. Of every idea is read, from
the file with the new bars in place, in the key the command reports:

- arrival: what is struck in the last bar, the lowest of it first, and what sounds at the end;
- dominant: what is struck in the second half of the bar before, on beats only notes of its seventh chord;
- whether anything begins after the arrival.

The last line is one JSON document: of each kind the number of ideas, and how many have each sign.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import defaultdict
from pathlib import Path

import mido

import pianomuse as pm
from pianomuse.generate.caret import Caret
from pianomuse.generate.key import heard_key
from pianomuse.midi.read import read_midi

KINDS = ("close", "half", "final", "open", None)
SIGNS = (
    "closes on the tonic over its root",
    "after the dominant",
    "nothing begins after the arrival",
    "ends on the dominant over its root",
    "has no tonic in the last bar",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path)
    parser.add_argument("--model", default=None)
    parser.add_argument("--works", type=int, default=17)
    parser.add_argument("--ideas", type=int, default=3)
    parser.add_argument("--bars", type=int, default=4)
    parser.add_argument("--context-bars", type=int, default=16)
    options = parser.parse_args()
    muse = pm.load(options.model)
    counts: dict[str, dict[str, int]] = {str(kind): defaultdict(int) for kind in KINDS}
    for path in sorted(options.midi_dir.rglob("*.mid"))[: options.works]:
        piece = read_midi(path)
        at_bar = max(piece.grid.n_bars // 2, 1)
        key = heard_key(piece, piece.grid.start_of(at_bar))
        for kind in KINDS:
            ideas = muse.complete(
                piece,
                at_bar=at_bar,
                bars=options.bars,
                candidates=options.ideas,
                seed=1,
                ending=kind,
                context_bars=options.context_bars,
                feel="straight",
            )
            for idea in ideas:
                found = signs(idea.with_completion, ideas.caret, key.tonic, is_minor=key.is_minor)
                counts[str(kind)]["ideas"] += 1
                for sign, is_there in zip(SIGNS, found, strict=True):
                    counts[str(kind)][sign] += is_there
        print(path.name, {kind: dict(found) for kind, found in counts.items()}, flush=True)
    print(json.dumps(counts))


def signs(data: bytes, caret: Caret, tonic: int, *, is_minor: bool) -> tuple[bool, ...]:
    """Return the signs of an end in a file, in the order of SIGNS."""
    lines = caret.bar_lines
    notes = [note for note in read_notes(data) if lines[0] <= note[0] < lines[-1]]
    start, before, end = lines[-2], lines[-3], lines[-1]
    last = [note for note in notes if note[0] >= start]
    if not last:
        return (False,) * len(SIGNS)
    triad = {tonic, (tonic + (3 if is_minor else 4)) % 12, (tonic + 7) % 12}
    dominant = {(tonic + step) % 12 for step in (7, 11, 2)}
    seventh = dominant | {(tonic + 5) % 12}
    first = min(on for on, _, _ in last)
    struck = [pitch for on, _, pitch in last if on == first]
    at_end = [pitch for _, off, pitch in notes if off >= end - (end - start) // 16]
    in_bar = {pitch % 12 for _, _, pitch in last}
    beat = beat_of(caret.metres[-2], start - before)
    half = before + min((round((start - before) / beat) + 1) // 2, max(round((start - before) / beat) - 1, 0)) * beat
    turn = [(on, pitch % 12) for on, _, pitch in notes if half <= on < start]
    is_turn = any(on == half for on, _ in turn) and all(c in seventh for on, c in turn if (on - before) % beat == 0)
    rings = {pitch % 12 for on, off, pitch in notes if on < start and off > start}

    def over(chord: set[int], root: int) -> bool:
        is_over_root = min(struck) % 12 == root and bool(at_end) and min(at_end) % 12 == root
        return first == start and is_over_root and in_bar | rings <= chord

    return (
        over(triad, tonic),
        is_turn,
        all(on == first for on, _, _ in last),
        over(dominant, (tonic + 7) % 12),
        tonic not in in_bar | rings,
    )


def beat_of(metre: tuple[int, int], bar_ticks: int) -> int:
    """Return the length of a beat: the note value of the metre, three of them where it is 6/8 or its like."""
    numerator, denominator = metre
    return bar_ticks // numerator * (3 if denominator >= 8 and numerator > 3 and numerator % 3 == 0 else 1)


def read_notes(data: bytes) -> list[tuple[int, int, int]]:
    """Read a file with mido: onset, end, pitch of every note but drums."""
    found = []
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
        now = 0
        open_keys: dict[tuple[int, int], list[int]] = defaultdict(list)
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity and message.channel != 9:
                open_keys[message.channel, message.note].append(now)
            elif message.type in ("note_on", "note_off") and open_keys[message.channel, message.note]:
                found.append((open_keys[message.channel, message.note].pop(0), now, message.note))
    return sorted(found)


if __name__ == "__main__":
    main()
