"""Cutting, padding, state, generation, and gradients of PianoMuseRWKV."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torch.nn.functional import cross_entropy

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.data.windows import collate_fn
from pianomuse.errors import CheckpointError, RequestError
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights, weights_of

CONFIG = ModelConfig(vocab_size=61, n_layer=2, n_embd=64, head_size=32)


def living_model(**options: object) -> PianoMuseRWKV:
    model = PianoMuseRWKV(CONFIG, **{"wkv": "reference", **options})  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def ids_of(*lengths: int, width: int) -> torch.Tensor:
    """Random ids 1..60, padded on the right with 0."""
    ids = torch.randint(1, 61, (len(lengths), width), generator=torch.Generator().manual_seed(7))
    for row, length in enumerate(lengths):
        ids[row, length:] = 0
    return ids


def completion_batch() -> dict[str, torch.Tensor]:
    """Three items as a data set gives them: contexts of 4, 19 and 1 tokens, completions of 9, 2 and 15."""
    items = []
    for context, completion in ((4, 9), (19, 2), (1, 15)):
        ids = ids_of(context + completion, width=context + completion)[0].numpy()
        items.append({"input_ids": ids[:-1], "target_ids": ids[1:], "ctx_len": context})
    return collate_fn(items)


def test_cutting_the_context_away_gives_the_loss_and_gradient_of_the_masked_full_computation() -> None:
    batch = completion_batch()
    ids, mask, contexts = batch["input_ids"], batch["attention_mask"], batch["ctx_lengths"]
    kept = (torch.arange(ids.shape[1]) >= contexts[:, None] - 1) & mask.bool()
    targets = batch["target_ids"][kept]

    whole = living_model().train()
    loss = cross_entropy(whole(ids)[kept], targets)
    loss.backward()
    cut = living_model().train()
    logits = cut(ids, ctx_lengths=contexts, attention_mask=mask)
    assert logits.shape == (9 + 2 + 15, 61)
    cut_loss = cross_entropy(logits, targets)
    cut_loss.backward()

    torch.testing.assert_close(cut_loss, loss, atol=1e-6, rtol=1e-6)
    for (name, one), other in zip(whole.named_parameters(), cut.parameters(), strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-4, msg=name)


def test_more_padding_on_the_right_changes_neither_the_cut_logits_nor_a_gradient() -> None:
    batch = completion_batch()
    ids, mask, contexts = batch["input_ids"], batch["attention_mask"], batch["ctx_lengths"]
    wider = {name: functional.pad(batch[name], (0, 7)) for name in ("input_ids", "attention_mask")}
    narrow, wide = living_model().train(), living_model().train()
    logits = narrow(ids, ctx_lengths=contexts, attention_mask=mask)
    padded = wide(wider["input_ids"], ctx_lengths=contexts, attention_mask=wider["attention_mask"])
    torch.testing.assert_close(padded, logits, atol=1e-6, rtol=1e-6)
    logits.square().sum().backward()
    padded.square().sum().backward()
    for (name, one), other in zip(narrow.named_parameters(), wide.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4, msg=name)


@torch.no_grad()
def test_context_is_cut_only_while_training() -> None:
    ids = ids_of(8, width=8)
    model = living_model().eval()
    assert model(ids, ctx_lengths=torch.tensor([5])).shape == (1, 8, 61)
    assert model(ids, return_hidden=True).shape == (1, 8, 64)


@torch.no_grad()
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_padding_on_either_side_changes_neither_logits_nor_state(backend: str) -> None:
    model = living_model(wkv=backend).eval()
    ids = ids_of(9, 5, width=9)
    alone, state = model(ids[1:, :5], return_state=True)
    mask = ids != 0
    right, right_state = model(ids, attention_mask=mask, return_state=True)
    left, left_state = model(ids.flip(1).roll(0), attention_mask=mask.flip(1), return_state=True)
    torch.testing.assert_close(right[1, :5], alone[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model(ids)[1, :5], alone[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(right_state.wkv[:, 1], state.wkv[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(right_state.shift[:, :, 1], state.shift[:, :, 0], atol=1e-5, rtol=1e-5)
    flipped, flipped_state = model(ids[1:, :5].flip(1), return_state=True)
    torch.testing.assert_close(left[1, 4:], flipped[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(left_state.wkv[:, 1], flipped_state.wkv[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(left_state.shift[:, :, 1], flipped_state.shift[:, :, 0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_row_of_padding_alone_leaves_the_state_as_it_was() -> None:
    model = living_model().eval()
    ids = ids_of(6, 6, width=6)
    _, state = model(ids, return_state=True)
    mask = torch.tensor([[1] * 4, [0] * 4])
    _, after = model(ids[:, :4], attention_mask=mask, state=state, return_state=True)
    torch.testing.assert_close(after.wkv[:, 1], state.wkv[:, 1])
    torch.testing.assert_close(after.shift[:, :, 1], state.shift[:, :, 1])
    assert not torch.allclose(after.wkv[:, 0], state.wkv[:, 0])


def test_masks_with_holes_and_impossible_context_lengths_are_refused() -> None:
    model = living_model()
    ids = ids_of(6, width=6)
    with pytest.raises(RequestError, match="padding inside"):
        model(ids, attention_mask=torch.tensor([[1, 1, 0, 1, 1, 1]]))
    with pytest.raises(RequestError, match="ctx_lengths"):
        model(ids, ctx_lengths=torch.tensor([0]))
    with pytest.raises(RequestError, match="ctx_lengths"):
        model(ids, ctx_lengths=torch.tensor([7]))
    with pytest.raises(RequestError, match="T >= 1"):
        model(ids[:, :0])


@pytest.mark.parametrize(("backend", "length"), [("cpu", 1), ("cpu", 17), ("cpu", 65), ("chunked", 65)])
def test_gradients_of_every_tensor_equal_those_in_float64(backend: str, length: int) -> None:
    ids = ids_of(length, length, width=length)

    def gradients(model: PianoMuseRWKV) -> dict[str, torch.Tensor]:
        logits = model(ids)
        weight = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float32)
        (logits * weight.to(logits.dtype)).sum().backward()
        return {name: p.grad.double() for name, p in model.named_parameters() if p.grad is not None}

    exact = gradients(living_model().double())
    fast = gradients(living_model(wkv=backend))
    assert exact.keys() == fast.keys() == dict(living_model().named_parameters()).keys()
    for name, gradient in exact.items():
        if length > 1:
            assert gradient.abs().max() > 0, f"{name} receives no gradient"
        torch.testing.assert_close(fast[name], gradient, atol=2e-4 * float(gradient.abs().max()) + 1e-7, rtol=0)


def test_recomputing_blocks_changes_no_gradient() -> None:
    ids = ids_of(11, width=11)
    plain, recomputed = living_model().train(), living_model(checkpoint_blocks=True).train()
    plain(ids).square().sum().backward()
    recomputed(ids).square().sum().backward()
    for one, other in zip(plain.parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_dropout_works_on_the_stream_while_training_only() -> None:
    torch.manual_seed(0)
    ids = ids_of(11, width=11)
    model = living_model(dropout=0.1)
    with torch.no_grad():
        assert not torch.equal(model.train()(ids), model(ids))
        assert torch.equal(model.eval()(ids), living_model().eval()(ids))


@torch.no_grad()
def test_generating_step_by_step_is_greedy_decoding_of_the_whole_sequence() -> None:
    model = living_model().eval()
    ids = ids_of(7, 7, width=7)
    new = model.generate(ids, 6, temperature=0)
    assert new.shape == (2, 6)
    whole = torch.cat((ids, new), dim=1)
    assert torch.equal(model(whole)[:, 6:-1].argmax(-1), new)


@torch.no_grad()
def test_generation_repeats_with_its_seed_and_keeps_to_the_likeliest() -> None:
    model = living_model().train()
    context = ids_of(7, width=7)[0]
    first = model.generate(context, 20, temperature=1.2, top_p=0.9, seed=3)
    assert torch.equal(first, model.generate(context, 20, temperature=1.2, top_p=0.9, seed=3))
    assert not torch.equal(first, model.generate(context, 20, temperature=1.2, top_p=0.9, seed=4))
    assert model.training
    greedy = model.generate(context, 20, temperature=0)
    assert torch.equal(model.generate(context, 20, top_k=1, seed=9), greedy)
    end = int(greedy[3])
    stopped = model.generate(context, 20, temperature=0, end_token_id=end)
    assert stopped.tolist() == greedy.tolist()[: greedy.tolist().index(end) + 1]
    with pytest.raises(RequestError, match="top_p"):
        model.generate(context, 1, top_p=0.0)


def test_weights_of_another_size_are_refused() -> None:
    weights = weights_of(living_model())
    weights["head.weight"] = weights["head.weight"][:-1]
    with pytest.raises(CheckpointError, match=r"head\.weight"):
        load_weights(living_model(), weights)
