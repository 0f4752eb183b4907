"""The training loop, on one page.

A batch is a mapping with `input_ids` and `target_ids` (int64 [B, T], targets shifted by one, -100 where nothing is to
be learnt) and perhaps `weights` (float32 [B, T]). Where batches come from is not known here: `open_batches(n)` opens
the same endless stream at its n-th batch, which is all that an exact resume needs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pianomuse.devices import Device
from pianomuse.errors import ConfigError
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.gradient import Batch, add_gradient, validate
from pianomuse.train.loss import LossSums
from pianomuse.train.optimizer import clip_gradient, learning_rate, make_optimizer, progress, set_learning_rate
from pianomuse.train.processes import OneProcess
from pianomuse.train.run_folder import Position, RunFolder
from pianomuse.train.settings import TrainSettings
from pianomuse.train.signals import stop_asked
from pianomuse.train.stages import forget_idle_gradients, share_learning_rate

_LOWEST_SCALE = 2.0**-10  # float16 overflows in the forward pass if it overflows here


@dataclass(frozen=True)
class Report:
    """What a listener hears after every step, and again after a validation, a checkpoint or samples."""

    step: int
    done: float  # share of the run, 0 to 1
    minutes: float
    loss: float  # nats a token, mean since the last line of metrics.jsonl
    bits_per_note: float
    lr: float
    tokens_per_s: float
    gradient_norm: float
    memory_gb: float | None = None  # peak: of the tensors on a GPU, of the whole process on a CPU
    data_share: float = 0.0  # of the time, waiting for batches
    n_skipped: int = 0  # steps whose gradient overflowed float16
    valid: LossSums | None = None
    saved: str | None = None
    sampled: str | None = None

    @property
    def minutes_left(self) -> float:
        """Return how long the rest takes at this pace."""
        return self.minutes * (1 - self.done) / max(self.done, 1e-6)


def train(
    model: PianoMuseRWKV,
    open_batches: Callable[[int], Iterator[Batch]],
    validation: Sequence[Batch],
    settings: TrainSettings,
    folder: RunFolder,
    device: Device,
    *,
    note_ids: NDArray[Any],
    resume: bool = False,
    listener: Callable[[Report], None] = lambda report: None,
    sample: Callable[[PianoMuseRWKV, Path], Path] | None = None,
    processes: OneProcess | None = None,
) -> Position:
    """Train until steps, minutes or patience are over, or somebody asks to stop; the last state is saved.

    Args:
        model: on its device.
        open_batches: see above.
        validation: batches on which the best checkpoint is chosen.
        settings: the recipe.
        folder: where metrics and checkpoints go.
        device: for autocast.
        note_ids: the ids of Pitch tokens, to count notes.
        resume: go on from the latest checkpoint of the folder.
        listener: is told of every step.
        sample: writes samples of the model into a folder, every `sample_every` steps.
        processes: that make every step together; None is this one alone.

    Returns:
        The position reached.

    Raises:
        ConfigError: the gradient is no longer finite.
        CheckpointError: there is nothing to resume from, or it does not fit.
    """
    run = _Run(model, settings, folder, device, note_ids, listener, processes or OneProcess(), resume=resume)
    batches = open_batches(run.at.n_batches)
    with stop_asked() as asked:
        while run.goes_on(asked()):
            run.step(run.take(batches))
            if run.at.step % settings.log_every == 0:
                run.log()
            if run.at.step % settings.validate_every == 0:
                run.keep_best(validation)
            if run.at.step % settings.checkpoint_every == 0:
                run.save()
            if sample is not None and settings.sample_every and run.at.step % settings.sample_every == 0:
                run.sample(sample)
        if not run.is_asked_to_stop:
            run.keep_best(validation)
        run.save()
    return run.at


class _Run:
    """A run under way: optimizer, position, and the sums since the last line of metrics."""

    def __init__(
        self,
        model: PianoMuseRWKV,
        settings: TrainSettings,
        folder: RunFolder,
        device: Device,
        note_ids: NDArray[Any],
        listener: Callable[[Report], None],
        processes: OneProcess,
        *,
        resume: bool,
    ) -> None:
        self.model, self.settings, self.device = model, settings, device
        self.listener, self.processes = listener, processes
        processes.start(model)
        self.folder = processes.folder(folder)
        self.note_ids = torch.as_tensor(np.asarray(note_ids), dtype=torch.int64, device=device.torch_device)
        self.optimizer = make_optimizer(model, settings, device, is_sharded=processes.is_sharded)
        self.at = self.folder.resume(model, self.optimizer) if resume else Position()
        self.scaler = device.loss_scaler()
        if self.at.scaler:
            self.scaler.load_state_dict(dict(self.at.scaler))
        self.saved_at = self.at.step if resume else -1
        self.validated_at = -1
        self.began = time.monotonic() - self.at.elapsed_s
        self.report: Report | None = None
        self._forget()
        self.sums = self.at.sums

    def goes_on(self, is_asked_to_stop: bool) -> bool:
        """Agree on the time and on whether to stop; say whether there is another step."""
        elapsed_s, self.is_asked_to_stop = self.processes.agree(time.monotonic() - self.began, is_asked_to_stop)
        self.at = replace(self.at, elapsed_s=elapsed_s)
        return self.done < 1 and not (self.pauses or self.is_stuck or self.is_asked_to_stop)

    @property
    def done(self) -> float:
        """Share of the run that is over."""
        return progress(self.settings, self.at.step, self.at.elapsed_s / 60)

    @property
    def pauses(self) -> bool:
        """Whether the step is reached at which the run waits to be resumed."""
        return self.settings.pause_at > 0 and self.at.step >= self.settings.pause_at

    @property
    def is_stuck(self) -> bool:
        """Whether the last validations, as many as `patience`, brought no new best."""
        return 0 < self.settings.patience <= self.at.n_since_best

    def take(self, batches: Iterator[Batch]) -> list[Batch]:
        """Return the batches of one step, and count how long they were waited for."""
        began = time.monotonic()
        taken = [next(batches) for _ in range(self.settings.accumulate)]
        self.waited_s += time.monotonic() - began
        return taken

    def step(self, batches: Sequence[Batch]) -> None:
        """Make one optimizer step, and tell the listener."""
        lr = learning_rate(self.settings, self.at.step, self.at.elapsed_s / 60)
        set_learning_rate(self.optimizer, lr)
        share_learning_rate(self.optimizer, self.settings, self.at.step)
        sums, n_tokens = add_gradient(
            self.model,
            batches,
            self.settings,
            self.device,
            self.note_ids,
            processes=self.processes,
            scaler=self.scaler,
        )
        self.scaler.unscale_(self.optimizer)
        forget_idle_gradients(self.model, self.settings, self.at.step)
        norm = clip_gradient(self.model, self.settings.clip)
        self._require_finite(norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.at = replace(
            self.at,
            step=self.at.step + 1,
            n_batches=self.at.n_batches + len(batches),
            n_tokens=self.at.n_tokens + n_tokens,
            elapsed_s=time.monotonic() - self.began,
            n_skipped=self.at.n_skipped + (not math.isfinite(norm)),
        )
        if math.isfinite(sums.nats):
            self.sums += sums
        seconds = time.monotonic() - self.since_s
        self.report = Report(
            step=self.at.step,
            done=self.done,
            minutes=self.at.elapsed_s / 60,
            loss=self.sums.nats / max(self.sums.n_targets, 1),
            bits_per_note=self.sums.bits_per_note,
            lr=lr,
            tokens_per_s=(self.at.n_tokens - self.since_tokens) / seconds,
            gradient_norm=norm,
            memory_gb=_in_gb(self.device.peak_memory_bytes()),
            data_share=self.waited_s / seconds,
            n_skipped=self.at.n_skipped,
        )
        self.listener(self.report)

    def _require_finite(self, norm: float) -> None:
        """Let the scaler skip a step whose gradient overflowed float16, as long as a smaller scale can help."""
        if not math.isfinite(norm) and not (self.scaler.is_enabled() and self.scaler.get_scale() > _LOWEST_SCALE):
            raise ConfigError(
                f"step {self.at.step + 1}: the gradient is not finite; resume with a lower lr or clip, or in float32"
            )

    def log(self) -> None:
        """Write a line of metrics and begin new sums."""
        if self.report is not None:
            self.folder.write_metrics(metrics_of(self.report))
        self._forget()

    def keep_best(self, validation: Sequence[Batch]) -> None:
        """Validate, tell, and save the model as `best` when it is."""
        if not validation or self.report is None or self.validated_at == self.at.step:
            return
        began = time.monotonic()
        valid = validate(self.model, validation, self.settings, self.device, self.note_ids, processes=self.processes)
        self.validated_at = self.at.step
        self.listener(replace(self.report, valid=valid))
        values = {"valid_bits_per_token": valid.bits_per_token, "valid_bits_per_note": valid.bits_per_note}
        self.folder.write_metrics({"step": self.at.step, "minutes": self.report.minutes, **values})
        best = self.at.best_bits_per_note
        if best is None or valid.bits_per_note < best:
            self.folder.save_best(self.model, {"step": self.at.step, "n_tokens": self.at.n_tokens, **values})
            self.at = replace(self.at, best_bits_per_note=valid.bits_per_note, n_since_best=0)
        else:
            self.at = replace(self.at, n_since_best=self.at.n_since_best + 1)
        self.saved_at = -1  # a checkpoint of this step does not know of it yet
        self.since_s += time.monotonic() - began  # its time is not training time

    def save(self) -> None:
        """Save everything a resume needs, once for a step."""
        if self.report is None or self.saved_at == self.at.step:
            return
        began = time.monotonic()
        scaler = self.scaler.state_dict()
        self.at = replace(self.at, elapsed_s=began - self.began, scaler=scaler, **asdict(self.sums))
        saved = self.folder.save(self.model, self.optimizer, self.at)
        self.saved_at = self.at.step
        self.since_s += time.monotonic() - began
        self.listener(replace(self.report, saved=str(saved)))

    def sample(self, sample: Callable[[PianoMuseRWKV, Path], Path]) -> None:
        """Write samples of the model as it is now."""
        if self.report is None:
            return
        began = time.monotonic()
        with self.processes.whole(self.model) as whole:
            if whole is not None:
                sampled = sample(whole, self.folder.path / "samples" / f"step-{self.at.step}")
                self.listener(replace(self.report, sampled=str(sampled)))
        self.since_s += time.monotonic() - began

    def _forget(self) -> None:
        self.sums, self.waited_s = LossSums(0.0, 0, 0), 0.0
        self.since_s, self.since_tokens = time.monotonic(), self.at.n_tokens


def metrics_of(report: Report) -> dict[str, float | int | None]:
    """Return a line of `metrics.jsonl`."""
    return {
        "step": report.step,
        "loss": report.loss,
        "bits_per_note": report.bits_per_note,
        "lr": report.lr,
        "tokens_per_s": round(report.tokens_per_s, 1),
        "gradient_norm": report.gradient_norm,
        "minutes": report.minutes,
        "memory_gb": report.memory_gb,
        "data_share": round(report.data_share, 4),
        **({"skipped": report.n_skipped} if report.n_skipped else {}),
    }


def _in_gb(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / 1e9
