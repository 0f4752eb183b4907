"""Put a training run together from a dataset, a run folder and settings; `pianomuse train` is a shell around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from pianomuse.checkpoint.config import MAX_LAYERS, parameter_count
from pianomuse.data.ahead import draw_ahead
from pianomuse.data.batches import Batch, BatchMaker, BatchSettings, validation_batches
from pianomuse.data.examples import ExampleMix
from pianomuse.data.store import PieceStore
from pianomuse.devices import Device, choose_device, is_first_process, seed_everything
from pianomuse.errors import ConfigError, RequestError
from pianomuse.lock import Lock
from pianomuse.midi.write import write_atomically
from pianomuse.model.compiled import can_use_loops, compile_blocks, use_loops
from pianomuse.model.presets import PRESETS
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.settings import override, read_toml, to_toml
from pianomuse.train.adapter_run import adapt, open_run_folder
from pianomuse.train.eight_bit import check_optimizer, eight_bit_said
from pianomuse.train.environment import note_start
from pianomuse.train.joining import join
from pianomuse.train.loop import Report, train
from pianomuse.train.needs import memory_warning
from pianomuse.train.processes import OneProcess
from pianomuse.train.resume import keep_data, require_same_run
from pianomuse.train.run_folder import Position, RunFolder, lock_run
from pianomuse.train.samples import Sampler, sample_pieces
from pianomuse.train.settings import TrainSettings
from pianomuse.train.stages import check_stages
from pianomuse.train.starting import Start, starting_model
from pianomuse.wkv import BACKENDS, backend_for


@dataclass(frozen=True)
class RunSettings:
    """What the model is, and how it is validated."""

    preset: str = field(default="small-piano", metadata={"help": "size of a new model", "choices": tuple(PRESETS)})
    init: str = field(default="", metadata={"help": "checkpoint the run began with"})
    n_layer: int | None = field(
        default=None,
        metadata={"help": "layers, if not the preset's; with --init new ones are added", "min": 1, "max": MAX_LAYERS},
    )
    n_embd: int | None = field(
        default=None, metadata={"help": "width, if not the preset's: a multiple of 64; stays with --init", "min": 64}
    )
    grow: str = field(
        default="spread", metadata={"help": "where layers added to --init go", "choices": ("spread", "end")}
    )
    deep_embed: bool = field(
        default=False, metadata={"help": "RWKV-8's DeepEmbed: every token gates the channel mix by a matrix of its own"}
    )
    validation_examples: int = field(
        default=64, metadata={"help": "examples of the validation works", "min": 1, "max": 65_536}
    )


SECTIONS = {"run": RunSettings, "train": TrainSettings, "batches": BatchSettings, "mix": ExampleMix}


@dataclass(frozen=True)
class Run:
    """A run that is ready to start."""

    settings: TrainSettings
    model: PianoMuseRWKV
    maker: BatchMaker
    validation: list[Batch]
    folder: RunFolder
    device: Device
    processes: OneProcess
    resume: bool
    said: list[str]
    sampler: Sampler
    lock: Lock | None

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.processes.rank == 0

    def start(self, listener: Callable[[Report], None]) -> Position:
        """Train to the end, or until somebody stops it; then another process may go on with the run."""
        try:
            return train(
                self.model,
                draw_ahead(self.maker.batches, self.maker.settings.ahead),
                self.validation,
                self.settings,
                self.folder,
                self.device,
                note_ids=self.maker.store.tokenizer.vocabulary.ids_of("Pitch"),
                resume=self.resume,
                listener=listener,
                sample=self.sampler.write,
                processes=self.processes,
            )
        finally:
            if self.lock is not None:
                self.lock.release()


def prepare_run(
    dataset: Path,
    out: Path,
    *,
    preset: str | None,
    init: Path | None,
    resume: bool,
    changes: Sequence[str],
    device: str,
) -> Run:
    """Read settings, dataset and weights, and write `config.toml`, `data.json` and `environment.json`.

    Args:
        dataset: prepared dataset.
        out: run folder; with `resume` its settings are read, else it must not hold a run.
        preset: size of a new model; None: small-piano.
        init: weights to start from, `default` for the ones that ship.
        resume: go on with the run in `out`; one that was stopped before its first checkpoint begins again.
        changes: `key=value`; a key is looked for in all sections of `config.toml`.
        device: see `choose_device`.

    Raises:
        RequestError: the folder holds a run already and `resume` was not asked for, or a run is going on in it.
        ConfigError: settings are wrong, or may not change when a run goes on.
        DatasetError, CheckpointError, VocabularyError: as the parts raise them.
    """
    sections = _sections(dataset, out, preset, init, resume, changes)
    check_optimizer(sections["train"])
    lock = lock_run(out) if is_first_process() else None
    try:
        if not resume:
            _refuse_a_second_run(out)
        return _ready_run(dataset, out, sections, lock, resume=resume, device=device)
    except BaseException:
        if lock is not None:
            lock.release()
            with suppress(OSError):  # a folder that holds something stays
                out.rmdir()
        raise


def _ready_run(
    dataset: Path, out: Path, sections: dict[str, Any], lock: Lock | None, *, resume: bool, device: str
) -> Run:
    """Load what a run needs and write its settings down."""
    settings, run = sections["train"], sections["run"]
    store = PieceStore(dataset, "train")
    vocabulary = store.tokenizer.vocabulary
    chosen, processes = join(choose_device(device, precision=settings.precision), settings)
    seed_everything(settings.seed + processes.rank)  # dropout differs between rows
    folder = open_run_folder(out, vocabulary.to_json(), settings)
    said = []
    if resume and not folder.has_checkpoint:
        said.append(f"{out} was stopped before its first checkpoint and begins again.")
        resume = False
    start = starting_model(
        settings,
        preset=run.preset,
        init=folder.latest() if resume else Path(run.init) if run.init else None,
        vocab_size=len(vocabulary),
        fingerprint=vocabulary.fingerprint,
        n_layer=run.n_layer,
        n_embd=run.n_embd,
        grow=run.grow,
        has_deep_embed=run.deep_embed,
    )
    settings = sections["train"] = _with_stages(settings, start.has_new_rows)
    said += eight_bit_said(settings)
    adapted = adapt(start.model, settings, has_new_rows=start.has_new_rows)
    start.model.to(chosen.torch_device)
    said += [*_introduction(start, settings, chosen), *adapted]
    said += [f"{processes.count} processes, {settings.shard}"] if processes.count > 1 else []
    said += _fuse(start.model, settings, chosen, is_sharded=processes.is_sharded)
    said += memory_warning(
        start.model.config,
        settings,
        chosen,
        batch_size=max(1, sections["batches"].batch_size // processes.count),
        max_tokens=sections["batches"].max_tokens,
        is_looped=settings.fuse in ("auto", "loops") and can_use_loops(start.model),
    )
    maker, validation = open_data(dataset, store, sections)
    if processes.rank == 0:
        said += _write_down(dataset, store, folder, sections, chosen, resume=resume)
    sampler = _sampler(dataset)
    return Run(settings, start.model, maker, validation, folder, chosen, processes, resume, said, sampler, lock)


def _refuse_a_second_run(out: Path) -> None:
    if (out / "config.toml").exists():
        raise RequestError(f"{out} holds a run already; go on with --resume, or name another --out")


def open_data(dataset: Path, store: PieceStore, sections: Mapping[str, Any]) -> tuple[BatchMaker, list[Batch]]:
    """Return what draws the training batches from `store`, and the batches that a run is validated on."""
    validation = validation_batches(
        PieceStore(dataset, "valid"),
        n_examples=sections["run"].validation_examples,
        max_tokens=sections["batches"].max_tokens,
        mix=sections["mix"],
        examples=sections["batches"].examples,
    )
    return BatchMaker(store, sections["batches"], sections["mix"]), validation


def _write_down(
    dataset: Path, store: PieceStore, folder: RunFolder, sections: Mapping[str, Any], device: Device, *, resume: bool
) -> list[str]:
    """Write everything about a run that is known before it starts; return what to tell."""
    said = [keep_data(dataset, store.header, folder.path, resume=resume)]
    step = folder.latest_step if resume else 0
    if not resume:
        folder.metrics.forget_after(0)
    write_settings(folder.path, sections)
    if sections["train"].tensorboard and folder.metrics.open_board(step):
        said.append(f"TensorBoard: tensorboard --logdir {folder.path}")
    note_start(folder.path, step=step, device=str(device), gpu=device.name, threads=torch.get_num_threads())
    if 0 < sections["train"].n_steps <= step:
        said.append(f"This run has made its {step} steps; for more: --resume --steps {2 * step}")
    return [line for line in said if line]


def _sampler(dataset: Path) -> Sampler:
    store = PieceStore(dataset, "valid")
    return Sampler([store[index] for index in sample_pieces(len(store))], store.tokenizer)


def write_settings(out: Path, sections: Mapping[str, object]) -> None:
    """Write `config.toml` into a run folder, which is made if it is not there."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "config.toml", to_toml(sections).encode())


def _sections(
    dataset: Path, out: Path, preset: str | None, init: Path | None, resume: bool, changes: Sequence[str]
) -> dict[str, Any]:
    """Return the settings of every section: those of the run in `out`, or new ones, with the changes applied."""
    asked = {"preset": preset, "init": None if init is None else str(init)}
    given = {name: value for name, value in asked.items() if value is not None}
    if resume:
        before = read_toml(out / "config.toml", SECTIONS)
        after = override_sections({**before, "run": replace(before["run"], **given)}, changes)
        require_same_run(before, after, dataset, out)
        return after
    _refuse_a_second_run(out)
    sections = {name: cls() for name, cls in SECTIONS.items()}
    return override_sections({**sections, "run": replace(sections["run"], **given)}, changes)


def override_sections(sections: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Apply `key=value` to every section that has the key; all unknown keys are named in one error."""
    known = {name: {item.name for item in fields(value)} for name, value in sections.items()}
    keys = [change.partition("=")[0].strip() for change in changes]
    unknown = [key for key in keys if not any(key in names for names in known.values())]
    if unknown:
        everything = ", ".join(sorted(set().union(*known.values())))
        raise ConfigError(f"--set: unknown settings {', '.join(unknown)[:200] or '(no name)'}; known are {everything}")
    return {
        name: override(value, [change for change, key in zip(changes, keys, strict=True) if key in known[name]])
        for name, value in sections.items()
    }


def _introduction(start: Start, settings: TrainSettings, device: Device) -> list[str]:
    """Say what is trained, on what, and in which stages."""
    config = start.model.config
    size = f"{parameter_count(config):,} parameters on {device}, {torch.get_num_threads()} threads"
    wanted = None if settings.wkv == "auto" else settings.wkv
    operator = backend_for(device.torch_device, config.head_size, backend=wanted)
    said = [f"{start.said}: {size}", f"WKV operator: {operator}; choose another with --set wkv={'|'.join(BACKENDS)}"]
    if settings.stages == "yes":
        said.append(f"Stage 1, {settings.stage1_steps} steps: embedding, head and norms; then stage 2, everything.")
    return said


def _with_stages(settings: TrainSettings, has_new_rows: bool) -> TrainSettings:
    """Decide about stages once, where a run begins; `config.toml` remembers it."""
    if settings.stages == "auto":
        settings = replace(settings, stages="yes" if has_new_rows else "no")
    check_stages(settings)
    return settings


def _fuse(model: PianoMuseRWKV, settings: TrainSettings, device: Device, *, is_sharded: bool) -> list[str]:
    # NumPy's hold on a tensor's memory keeps FSDP from letting it go.
    fits = can_use_loops(model) and device.autocast_dtype != torch.float16 and not is_sharded
    if settings.fuse == "loops" and (device.autocast_dtype == torch.float16 or is_sharded):
        raise ConfigError("fuse=loops: not in float16 and not with shard=fsdp; use --set fuse=no")
    if settings.fuse == "loops" or (settings.fuse == "auto" and fits):
        use_loops(model)
    elif settings.fuse == "compile":
        compile_blocks(model)
        return ["Compiling the blocks: the first steps take minutes longer."]
    return []
