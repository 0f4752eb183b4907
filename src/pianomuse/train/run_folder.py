"""The run folder: metrics, periodic and best checkpoints, and everything a run needs to go on exactly.

RUN/
  config.toml             settings (written by the command, like the two that follow)
  data.json               what it is trained on: fingerprints of data and vocabulary
  environment.json        machine, versions and command line of every start
  metrics.jsonl           one object a line
  samples/step-N/         completions of three validation pieces (written by the command)
  tensorboard/            the metrics again, where TensorBoard is installed
  checkpoints/step-N/     a checkpoint, with train.safetensors (optimizer, chance) and train.json (position)
  best/                   the checkpoint with the lowest validation bits per note
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from pianomuse.checkpoint.store import finish_replacing, load_checkpoint, save_checkpoint
from pianomuse.errors import CheckpointError
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights, weights_of
from pianomuse.train.loss import LossSums
from pianomuse.train.metrics import Metrics, Values

_STEP = re.compile(r"step-(\d+)")
_MOMENTS = ("exp_avg", "exp_avg_sq")


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
        state = {"rng.cpu": torch.get_rng_state()}
        for name, parameter in model.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                state[f"{key}.{name}"] = value.detach().cpu().clone()
        files = {"train.safetensors": save(state), "train.json": json.dumps(asdict(position), indent=1).encode()}
        folder = self.path / "checkpoints" / f"step-{position.step}"
        self.write_model(folder, model, more_files=files)
        for _, old in self._periodic()[: -self.keep]:
            shutil.rmtree(old)
        return folder

    def save_best(self, model: PianoMuseRWKV, card: Mapping[str, object]) -> Path:
        """Write `best/`, the weights alone."""
        return self.write_model(self.path / "best", model, card=card)

    def write_model(
        self,
        folder: Path,
        model: PianoMuseRWKV,
        *,
        card: Mapping[str, object] | None = None,
        more_files: Mapping[str, bytes] | None = None,
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
        folder = self.latest()
        finish_replacing(self.path / "best")
        self.read_model(folder, model)
        try:
            state = load_file(folder / "train.safetensors")
            position = Position(**json.loads((folder / "train.json").read_text(encoding="utf-8")))
            _restore_optimizer(model, optimizer, state)
            torch.set_rng_state(state["rng.cpu"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{folder}: the training state is damaged ({error}); use it with --init") from error
        self.metrics.forget_after(position.step)
        return position

    def _periodic(self) -> list[tuple[int, Path]]:
        found = []
        for path in (self.path / "checkpoints").glob("step-*"):
            match = _STEP.fullmatch(path.name)
            if match:
                found.append((int(match[1]), path))
        return sorted(found)


def _restore_optimizer(model: PianoMuseRWKV, optimizer: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if f"step.{name}" not in state:
            continue  # a parameter that has had no gradient yet
        moments = {key: state[f"{key}.{name}"].to(parameter) for key in _MOMENTS}
        optimizer.state[parameter] = {"step": state[f"step.{name}"], **moments}
