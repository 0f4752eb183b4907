"""Two stages for a model whose embedding and head are new and whose body is not.

Where a text model gets a music vocabulary, everything between embedding and head knows something and the two know
nothing: their first gradients would only shake the body. So at first (stage 1) just the new rows and the norms learn;
then (stage 2) all of it, the body at a low rate, the new rows at a few times that. The stage is a function of the step
alone, so that a resumed run goes on in the stage it was in.

Orientation: fine-tuning of RWKV-7 text models; see docs/howto/start-from-other-weights.md for what was tested.
"""

from __future__ import annotations

import torch
from torch import nn

from pianomuse.errors import ConfigError
from pianomuse.train.settings import TrainSettings

NEW_ROWS = ("emb.weight", "head.weight", "ffn.s_emb.weight")  # one row for every token
NORMS = ("ln0", "ln1", "ln2", "ln_out")  # ln_x stays: it belongs to what the heads have learnt


def check_stages(settings: TrainSettings) -> None:
    """Refuse a first stage that leaves nothing for the second.

    Raises:
        ConfigError: it is as long as the run.
    """
    if settings.stages == "yes" and settings.stage1_steps >= settings.n_steps:
        raise ConfigError(
            f"stage1_steps = {settings.stage1_steps}: a run of {settings.n_steps} steps ends before the body learns; "
            "choose fewer with --set stage1_steps=N, or --set stages=no"
        )


def part_of(name: str) -> str:
    """Return whether a parameter is among the new `rows`, the `norms`, or the `body`."""
    if name.endswith(NEW_ROWS):
        return "rows"
    return "norms" if any(word in NORMS for word in name.split(".")) else "body"


def lr_share(settings: TrainSettings, part: str, step: int) -> float:
    """Return by how much a part's learning rate is multiplied at a step; after the change the body warms up again."""
    if settings.stages != "yes":
        return 1.0
    into = step - settings.stage1_steps
    if into < 0:
        return 0.0 if part == "body" else 1.0
    if part == "rows":
        return settings.stage2_body_lr * settings.stage2_rows_lr
    warmup = min(1.0, 0.01 + 0.99 * into / settings.warmup_steps) if settings.warmup_steps else 1.0
    return settings.stage2_body_lr * (warmup if part == "body" else 1.0)


def split_by_part(model: nn.Module, groups: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the optimizer's groups with every group's parts in groups of their own, named `part`."""
    parts = {id(parameter): part_of(name) for name, parameter in model.named_parameters()}
    split = []
    for group in groups:
        members = group["params"]
        assert isinstance(members, list)
        for part in ("rows", "norms", "body"):
            own = [parameter for parameter in members if parts[id(parameter)] == part]
            if own:
                split.append({**group, "params": own, "part": part})
    return split


def share_learning_rate(optimizer: torch.optim.Optimizer, settings: TrainSettings, step: int) -> None:
    """Multiply every group's learning rate by the share of its part at this step."""
    for group in optimizer.param_groups:
        group["lr"] *= lr_share(settings, group.get("part", "body"), step)


def forget_idle_gradients(model: nn.Module, settings: TrainSettings, step: int) -> None:
    """Drop the gradients of what does not learn at this step, so that they neither clip the rest nor fill moments."""
    if lr_share(settings, "body", step) == 0:
        for name, parameter in model.named_parameters():
            if part_of(name) == "body":
                parameter.grad = None
