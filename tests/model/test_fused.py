"""The compiled loops, and torch.compile, compute what the plain form computes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import ConfigError
from pianomuse.model.compiled import can_use_loops, compile_blocks, use_loops
from pianomuse.model.rwkv import ModelState, PianoMuseRWKV

CONFIG = ModelConfig(vocab_size=40, n_layer=3, n_embd=128)
Gradients = dict[str, torch.Tensor]


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def model_of(*, is_fused: bool, spread: float = 0.1) -> PianoMuseRWKV:
    model = PianoMuseRWKV(CONFIG, wkv="cpu").train()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))
    if is_fused:
        use_loops(model)
    return model


def run(model: PianoMuseRWKV, batch: int, length: int, *, narrow: bool = False) -> tuple[torch.Tensor, Gradients]:
    """Logits and gradients, with a carried state that also gets its gradient, and padding on the left."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 40, (batch, length), generator=generator)
    empty = model.empty_state(batch)
    shift = (0.1 * torch.randn(empty.shift.shape, generator=generator)).requires_grad_()
    wkv = (0.1 * torch.randn(empty.wkv.shape, generator=generator)).requires_grad_()
    mask = torch.ones(batch, length)
    mask[-1, : length // 3] = 0
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow):
        logits, after = model(ids, attention_mask=mask, state=ModelState(shift, wkv), return_state=True)
    logits = logits.float()
    weight = torch.randn(logits.shape, generator=generator)
    ((logits * weight).sum() + after.wkv.square().sum() + after.shift.square().sum()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert shift.grad is not None
    assert wkv.grad is not None
    return logits.detach(), {**gradients, "shift": shift.grad, "wkv": wkv.grad}


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (2, 17), (3, 700)])
def test_logits_and_every_gradient_are_those_of_the_plain_form(batch: int, length: int) -> None:
    logits, gradients = run(model_of(is_fused=False), batch, length)
    fused_logits, fused_gradients = run(model_of(is_fused=True), batch, length)
    torch.testing.assert_close(fused_logits, logits, atol=1e-4, rtol=1e-4)
    assert fused_gradients.keys() == gradients.keys()
    assert len(gradients) == len(list(model_of(is_fused=False).parameters())) + 2
    for name, gradient in gradients.items():
        error = (fused_gradients[name] - gradient).norm() / gradient.norm().clamp(min=1e-6)
        assert error < 2e-5, f"{name}: {error}"


def test_in_bfloat16_the_loops_are_as_near_to_float32_as_the_plain_form(one_thread: None) -> None:
    _, exact = run(model_of(is_fused=False), 2, 65)
    plain_logits, plain = run(model_of(is_fused=False), 2, 65, narrow=True)
    fused_logits, fused = run(model_of(is_fused=True), 2, 65, narrow=True)
    assert fused_logits.std() == pytest.approx(plain_logits.std().item(), rel=0.01)

    def mean_error(gradients: Gradients) -> float:
        errors = [(gradients[name] - exact[name]).norm() / exact[name].norm() for name in exact]
        return float(torch.stack(errors).mean())

    assert 0 < mean_error(fused) < 1.15 * mean_error(plain) < 0.1


def test_extreme_logits_keep_their_gradients_finite_and_equal() -> None:
    """Sigmoids at both ends: what is 1 - sigmoid must not be computed as a difference."""
    plain, fused = model_of(is_fused=False), model_of(is_fused=True)
    for model in (plain, fused):
        with torch.no_grad():
            for block in model.blocks:
                block.att.w0.copy_(torch.linspace(-200, 200, 128))  # type: ignore[operator,union-attr]
                block.att.a0.copy_(torch.linspace(200, -200, 128))  # type: ignore[operator,union-attr]
    _, one = run(plain, 2, 9)
    _, other = run(fused, 2, 9)
    for name, gradient in one.items():
        assert other[name].isfinite().all(), name
        torch.testing.assert_close(other[name], gradient, atol=2e-5 * float(gradient.abs().max()) + 1e-12, rtol=1e-3)


def test_the_number_of_threads_changes_sums_by_rounding_only() -> None:
    before = torch.get_num_threads()
    results = []
    try:
        for n_threads in (1, 3):
            torch.set_num_threads(n_threads)
            results.append(run(model_of(is_fused=True), 2, 500)[1])
    finally:
        torch.set_num_threads(before)
    for name, gradient in results[0].items():
        torch.testing.assert_close(results[1][name], gradient, atol=1e-5 * float(gradient.abs().max()), rtol=1e-3)


def test_models_that_the_loops_cannot_run_are_refused() -> None:
    narrow_heads = PianoMuseRWKV(ModelConfig(40, 2, 64, head_size=16))
    assert not can_use_loops(narrow_heads)
    assert not can_use_loops(PianoMuseRWKV(CONFIG).double())
    with pytest.raises(ConfigError, match="multiple of 32"):
        use_loops(narrow_heads)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # PyTorch looks at it while it captures
def test_blocks_that_torch_compile_captured_compute_the_same(one_thread: None) -> None:
    """`aot_eager` captures forward and backward as inductor would, and runs them without a compiler."""
    logits, gradients = run(model_of(is_fused=False), 2, 9)
    captured = model_of(is_fused=False)
    compile_blocks(captured, backend="aot_eager")
    captured_logits, captured_gradients = run(captured, 2, 9)
    torch.testing.assert_close(captured_logits, logits, atol=1e-4, rtol=1e-4)
    for name, gradient in gradients.items():
        torch.testing.assert_close(captured_gradients[name], gradient, atol=1e-4, rtol=1e-3, msg=name)


def test_compiling_on_a_cpu_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=r"install g\+\+"):
        compile_blocks(model_of(is_fused=False))
