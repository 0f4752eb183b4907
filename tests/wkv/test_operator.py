"""Every backend against the definition in float64: output, final state and all seven gradients."""

import doctest
from collections.abc import Iterator
from functools import lru_cache

import pytest
import torch
from torch import Tensor

import pianomuse.wkv
from pianomuse.kernels import share
from pianomuse.kernels import wkv as kernel
from pianomuse.wkv import chunked, wkv7

BACKENDS = ("chunked", "cpu")
NAMES = ("y", "final_state", "dr", "dlog_decay", "dk", "dv", "da", "db", "dstate")

# Largest |x - exact| / |exact| (2-norm), for every backend, case, output and gradient alike. The exact value comes from
# the same rounded inputs; what is left in half precision is the rounding of the result. Where the exact gradient is
# (nearly) zero, as without a state before the first step, the error is measured against entries of the inputs' size, 1.
TOLERANCE = {torch.float32: 5e-6, torch.bfloat16: 5e-3, torch.float16: 1e-3}

MAXIMAL_DECAY = -0.60653066


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors are too small to share; what threads do is tested with the kernel."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sequences(case: str, B: int, T: int, H: int, N: int, seed: int = 0) -> list[Tensor]:
    """r, log_decay, k, v, a, b as the layers of RWKV-7 make them; `case` names what is extreme."""
    g = torch.Generator().manual_seed(seed)
    r, k, v, removal, decay = (torch.randn(B, T, H, N, generator=g) for _ in range(5))
    rate = torch.sigmoid(torch.randn(B, T, H, N, generator=g))
    log_decay = MAXIMAL_DECAY * torch.sigmoid(3 * decay)
    if case == "maximal decay":
        log_decay = torch.full_like(decay, MAXIMAL_DECAY)
    if case == "decay near 1":
        log_decay = torch.full_like(decay, -2e-4)
    if case == "repeated keys":
        removal, log_decay, rate = removal[:, :1].expand_as(k), torch.zeros_like(decay), torch.full_like(rate, 0.95)
        k = removal
    removal = torch.nn.functional.normalize(removal, dim=-1)
    return [r, log_decay, k.contiguous(), v, -removal, removal * rate]


def first_state(B: int, H: int, N: int) -> Tensor:
    return torch.randn(B, H, N, N, generator=torch.Generator().manual_seed(99))


def run(
    inputs: list[Tensor], state: Tensor | None, backend: str, dtype: torch.dtype, rounded: torch.dtype = torch.float32
) -> list[Tensor]:
    """y, final state and the gradients of a random linear function of both, y's factors rounded to a dtype."""
    given = [tensor.to(dtype).clone().requires_grad_() for tensor in inputs]
    if state is not None:
        given.append(state.to(torch.promote_types(dtype, torch.float32)).clone().requires_grad_())
    y, final = wkv7(*given, backend=backend)
    g = torch.Generator().manual_seed(7)
    dy, dfinal = torch.randn(y.shape, generator=g), torch.randn(final.shape, generator=g)
    directions = [dy.to(rounded).to(y.dtype), dfinal.to(final.dtype)]
    return [y.detach(), final.detach(), *torch.autograd.grad([y, final], given, directions)]


@lru_cache
def exact(case: str, B: int, T: int, H: int, N: int, has_state: bool) -> list[Tensor]:
    state = first_state(B, H, N) if has_state else None
    return run(sequences(case, B, T, H, N), state, "reference", torch.float64)


def assert_close(got: list[Tensor], wanted: list[Tensor], dtype: torch.dtype = torch.float32) -> None:
    for name, x, true in zip(NAMES, got, wanted, strict=False):
        assert x.shape == true.shape
        x, true = x.detach().double(), true.detach().double()
        error = float((x - true).norm() / true.norm().clamp_min(true.numel() ** 0.5))
        assert error < TOLERANCE[dtype], f"{name}: relative error {error:.1e}"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("has_state", [True, False])
@pytest.mark.parametrize("T", [1, 2, 15, 16, 17, 63, 64, 65, 100])
def test_output_state_and_gradients_equal_the_definition(T: int, has_state: bool, backend: str) -> None:
    size = (2, T, 2, 64) if T < 60 else (1, T, 1, 64)
    state = first_state(size[0], size[2], 64) if has_state else None
    got = run(sequences("usual", *size), state, backend, torch.float32)
    assert len(got) == (9 if has_state else 8)
    assert_close(got, exact("usual", *size, has_state))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", ["usual", "maximal decay", "decay near 1", "repeated keys"])
def test_extreme_music_does_not_lose_precision(case: str, backend: str) -> None:
    T = 1000 if case == "usual" else 130
    size = (1, T, 1, 32)
    got = run(sequences(case, *size), first_state(1, 1, 32), backend, torch.float32)
    assert_close(got, exact(case, *size, True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("N", [8, 40])
def test_any_head_size(N: int, backend: str) -> None:
    size = (2, 21, 3, N)
    got = run(sequences("usual", *size), first_state(2, 3, N), backend, torch.float32)
    assert_close(got, exact("usual", *size, True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_tensors_cost_only_their_own_rounding(dtype: torch.dtype, backend: str) -> None:
    inputs = [tensor.to(dtype) for tensor in sequences("usual", 1, 50, 2, 64)]
    wanted = run(inputs, first_state(1, 2, 64), "reference", torch.float64, rounded=dtype)
    got = run(inputs, first_state(1, 2, 64), backend, dtype, rounded=dtype)
    assert [tensor.dtype for tensor in got] == [dtype, torch.float32, *[dtype] * 6, torch.float32]
    assert_close(got, wanted, dtype)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_autocast_changes_nothing(backend: str) -> None:
    inputs = sequences("repeated keys", 1, 40, 2, 64)
    plain = run(inputs, None, backend, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = run(inputs, None, backend, torch.float32)
    own_backward = backend != "reference"  # the others' gradients are not made by PyTorch, autocast or not
    for x, z in list(zip(plain, under_autocast, strict=True))[: None if own_backward else 2]:
        assert torch.equal(x, z)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_chained_pieces_equal_one_run(backend: str) -> None:
    inputs, state = sequences("usual", 1, 100, 2, 64), first_state(1, 2, 64)

    def chained(*given: Tensor) -> tuple[Tensor, Tensor]:
        ys, S, begin = [], given[6], 0
        for length in (1, 15, 33, 16, 35):
            y, S = wkv7(*(tensor[:, begin : begin + length] for tensor in given[:6]), S, backend=backend)
            ys.append(y)
            begin += length
        return torch.cat(ys, dim=1), S

    given = [tensor.clone().requires_grad_() for tensor in (*inputs, state)]
    y, final = chained(*given)
    g = torch.Generator().manual_seed(7)
    directions = [torch.randn(y.shape, generator=g), torch.randn(final.shape, generator=g)]
    got = [y, final, *torch.autograd.grad([y, final], given, directions)]
    assert_close(got, exact("usual", 1, 100, 2, 64, True))


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_padding_on_the_right_changes_neither_output_nor_state(backend: str) -> None:
    lengths = torch.tensor([3, 40, 17, 64])
    inputs, state = sequences("usual", 4, 64, 2, 32), first_state(4, 2, 32)
    here = (torch.arange(64)[None] < lengths[:, None])[:, :, None, None]
    r, log_decay, k, v, a, b = inputs
    y, final = wkv7(r, log_decay * here, k * here, v * here, a, b * here, state, backend=backend)
    for row, length in enumerate(lengths.tolist()):
        alone = [tensor[row : row + 1, :length] for tensor in inputs]
        y_alone, final_alone = wkv7(*alone, state[row : row + 1], backend=backend)
        assert_close([y[row : row + 1, :length], final[row : row + 1]], [y_alone, final_alone])


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_read_from_uninitialised_memory(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allocate = kernel.aligned

    def poisoned(shape: tuple[int, ...]) -> kernel.Floats:
        memory = allocate(shape)
        memory[...] = float("nan")
        return memory

    monkeypatch.setattr(kernel, "aligned", poisoned)
    monkeypatch.setattr(share, "aligned", poisoned)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)
    try:
        got = run(sequences("usual", 2, 17, 2, 64), None, backend, torch.float32)
    finally:
        torch.use_deterministic_algorithms(False)
    assert_close(got, exact("usual", 2, 17, 2, 64, False))


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_one_output_used_and_only_one_gradient_wanted(backend: str) -> None:
    inputs = sequences("usual", 1, 20, 2, 64)
    wanted = [tensor.double().requires_grad_() for tensor in inputs]
    given = [tensor.clone().requires_grad_(at == 2) for at, tensor in enumerate(inputs)]
    for output in (0, 1):
        (true,) = torch.autograd.grad(wkv7(*wanted, backend="reference")[output].sin().sum(), [wanted[2]])
        (got,) = torch.autograd.grad(wkv7(*given, backend=backend)[output].sin().sum(), [given[2]])
        assert float((got.double() - true).norm() / true.norm()) < TOLERANCE[torch.float32]


@pytest.mark.parametrize("backend", BACKENDS)
def test_tensors_in_any_memory_order(backend: str) -> None:
    inputs = sequences("usual", 2, 17, 2, 64)
    turned = [tensor.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0) for tensor in inputs]
    assert not turned[0].is_contiguous()
    for x, z in zip(wkv7(*turned, backend=backend), wkv7(*inputs, backend=backend), strict=True):
        assert torch.equal(x, z)


def test_the_chunk_form_in_blocks_of_rows_equals_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, state = sequences("usual", 3, 20, 2, 32), first_state(3, 2, 32)
    whole = run(inputs, state, "chunked", torch.float32)
    monkeypatch.setattr(chunked, "CPU_BLOCK", 2 * 20 * 2 * 32)  # two rows, then one
    assert_close(run(inputs, state, "chunked", torch.float32), whole)


def test_inputs_stay_as_they_are_and_the_final_state_is_the_callers_own() -> None:
    inputs, state = sequences("usual", 1, 20, 2, 64), first_state(1, 2, 64)
    before = [tensor.clone() for tensor in (*inputs, state)]
    for backend in BACKENDS:
        given = [tensor.clone().requires_grad_() for tensor in inputs]
        y, final = wkv7(*given, state, backend=backend)
        gradient = torch.autograd.grad(y.sum(), given, retain_graph=True)
        final.detach().zero_()  # a caller may write into it; the graph must not depend on its memory
        for x, z in zip(gradient, torch.autograd.grad(y.sum(), given), strict=True):
            assert torch.equal(x, z)
    wkv7(*inputs, state, backend="reference")
    for x, z in zip(before, (*inputs, state), strict=True):
        assert torch.equal(x, z)


def test_the_definition_has_exact_gradients() -> None:
    tensors = [tensor.double().requires_grad_() for tensor in (*sequences("usual", 1, 3, 2, 3), first_state(1, 2, 3))]
    assert torch.autograd.gradcheck(lambda *given: wkv7(*given, backend="reference"), tensors)


def test_the_definition_is_the_formula() -> None:
    r, log_decay, k, v, a, b = (tensor[0, :, 0].double() for tensor in sequences("usual", 1, 4, 1, 5))
    S = first_state(1, 1, 5).double()
    y, final = wkv7(*(x[None, :, None] for x in (r, log_decay, k, v, a, b)), S, backend="reference")
    S = S[0, 0]
    for t in range(4):
        S = S @ torch.diag(log_decay[t].exp()) + torch.outer(S @ a[t], b[t]) + torch.outer(v[t], k[t])
        assert torch.allclose(y[0, t, 0], S @ r[t])
    assert torch.allclose(final[0, 0], S)


def test_the_example_in_the_docstring_runs() -> None:
    results = doctest.testmod(pianomuse.wkv)
    assert results.attempted > 0
    assert results.failed == 0
