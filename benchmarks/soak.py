"""A session under a restless composer: edits, requests, cancels, accepts and undoes at random, for thousands of steps.

    python benchmarks/soak.py [PIECE.mid ...] [--steps 10000] [--seed 1] [--model NAME|PATH] [--out FILE]

After every step the composer's file must read back as MIDI with the notes of the session, and every idea must lie in
its bars. The memory of the process and the slowest step are watched. Stops at the first fault and names the seed and
the step. The test-suite does the same for fewer steps with a tiny model.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pianomuse.api import Muse, load
from pianomuse.errors import RequestError
from pianomuse.generate.ghost import Ghost
from pianomuse.generate.session import Session
from pianomuse.generate.session_events import IdeaFinished, NoteDecided
from pianomuse.generate.states import StateCache
from pianomuse.generate.stream import Stream
from pianomuse.midi.additions import NewNote
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.splice import replace_span

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MOST_BARS = 120
MAY_BE_REFUSED = ("as it was before", "is accepted; ask for more", "there is none of that number yet")
WAYS_TO_ACCEPT = ({"notes": 1}, {"notes": 3}, {"beats": 1}, {"bars": 1}, {"hand": "right"}, {"hand": "left"}, {})
REPORT_EVERY = 500


class Composer:
    """Somebody who never sits still.

    Args:
        muse: the model.
        files: pieces to work on.
        seed: of everything that is done.

    """

    def __init__(self, muse: Muse, files: list[Path], seed: int) -> None:
        self.muse, self.files = muse, files
        self.rng = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.slowest_s = 0.0
        self.streams: list[Stream] = []
        self.ghosts: list[Ghost] = []
        self.old: list[Piece] = []
        self.open()

    def step(self) -> str:
        """Do something and check that all is well; return what was done."""
        deeds = {
            self.ask: 5, self.fill: 2, self.listen: 8, self.cancel: 2, self.accept: 5, self.play: 4,
            self.edit: 2, self.undo: 1, self.open: 0.3,
        }  # fmt: skip
        (deed,) = self.rng.choices(list(deeds), weights=list(deeds.values()))
        began = time.process_time()
        try:
            deed()
        except RequestError as error:
            if not any(words in str(error) for words in MAY_BE_REFUSED):
                raise
            self.counts[f"refused: {str(error).split(';')[0][:40]}"] += 1
        self.slowest_s = max(self.slowest_s, time.process_time() - began)
        self.counts[deed.__name__] += 1
        self.check()
        return deed.__name__

    def open(self) -> None:
        if hasattr(self, "session"):
            self.session.close()
        path = self.rng.choice(self.files)
        budget = self.rng.choice([0.2, 2.0, 64.0])
        self.session: Session = self.muse.session(path, budget_mb=budget, reads_ahead=self.rng.random() < 0.7)
        self.streams.clear()
        self.ghosts.clear()
        self.old.clear()

    def ask(self) -> None:
        n_bars = self.session.piece.grid.n_bars
        at_bar = self.rng.choice([None, self.rng.randint(0, n_bars), self.rng.randint(0, n_bars + 2)])
        after = self.rng.choice(self.ghosts) if self.ghosts and self.rng.random() < 0.3 else None
        stream = self.session.stream(
            at_bar=at_bar,
            bars=self.rng.choice([1, 1, 2, 4]),
            insert=self.rng.choice([None, True]) if n_bars < MOST_BARS else None,
            after=after if after is not None and after.is_current else None,
            candidates=self.rng.randint(1, 4),
            seed=self.rng.randrange(10_000),
            adventure=self.rng.choice(["calm", "balanced", "bold"]),
            feel=self.rng.choice(["played", "straight"]),
        )
        self.follow(stream)

    def fill(self) -> None:
        n_bars = self.session.piece.grid.n_bars
        first = self.rng.randint(1, n_bars)
        last = min(first + self.rng.randint(0, 3), n_bars)
        self.follow(self.session.fill(first, last, candidates=self.rng.randint(1, 4), seed=self.rng.randrange(10_000)))

    def follow(self, stream: Stream) -> None:
        self.streams = [*self.streams[-3:], stream]
        self.take_events(stream, self.rng.randint(1, 40))

    def listen(self) -> None:
        if self.streams:
            self.take_events(self.rng.choice(self.streams), self.rng.choice([1, 5, 30, 10_000]))

    def take_events(self, stream: Stream, n: int) -> None:
        caret = stream.scene.caret
        for event in stream:
            if isinstance(event, NoteDecided):
                assert caret.tick <= event.tick < caret.end_tick, "a note outside of its bars"
                if self.rng.random() < 0.05:
                    self.ghosts = [*self.ghosts[-3:], self.session.ghost(stream, event.idea)]
            if isinstance(event, IdeaFinished):
                self.counts["ideas finished"] += 1
                assert_inside(event.candidate.notes, caret)
                if self.rng.random() < 0.2:
                    read_midi(event.candidate.midi) if event.candidate.notes else None
                    read_midi(event.candidate.with_completion)
                self.ghosts = [*self.ghosts[-3:], self.session.ghost(stream, event.idea)]
            n -= 1
            if n <= 0:
                return

    def cancel(self) -> None:
        if self.streams:
            stream = self.rng.choice(self.streams)
            if self.rng.random() < 0.5:
                stream.close()
                assert list(stream) == [], "a closed stream went on"
            else:
                stream.drop(1)

    def accept(self) -> None:
        if self.ghosts:
            how: Any = self.rng.choice(
                [{"notes": 1}, {"beats": 1}, {"bars": 1}, {"hand": "right"}, {"hand": "left"}, {}]
            )
            before = self.session.piece
            self.rng.choice(self.ghosts).accept(**how)
            self.old = [*self.old[-5:], before]

    def play(self) -> None:
        if self.ghosts:
            ghost = self.some_ghost()
            left = ghost.notes
            if left:
                pitch = left[0].pitch + self.rng.choice([0, 0, 0, 1])
                tick = self.rng.choice([None, left[0].tick, left[0].tick + 20])
                ghost.advance(pitch, tick, self.rng.choice([None, 90]))

    def some_ghost(self) -> Ghost:
        """Choose an idea: mostly one that is written for the piece as it is."""
        current = [ghost for ghost in self.ghosts if ghost.is_current]
        return self.rng.choice(current if current and self.rng.random() < 0.9 else self.ghosts)

    def edit(self) -> None:
        """Write a note somewhere, or take a bar's notes away."""
        piece, grid = self.session.piece, self.session.piece.grid
        bar = self.rng.randrange(grid.n_bars)
        start, end = grid.start_of(bar), grid.start_of(bar + 1)
        track = next(index for index, info in enumerate(piece.tracks) if info.role in ("right", "left", "piano"))
        note = NewNote(self.rng.randrange(start, end), (end - start) // 4 or 1, self.rng.randint(40, 80), 80, track)
        changed = read_midi(replace_span(piece, start, end, [note], []))
        self.old = [*self.old[-5:], piece]
        first = self.session.edit(changed)
        assert first is None or first <= bar + 2, "an edit was heard too late"

    def undo(self) -> None:
        if self.old:
            self.session.edit(self.old.pop())

    def check(self) -> None:
        piece = self.session.piece
        again = read_midi(piece.data)
        assert len(again.score.tracks[0].notes) == len(piece.score.tracks[0].notes), "the file lost notes"
        cache = self.session.cache
        assert cache.size_bytes <= cache.budget_bytes, "over the budget"


def live_objects() -> dict[str, int]:
    """Count what must not pile up."""
    gc.collect()
    kinds = Counter(type(thing) for thing in gc.get_objects())
    return {kind.__name__: kinds[kind] for kind in (Session, Stream, Ghost, Piece, StateCache)}


def assert_inside(notes: tuple[NewNote, ...], caret: Any) -> None:
    for note in notes:
        assert caret.tick <= note.tick < caret.end_tick, "a note outside of its bars"
        assert note.tick + note.duration_ticks <= caret.end_tick, "a note reaches over the end"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pieces", nargs="*", type=Path)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    files = options.pieces or sorted(EXAMPLES.glob("*.mid"))
    composer = Composer(load(options.model, threads=options.threads), files, options.seed)
    sizes = []
    began = time.process_time()
    for number in range(1, options.steps + 1):
        try:
            composer.step()
        except Exception as error:
            print(f"step {number} with --seed {options.seed}: {type(error).__name__}: {error}", file=sys.stderr)
            raise
        if number % REPORT_EVERY == 0:
            sizes.append(round(resident_mib(), 1))
            print(f"{number} steps, {sizes[-1]} MiB, slowest {composer.slowest_s:.2f} s", file=sys.stderr)
    document = {
        "steps": options.steps,
        "seed": options.seed,
        "cpu_s": round(time.process_time() - began, 1),
        "slowest_step_cpu_s": round(composer.slowest_s, 3),
        "resident_mib": sizes,
        "live_at_the_end": live_objects(),
        "counts": dict(composer.counts),
    }
    if options.out is not None:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


def resident_mib() -> float:
    """Return what this process holds in memory (Linux; elsewhere 0)."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 / 2**20 if status.exists() else 0.0


if __name__ == "__main__":
    main()
