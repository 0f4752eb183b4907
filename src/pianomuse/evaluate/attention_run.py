"""Train the attention reference: the loop, the batches and the run folder of `pianomuse train`, another model in them.

The recipe: a tenth of the steps at each of a few learning rates, all on the schedule of the whole run, and the one with
the lowest validation bits per note goes on to its end. A tenth without the fall of the cosine favours lower rates a
little; no rate is tried twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pianomuse.checkpoint.config import parameter_count
from pianomuse.data.store import PieceStore
from pianomuse.devices import choose_device, seed_everything
from pianomuse.errors import CheckpointError, RequestError
from pianomuse.evaluate.attention import AttentionModel, load_attention, matched_config, save_attention
from pianomuse.model.presets import preset_config
from pianomuse.train.command import open_data, write_settings
from pianomuse.train.loop import Report, train
from pianomuse.train.run_folder import Position, RunFolder

Listener = Callable[[str, Report], None]
"""Called with the learning rate's name and every report."""


class AttentionRunFolder(RunFolder):
    """A run folder whose checkpoints hold an attention model."""

    def write_model(
        self,
        folder: Path,
        model: Any,
        *,
        card: Mapping[str, object] | None = None,
        more_files: Mapping[str, bytes | Path] | None = None,
    ) -> Path:
        """Write a checkpoint."""
        return save_attention(folder, model, tokenizer_json=self.tokenizer_json, card=card, more_files=more_files)

    def read_model(self, folder: Path, model: Any) -> None:
        """Put the weights of a checkpoint into the model.

        Raises:
            CheckpointError: they do not fit it.
        """
        found = load_attention(folder, str(self.tokenizer_json["fingerprint"]))
        if found.config != model.config:
            raise CheckpointError(f"{folder}: another model size than this run's; resume with the same settings")
        model.load_state_dict(found.state_dict())


def train_best_of(
    dataset: Path, out: Path, sections: Mapping[str, Any], rates: Sequence[float], *, listener: Listener
) -> Path:
    """Try the learning rates for a tenth of the steps each, and train the best to the end.

    Args:
        dataset: prepared dataset.
        out: gets a run folder ``lr-RATE`` for each rate; what is there already goes on.
        sections: ``run``, ``train``, ``batches`` and ``mix`` as in `config.toml`; `preset` is the model to match.
        rates: learning rates.
        listener: is told of every step.

    Returns:
        The run folder of the best.

    Raises:
        RequestError: stopped before all rates were tried.

    """
    n_steps = sections["train"].n_steps
    tenth, found = max(n_steps // 10, 1), {}
    for rate in rates:
        settings = replace(sections["train"], lr=rate, pause_at=tenth)
        found[rate] = _go_on(dataset, _folder(out, rate), {**sections, "train": settings}, listener)
        if found[rate].step < tenth:
            raise RequestError(
                f"stopped at step {found[rate].step} of rate {rate:g}; the same command goes on from there"
            )
    best = min(rates, key=lambda rate: found[rate].best_bits_per_note or float("inf"))
    _go_on(dataset, _folder(out, best), {**sections, "train": replace(sections["train"], lr=best)}, listener)
    trials = {f"{rate:g}": position.best_bits_per_note for rate, position in found.items()}
    text = json.dumps({"trial_steps": tenth, "bits_per_note": trials, "chosen": best}, indent=1)
    (out / "trials.json").write_text(text, encoding="utf-8")
    return _folder(out, best)


def _folder(out: Path, rate: float) -> Path:
    return out / f"lr-{rate:g}"


def _go_on(dataset: Path, out: Path, sections: Mapping[str, Any], listener: Listener) -> Position:
    """Train, from where the run stands if there is one."""
    settings, run = sections["train"], sections["run"]
    store = PieceStore(dataset, "train")
    vocabulary = store.tokenizer.vocabulary
    seed_everything(settings.seed)
    device = choose_device("auto", precision=settings.precision)
    twin = preset_config(run.preset, len(vocabulary))
    config = matched_config(
        parameter_count(twin),
        vocab_size=len(vocabulary),
        n_layer=twin.n_layer,
        n_embd=twin.n_embd,
        ctx_len=sections["batches"].max_tokens,
    )
    model = AttentionModel(config, seed=settings.seed).to(device.torch_device)
    maker, validation = open_data(dataset, store, sections)
    write_settings(out, sections)
    return train(
        cast(Any, model),
        maker.batches,
        validation,
        settings,
        AttentionRunFolder(out, vocabulary.to_json(), settings.keep_checkpoints),
        device,
        note_ids=vocabulary.ids_of("Pitch"),
        resume=(out / "checkpoints").is_dir(),
        listener=lambda report: listener(f"lr {settings.lr:g}", report),
    )
