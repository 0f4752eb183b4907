"""The run folder: metrics, periodic and best checkpoints, and everything a run needs to go on exactly.

RUN/
  config.toml             settings (written by the command, like the two that follow)
  data.json               what it is trained on: fingerprints of data and vocabulary
  environment.json        machine, versions and command line of every start
  metrics.jsonl           one object a line
  samples/step-N/         completions of three validation pieces (written by the command)
  tensorboard/            the metrics again, where TensorBoard is installed
  checkpoints/step-N/     a checkpoint, with train.safetensors (optimizer, chance) and train.json (position); of a run
                          whose processes share the model, train.shards/ in place of train.safetensors
  best/                   the checkpoint with the lowest validation bits per note
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from pianomuse.checkpoint.store import finish_replacing, load_checkpoint, save_checkpoint
from pianomuse.errors import CheckpointError, StorageError
from pianomuse.lock import Lock
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights, weights_of
from pianomuse.reading import read_bounded
from pianomuse.train.loss import LossSums
from pianomuse.train.metrics import Metrics, Values
from pianomuse.train.training_state import optimizer_state, restore_chance, restore_optimizer

_STEP = re.compile(r"step-(\d+)")
SHARDS = "train.shards"
_MAX_POSITION_BYTES = 2**20


@dataclass(frozen=True)
class Position:
    """How far a run has come."""

    step: int = 0
    n_batches: int = 0
    n_tokens: int = 0
    elapsed_s: float = 0.0
    best_bits_per_note: float | None = None
    n_since_best: int = 0  # validations
    nats: float = 0.0  # these three: sums since the last line of metrics
    n_targets: int = 0
    n_notes: int = 0
    n_skipped: int = 0  # steps whose gradient overflowed float16
    scaler: Mapping[str, float] = field(default_factory=dict)  # of the loss, in float16

    @property
    def sums(self) -> LossSums:
        """Return the sums since the last line of metrics."""
        return LossSums(self.nats, self.n_targets, self.n_notes)


class RunFolder:
    """Read and write one run.

    Args:
        path: the folder; made when something is written.
        tokenizer_json: the vocabulary, saved with every checkpoint.
        keep: how many periodic checkpoints stay.
    """

    def __init__(self, path: Path, tokenizer_json: Mapping[str, object], keep: int = 2) -> None:
        """Remember the place; nothing is written yet."""
        self.path, self.tokenizer_json, self.keep = path, tokenizer_json, keep
        self.metrics = Metrics(path)

    def write_metrics(self, values: Values) -> None:
        """Append one line to `metrics.jsonl`."""
        self.metrics.write(values)

    def save(self, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer, position: Position) -> Path:
        """Write `checkpoints/step-N`, complete for resuming, and let the oldest beyond `keep` go."""
        state = {"rng.cpu": torch.get_rng_state(), **optimizer_state(model, optimizer)}
        return self.save_state(model, position, {"train.safetensors": save(state)})

    def save_state(self, model: PianoMuseRWKV, position: Position, files: Mapping[str, bytes | Path]) -> Path:
        """Write `checkpoints/step-N` with a training state in `files`; a Path is moved there."""
        files = {**files, "train.json": json.dumps(asdict(position), indent=1).encode()}
        folder = self.step_folder(position.step)
        self.write_model(folder, model, more_files=files)
        for _, old in self._periodic()[: -self.keep]:
            shutil.rmtree(old)
        return folder

    def step_folder(self, step: int) -> Path:
        """Return where the checkpoint of a step is."""
        return self.path / "checkpoints" / f"step-{step}"

    def save_best(self, model: PianoMuseRWKV, card: Mapping[str, object]) -> Path:
        """Write `best/`, the weights alone."""
        return self.write_model(self.path / "best", model, card=card)

    def write_model(
        self,
        folder: Path,
        model: PianoMuseRWKV,
        *,
        card: Mapping[str, object] | None = None,
        more_files: Mapping[str, bytes | Path] | None = None,
    ) -> Path:
        """Write a checkpoint; a run of another kind of model has its own way."""
        return save_checkpoint(
            folder,
            model.config,
            weights_of(model),
            tokenizer_json=self.tokenizer_json,
            card=card,
            more_files=more_files,
        )

    def read_model(self, folder: Path, model: PianoMuseRWKV) -> None:
        """Put the weights of a checkpoint into the model.

        Raises:
            CheckpointError: they do not fit it.
        """
        checkpoint = load_checkpoint(folder)
        if checkpoint.config != model.config:
            raise CheckpointError(f"{folder}: another model size than this run's; resume with the same preset")
        if checkpoint.vocabulary_fingerprint != self.tokenizer_json.get("fingerprint"):
            raise CheckpointError(f"{folder}: another vocabulary than the dataset's; prepare the dataset again")
        load_weights(model, checkpoint.tensors)

    def latest(self) -> Path:
        """Return the latest periodic checkpoint.

        Raises:
            CheckpointError: there is none.
        """
        periodic = self._periodic()
        if not periodic:
            raise CheckpointError(f"{self.path}: no checkpoint to resume from; start the run without --resume")
        return periodic[-1][1]

    @property
    def has_checkpoint(self) -> bool:
        """Say whether there is something to resume from."""
        return bool(self._periodic())

    @property
    def latest_step(self) -> int:
        """Return the step of the latest periodic checkpoint, 0 without one."""
        return self._periodic()[-1][0] if self.has_checkpoint else 0

    def resume(self, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer) -> Position:
        """Put model, optimizer and chance back as they were at the latest checkpoint; return the position.

        Raises:
            CheckpointError: there is none, or it does not fit the model.
        """
        finish_replacing(self.path / "best")
        position = self.restore(self.latest(), model, optimizer)
        self.metrics.forget_after(position.step)
        return position

    def restore(
        self, folder: Path, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer, *, rank: int = 0
    ) -> Position:
        """Put back what a periodic checkpoint holds, chance as it was in the process of this rank."""
        with reading_state(folder):
            if (folder / SHARDS).is_dir():
                from pianomuse.train.shards import load_shards

                load_shards(folder / SHARDS, model, optimizer, rank)
            else:
                self.read_model(folder, model)
                state = load_file(folder / "train.safetensors")
                restore_optimizer(model, optimizer, state)
                restore_chance(state, rank)
            return read_position(folder)

    def _periodic(self) -> list[tuple[int, Path]]:
        found = []
        for path in (self.path / "checkpoints").glob("step-*"):
            match = _STEP.fullmatch(path.name)
            if match:
                found.append((int(match[1]), path))
        return sorted(found)


def read_position(folder: Path) -> Position:
    """Read the position of a periodic checkpoint.

    Raises:
        ValueError: it holds what no run has written; OSError, TypeError and more as the file is damaged.
    """
    position = Position(**json.loads(read_bounded(folder / "train.json", _MAX_POSITION_BYTES)))
    for item in fields(Position):
        value = getattr(position, item.name)
        if item.name == "scaler":
            is_right = isinstance(value, dict) and all(map(_is_number, value.values()))
        elif item.name == "best_bits_per_note":
            is_right = value is None or _is_number(value)
        else:
            is_right = _is_number(value) and value >= 0 and isinstance(value, type(item.default))
        if not is_right:
            raise ValueError(f"train.json: {item.name} = {str(value)[:60]}")
    return position


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@contextmanager
def reading_state(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while a training state is read into a CheckpointError."""
    try:
        yield
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{folder}: the training state is damaged ({reason}); use it with --init") from error


def lock_run(out: Path) -> Lock:
    """Keep other processes out of a run folder until this one is done with it.

    Raises:
        StorageError: the folder cannot be made.
        RequestError: another process holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"--out {out}: cannot be made ({error.strerror}); name another folder") from error
    return Lock(out / ".lock", f"{out}: another process is training there; wait for it, or name another --out")
