"""Tune a style: learn what the model remembers before the first token, from a handful of somebody's pieces.

All weights stay; the loop is that of training. Source: state tuning in JL-er/RWKV-PEFT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pianomuse.checkpoint.store import Checkpoint
from pianomuse.checkpoint.style import Style, model_fingerprint
from pianomuse.data.own_pieces import PassageMaker, Split, hold_out, passage_batches
from pianomuse.data.pieces import TokenPiece
from pianomuse.devices import Device, choose_device, seed_everything
from pianomuse.model.adapters import add_time_state, time_states
from pianomuse.model.compiled import can_use_loops, use_loops
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import require_same
from pianomuse.train.gradient import validate
from pianomuse.train.loop import Report, train
from pianomuse.train.run_folder import Position, RunFolder
from pianomuse.train.settings import TrainSettings

Arrays = dict[str, NDArray[np.float32]]
MAX_TOKENS, ROWS = 256, 8
RECIPE = TrainSettings(
    n_steps=100,
    lr=0.005,
    lr_final=0.0005,
    warmup_steps=5,
    weight_decay=0.0,
    l2_wrap=0.0,
    validate_every=10,
    checkpoint_every=1_000_000,
    patience=3,
)


@dataclass(frozen=True)
class Learnt:
    """What came out of learning from some pieces.

    Args:
        arrays: the best of what was trained.
        before: bits per note of the held-out passages before; None where nothing was held out.
        after: the same of what is returned.
        steps: made in all.
        seconds: it took.

    """

    arrays: Arrays
    before: float | None
    after: float | None
    steps: int
    seconds: float


def tune(
    checkpoint: Checkpoint,
    pieces: list[TokenPiece],
    settings: TrainSettings = RECIPE,
    *,
    device: str = "auto",
    listener: Callable[[Report], None] = lambda report: None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Style, Learnt]:
    """Tune a style on some pieces.

    Args:
        checkpoint: the model.
        pieces: of one style; `read_own_pieces` reads them.
        settings: how long, how fast, the seed.
        device: see `choose_device`.
        listener: hears of every step.
        say: hears how the pieces are split and what is trained.

    Returns:
        The style, and how it was learnt. Ctrl-C ends early with the best so far.

    Raises:
        VocabularyError: the model speaks another vocabulary.

    """
    tokenizer = PianoTokenizer()
    require_same(checkpoint.vocabulary_fingerprint, tokenizer.vocabulary.fingerprint, "the model")
    chosen = choose_device(device, precision=settings.precision)
    split = hold_out(pieces)
    model = PianoMuseRWKV(checkpoint.config, wkv=None if settings.wkv == "auto" else settings.wkv)
    load_weights(model, checkpoint.tensors)
    n_trained = add_time_state(model)
    say(f"{split.said}; {n_trained:,} numbers are tuned on {chosen}, {torch.get_num_threads()} threads")
    learnt = learn(model, split, settings, chosen, tokenizer, snapshot=time_states, listener=listener)
    memory = np.stack([learnt.arrays[f"blocks.{layer}.att.time_state"] for layer in range(checkpoint.config.n_layer)])
    fingerprint = model_fingerprint(checkpoint.config, checkpoint.tensors)
    facts = _facts(pieces, tokenizer, settings, learnt)
    return Style(memory, fingerprint, checkpoint.vocabulary_fingerprint, facts), learnt


def learn(
    model: PianoMuseRWKV,
    split: Split,
    settings: TrainSettings,
    device: Device,
    tokenizer: PianoTokenizer,
    *,
    snapshot: Callable[[PianoMuseRWKV], Arrays],
    listener: Callable[[Report], None] = lambda report: None,
) -> Learnt:
    """Train what is trainable in a model on a few pieces, and keep the best of it.

    Args:
        model: frozen as wanted; it ends in its last state, which need not be its best.
        split: what to learn from and what to judge by.
        settings: how long, how fast, the seed.
        device: where.
        tokenizer: of the pieces.
        snapshot: copies what is to be kept.
        listener: hears of every step.

    """
    seed_everything(settings.seed)
    model.to(device.torch_device)
    if settings.fuse in ("auto", "loops") and device.autocast_dtype != torch.float16 and can_use_loops(model):
        use_loops(model)
    note_ids = tokenizer.vocabulary.ids_of("Pitch")
    maker = PassageMaker(split.training, tokenizer, max_tokens=MAX_TOKENS, rows=ROWS, seed=settings.seed)
    held_out = passage_batches(split.held_out, tokenizer, max_tokens=MAX_TOKENS) if split.held_out else []
    before = None
    if held_out:
        ids = torch.as_tensor(np.asarray(note_ids), dtype=torch.int64, device=device.torch_device)
        before = validate(model, held_out, settings, device, ids).bits_per_note
    kept = _Kept(snapshot)
    at = train(model, maker.batches, held_out, settings, kept, device, note_ids=note_ids, listener=listener)
    arrays = snapshot(model) if kept.best is None else kept.best
    return Learnt(arrays, before, at.best_bits_per_note, at.step, at.elapsed_s)


class _Kept(RunFolder):
    """Keeps the best in memory where a run folder would write it to disk."""

    def __init__(self, snapshot: Callable[[PianoMuseRWKV], Arrays]) -> None:
        super().__init__(Path(), {})
        self.snapshot = snapshot
        self.best: Arrays | None = None

    def write_metrics(self, values: Mapping[str, float | int | None]) -> None:
        """Write nothing."""

    def save(self, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer, position: Position) -> Path:
        """Write nothing."""
        return self.path

    def save_best(self, model: PianoMuseRWKV, card: Mapping[str, object]) -> Path:
        """Copy what was trained."""
        self.best = self.snapshot(model)
        return self.path


def _facts(
    pieces: list[TokenPiece], tokenizer: PianoTokenizer, settings: TrainSettings, learnt: Learnt
) -> dict[str, object]:
    is_pitch = tokenizer.vocabulary.kinds == "Pitch"
    return {
        "pieces": len(pieces),
        "works": len({piece.work_id for piece in pieces}),
        "bars": sum(piece.n_bars for piece in pieces),
        "notes": int(sum(is_pitch[piece.views["full"].ids].sum() for piece in pieces)),
        "bits_per_note_before": learnt.before,
        "bits_per_note_after": learnt.after,
        "steps": learnt.steps,
        "lr": settings.lr,
        "seed": settings.seed,
    }
