"""Parts of a model that are trained by themselves: frozen parameters, LoRA, a tuned beginning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.devices import choose_device
from pianomuse.errors import CheckpointError, ConfigError
from pianomuse.model.adapters import (
    adapter_tensors,
    add_lora,
    add_time_state,
    freeze,
    load_adapter,
    lora_layers,
    time_states,
)
from pianomuse.model.compiled import use_loops
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights, weights_of
from pianomuse.train.optimizer import make_optimizer
from pianomuse.train.settings import TrainSettings

CPU = choose_device("cpu")
CONFIG = ModelConfig(vocab_size=61, n_layer=2, n_embd=64, head_size=32)
IDS = torch.randint(1, 61, (3, 20), generator=torch.Generator().manual_seed(7))


def living_model(**options: object) -> PianoMuseRWKV:
    model = PianoMuseRWKV(CONFIG, **{"wkv": "reference", **options})  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def one_step(model: PianoMuseRWKV) -> torch.optim.Optimizer:
    optimizer = make_optimizer(model, TrainSettings(lr=0.05), CPU)
    logits: Tensor = model(IDS[:, :-1])
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), IDS[:, 1:].flatten()).backward()
    optimizer.step()
    return optimizer


def test_frozen_parameters_stay_and_get_no_optimizer_state() -> None:
    model, before = living_model(), living_model().state_dict()
    n_frozen = freeze(model, ["emb.*", "blocks.0.*"])
    optimizer = one_step(model)
    learning = {id(parameter) for parameter in optimizer.state}
    assert n_frozen == sum(v.numel() for n, v in before.items() if n.startswith(("emb.", "blocks.0.")))
    for name, parameter in model.named_parameters():
        is_frozen = name.startswith(("emb.", "blocks.0."))
        assert torch.equal(parameter, before[name]) is is_frozen, name
        assert (id(parameter) in learning) is not is_frozen, name


def test_a_pattern_that_fits_nothing_or_everything_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"blocks\.7\.\* fits no parameter; names look like emb\.weight"):
        freeze(living_model(), ["emb.*", "blocks.7.*"])
    with pytest.raises(ConfigError, match="leaves nothing to train"):
        freeze(living_model(), ["*"])


@pytest.mark.parametrize("is_fused", [False, True])
def test_lora_starts_as_the_model_was_and_merges_into_plain_weights(is_fused: bool) -> None:
    model, plain = living_model(), living_model()
    n_trained = add_lora(model, rank=4, alpha=8.0, seed=1)
    if is_fused:
        use_loops(model)
    assert n_trained == 2 * 18 * 64 * 4  # 18 C r a layer
    assert len(lora_layers(model)) == 12
    torch.testing.assert_close(model(IDS), plain(IDS), atol=1e-5, rtol=1e-5)

    optimizer = one_step(model)
    assert sum(parameter.numel() for parameter in optimizer.state) == n_trained
    merged = weights_of(model)
    assert {name: value.shape for name, value in merged.items()} == tensor_shapes(CONFIG)
    changed = {name for name, value in merged.items() if not np.array_equal(value, plain.state_dict()[name].numpy())}
    assert changed == {f"{name}.weight" for name in lora_layers(model)}
    other = living_model()
    load_weights(other, merged)
    torch.testing.assert_close(other(IDS), model(IDS), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(other(IDS), plain(IDS), atol=1e-2)


def test_an_adapter_goes_into_a_model_of_its_rank_only() -> None:
    model, other = living_model(), living_model()
    add_lora(model, rank=4, alpha=8.0, seed=1)
    one_step(model)
    kept = {name: tensor.clone() for name, tensor in adapter_tensors(model).items()}
    add_lora(other, rank=4, alpha=8.0, seed=2)
    load_adapter(other, kept)
    assert torch.equal(other(IDS), model(IDS))
    add_lora(another := living_model(), rank=2, alpha=8.0, seed=1)
    with pytest.raises(CheckpointError, match=r"blocks\.0\.att\.receptance\.lora_A"):
        load_adapter(another, kept)
    with pytest.raises(ConfigError, match="choose 1 to 64"):
        add_lora(living_model(), rank=65, alpha=8.0, seed=1)


def test_a_tuned_beginning_of_zeros_changes_nothing_and_alone_is_trained() -> None:
    model, plain = living_model(), living_model()
    n_trained = add_time_state(model)
    assert n_trained == 2 * 2 * 32 * 32
    torch.testing.assert_close(model(IDS), plain(IDS))
    optimizer = one_step(model)
    assert sum(parameter.numel() for parameter in optimizer.state) == n_trained
    assert set(time_states(model)) == {"blocks.0.att.time_state", "blocks.1.att.time_state"}
    assert not torch.allclose(model(IDS), plain(IDS), atol=1e-3)
    for name, value in weights_of(model).items():
        np.testing.assert_array_equal(value, plain.state_dict()[name].numpy(), err_msg=name)


def test_the_beginning_is_the_state_before_the_first_token() -> None:
    model = living_model(wkv="cpu")
    add_time_state(model)
    one_step(model)
    whole = model(IDS)
    torch.testing.assert_close(model(IDS, state=model.empty_state(3)), whole)
    first, state = model(IDS[:, :7], return_state=True)
    torch.testing.assert_close(torch.cat((first, model(IDS[:, 7:], state=state)), dim=1), whole, atol=1e-5, rtol=1e-5)
    zeros = model.empty_state(3)
    zeros.wkv.zero_()
    assert not torch.allclose(model(IDS, state=zeros), whole, atol=1e-3)


@pytest.mark.parametrize("wkv", ["cpu", "chunked"])
@pytest.mark.parametrize("is_checkpointed", [False, True])
def test_the_gradient_of_the_beginning_is_summed_over_the_batch(wkv: str, is_checkpointed: bool) -> None:
    def gradient(rows: Tensor, **options: object) -> Tensor:
        model = living_model(**options).train()
        add_time_state(model)
        with torch.no_grad():
            for block in model.blocks:
                block.att.time_state.normal_(generator=torch.Generator().manual_seed(3))  # type: ignore[union-attr]
        model(rows).square().sum().backward()
        return torch.stack([block.att.time_state.grad for block in model.blocks])  # type: ignore[union-attr]

    singly = sum(gradient(row[None]) for row in IDS)
    together = gradient(IDS, wkv=wkv, checkpoint_blocks=is_checkpointed)
    torch.testing.assert_close(together, singly, atol=1e-3, rtol=1e-3)
