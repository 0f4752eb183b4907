"""What a run sounds like on the way: three validation pieces, completed from the same bars every time.

RUN/samples/step-N/
  NAME.mid      up to eight bars of a piece and four that the model wrote after them, as `pianomuse complete` would
  samples.png   all three, one below the other

Chance has its own seed here and takes nothing from training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from pianomuse.data.pieces import TokenPiece
from pianomuse.generate.caret import find_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.ideas import Candidate
from pianomuse.generate.session import compose
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.write import score_bytes, write_atomically
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import weights_of
from pianomuse.render.picture import ideas_picture
from pianomuse.render.rows import IdeaRow, idea_row
from pianomuse.runtime.engine import CpuEngine
from pianomuse.runtime.workers import MAX_THREADS
from pianomuse.tokens.tokenizer import PianoTokenizer

N_PIECES, CONTEXT_BARS, BARS = 3, 8, 4
_SEED = 1


@dataclass(frozen=True)
class Beginning:
    """The bars of a piece that a sample goes on from."""

    name: str
    midi: bytes
    n_bars: int


class Sampler:
    """Write samples of a model; always of the same beginnings."""

    def __init__(self, pieces: Sequence[TokenPiece], tokenizer: PianoTokenizer) -> None:
        """Cut the beginnings: up to eight bars from the middle of each piece."""
        self.tokenizer = tokenizer
        self.beginnings = [_beginning(piece, number, tokenizer) for number, piece in enumerate(pieces, 1)]

    def write(self, model: PianoMuseRWKV, folder: Path) -> Path:
        """Complete all beginnings with the model as it is now, on the CPU; return the picture's path.

        Args:
            model: its weights are copied, nothing about it changes.
            folder: `samples/step-N`.
        """
        threads = min(torch.get_num_threads(), MAX_THREADS)  # no more than training may have
        engine = CpuEngine(model.config, weights_of(model), threads=threads)
        rows = []
        for number, beginning in enumerate(self.beginnings, 1):
            piece = read_midi(beginning.midi)
            caret = find_caret(piece, at_bar=beginning.n_bars, bars=BARS)
            (idea,) = compose(engine, self.tokenizer, piece, caret, Order(n_ideas=1, seed=_SEED)).ideas
            idea.save_with_completion(folder / f"{beginning.name}.mid")
            rows.append(_row(idea, (caret.tick, caret.end_tick), number, beginning.name))
        image = BytesIO()
        ideas_picture(rows, title=folder.name).save(image, "PNG", optimize=True)
        return write_atomically(folder / "samples.png", image.getvalue())


def sample_pieces(n_pieces: int) -> list[int]:
    """Return which pieces of a validation set are sampled: three, evenly spread; all where there are fewer."""
    return sorted(set(np.linspace(0, n_pieces - 1, N_PIECES).round().astype(int).tolist()))


def _beginning(piece: TokenPiece, number: int, tokenizer: PianoTokenizer) -> Beginning:
    view = piece.views["full"]
    cut = max(view.n_bars // 2, 1)
    first = max(cut - CONTEXT_BARS, 0)
    ids = np.concatenate([np.array(view.head(first), dtype=np.int32), view.cut(first, cut)])
    name = f"{number}-{PurePosixPath(piece.name.replace(chr(92), '/')).stem}"
    return Beginning(name, score_bytes(tokenizer.decode(ids)), cut - first)


def _row(idea: Candidate, ticks: tuple[int, int], number: int, name: str) -> IdeaRow:
    piece: Piece = read_midi(idea.with_completion)
    reason = f"{name}: {idea.reason}" if idea.reason else name
    return idea_row(
        piece.score, piece.grid, *ticks, number=number, seed=_SEED, reason=reason, context_bars=CONTEXT_BARS
    )
