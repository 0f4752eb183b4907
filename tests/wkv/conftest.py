"""What the tests of the GPU backends share: hard inputs, and the comparison with the definition in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import pytest
import torch
from torch import Tensor

from pianomuse.wkv import reference

Operator = Callable[..., tuple[Tensor, Tensor]]
NAMES = ("y", "final_state", "dr", "dlog_decay", "dk", "dv", "da", "db", "dstate")
MAXIMAL_DECAY = -0.60653066

# as in test_operator: largest |x - exact| / |exact| (2-norm), for every output and gradient alike
TOLERANCE = {torch.float32: 5e-6, torch.bfloat16: 5e-3, torch.float16: 1e-3}


@dataclass(frozen=True)
class Definition:
    """Runs operators on inputs as the layers of RWKV-7 make them, and compares them with the reference in float64."""

    device: str = "cpu"

    def inputs(
        self, case: str, B: int, T: int, H: int, N: int = 64, dtype: torch.dtype = torch.float32
    ) -> list[Tensor]:
        """r, log_decay (float32 always), k, v, a, b and a state; `case` names what is extreme."""
        g = torch.Generator().manual_seed(T)
        r, k, v, removal, decay, rate = (torch.randn(B, T, H, N, generator=g) for _ in range(6))
        rate, log_decay = torch.sigmoid(rate), MAXIMAL_DECAY * torch.sigmoid(3 * decay)
        if case == "maximal decay":
            log_decay = torch.full_like(decay, MAXIMAL_DECAY)
        if case == "decay near 1":
            log_decay = torch.full_like(decay, -2e-4)
        if case == "repeated keys":
            removal, log_decay, rate = removal[:, :1].expand_as(k), torch.zeros_like(decay), torch.full_like(rate, 0.95)
            k = removal
        removal = torch.nn.functional.normalize(removal, dim=-1)
        half = [x.contiguous().to(dtype) for x in (r, k, v, -removal, removal * rate)]
        state = torch.randn(B, H, N, N, generator=g)
        return [x.to(self.device) for x in (half[0], log_decay, *half[1:], state)]

    def run(self, operator: Operator, given: list[Tensor], dtype: torch.dtype | None = None) -> list[Tensor]:
        """y, final state and the gradients of a random linear function of both; in `dtype` if that is given."""
        leaves = [(x if dtype is None else x.to(dtype)).clone().requires_grad_() for x in given]
        y, final = operator(*leaves, None) if len(leaves) == 6 else operator(*leaves)
        g = torch.Generator().manual_seed(7)
        dy, dfinal = torch.randn(y.shape, generator=g).to(given[0]), torch.randn(final.shape, generator=g).to(final)
        return [y.detach(), final.detach(), *torch.autograd.grad([y, final], leaves, [dy.to(y), dfinal])]

    def exact(self, given: list[Tensor]) -> list[Tensor]:
        """The same by the reference in float64."""
        return self.run(reference.wkv7, given, torch.float64)

    def check(self, got: list[Tensor], exact: list[Tensor], dtype: torch.dtype) -> None:
        """Fail where an output or a gradient is further from the exact one than the dtype allows."""
        assert len(got) == len(exact) >= 8
        for name, x, true in zip(NAMES, got, exact, strict=False):
            _require_close(name, x, true, dtype)

    def compare_padded(self, operator: Operator) -> None:
        """Hold rows padded on the right, no decay and nothing written there, to the same rows alone."""
        lengths = torch.tensor([3, 40, 33])
        *sequences, state = self.inputs("usual", 3, 48, 1)
        here = (torch.arange(48)[None] < lengths[:, None])[:, :, None, None].to(self.device)
        r, log_decay, k, v, a, b = sequences
        y, final = operator(r, log_decay * here, k * here, v * here, a, b * here, state)
        for row, length in enumerate(lengths.tolist()):
            y_alone, final_alone = operator(*(x[row : row + 1, :length] for x in sequences), state[row : row + 1])
            _require_close("y", y[row : row + 1, :length], y_alone, torch.float32)
            _require_close("final_state", final[row : row + 1], final_alone, torch.float32)

    def compare(
        self, operator: Operator, case: str, size: tuple[int, ...], *, has_state: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        """Hold an operator to the definition: y, final state and all gradients, in their dtypes."""
        given = self.inputs(case, *size, dtype=dtype)[: 7 if has_state else 6]
        got = self.run(operator, given)
        assert [x.dtype for x in got] == [dtype, torch.float32, *(x.dtype for x in given)]
        self.check(got, _exact(self, case, size, has_state, dtype), dtype)


def _require_close(name: str, x: Tensor, true: Tensor, dtype: torch.dtype) -> None:
    assert x.shape == true.shape, name
    x, true = x.detach().double().cpu(), true.detach().double().cpu()
    error = float((x - true).norm() / true.norm().clamp_min(true.numel() ** 0.5))
    assert error < TOLERANCE[dtype], f"{name}: relative error {error:.1e}"


@lru_cache
def _exact(where: Definition, case: str, size: tuple[int, ...], has_state: bool, dtype: torch.dtype) -> list[Tensor]:
    on_cpu = Definition().inputs(case, *size, dtype=dtype)[: 7 if has_state else 6]
    return Definition().exact(on_cpu)


@pytest.fixture(scope="session")
def definition() -> Definition:
    """The comparison on the CPU."""
    return Definition()


@pytest.fixture(scope="session")
def definition_on_gpu() -> Definition:
    """The comparison of results from a CUDA device."""
    return Definition("cuda")
