"""Compose beside a session: ideas note by note, taken in part, played along with, and a bar filled in between.

    python examples/session.py [PIECE.mid] [--model NAME|PATH] [--out DIR]

Prints what an editor would draw, and writes the piece as it is at the end to DIR (default: here).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pianomuse as pm
from pianomuse.generate.session_events import BarClosed, IdeaFinished, IdeasRanked, Listening, NoteDecided

HERE = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> Path:
    """Do what a composer might do; return where the piece was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("piece", nargs="?", type=Path, default=HERE / "waltz-pickup.mid")
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args(arguments)
    session = pm.load(options.model).session(options.piece)

    # Four ideas at once, every note as it is decided.
    stream = session.stream(bars=2, candidates=4, seed=7)
    best = 1
    for event in stream:
        match event:
            case Listening():
                print(f"hearing bars {event.from_bar} to {event.to_bar}, seed {event.seed}")
            case NoteDecided() if event.idea == 1:
                print(f"  idea 1: bar {event.bar} beat {event.beat:g}: {event.pitch} ({event.hand or 'either hand'})")
            case BarClosed() if event.idea == 1:
                print(f"  idea 1: bar {event.bar} is finished")
            case IdeaFinished():
                print(f"idea {event.idea} {event.reason}: {len(event.candidate.notes)} notes")
            case IdeasRanked():
                best = event.candidates[0].number

    # Take the first bar of the best idea, then play its next note: the ghost moves on instead of disappearing.
    ghost = session.ghost(stream, best)
    ghost.accept(bars=1)
    if ghost.notes:
        pitch = ghost.notes[0].pitch
        print(f"played {pitch}: {'as the ghost has it' if ghost.advance(pitch, velocity=88) else 'something else'}")

    # Go on from there. What was read stays known: only what was accepted is new.
    n_read = session.n_tokens_read
    ideas = session.stream(after=ghost, bars=2, candidates=2, seed=8).ideas()
    print(f"{ideas.headline}; read {session.n_tokens_read - n_read} tokens for it")

    # Change a bar somewhere: the session finds out which, and reads on from there.
    filled = session.fill(3, 4, candidates=1, seed=9).ideas()
    print(f"changed from bar {session.edit(filled[0].with_completion)} on")
    session.close()

    options.out.mkdir(parents=True, exist_ok=True)
    target = options.out / f"{options.piece.stem}.session.mid"
    target.write_bytes(session.piece.data)
    print(f"the piece is in {target}")
    return target


if __name__ == "__main__":
    main()
