"""The Triton kernels against the definition.

On a machine without a GPU everything here runs in Triton's interpreter, in a process of its own: Triton reads
TRITON_INTERPRET when it is imported. On a GPU the same tests run for real. What the interpreter does not do, rounding
the factors of products, is put into it by `rounded_products`. One test compiles the kernels for a card.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
Operator = Callable[..., tuple[Tensor, Tensor]]
pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="needs triton")
outside = pytest.mark.skipif(IS_INTERPRETED, reason="runs outside of the interpreter")
on_gpu = pytest.mark.skipif(IS_INTERPRETED or not torch.cuda.is_available(), reason="needs a CUDA device")
inside = pytest.mark.skipif(not IS_INTERPRETED, reason="runs in the interpreter's process")
anywhere = pytest.mark.skipif(
    not IS_INTERPRETED and not torch.cuda.is_available(),
    reason="runs in the interpreter's process, or on a CUDA device",
)


@outside
def test_everything_runs_in_the_interpreter_on_a_cpu() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", __file__]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed.group(1)) >= 20


@pytest.fixture
def check(definition, definition_on_gpu):
    return definition if IS_INTERPRETED else definition_on_gpu


@pytest.fixture
def operator() -> Operator:
    from pianomuse.wkv import triton

    torch.set_num_threads(1)
    return triton.wkv7


@anywhere
@pytest.mark.parametrize(
    ("T", "has_state"),
    list(zip((1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100), 6 * (True, False), strict=True)),
)
def test_output_state_and_gradients_equal_the_definition(check, operator: Operator, T: int, has_state: bool) -> None:
    check.compare(operator, "usual", (1, T, 2 if T < 20 else 1), has_state=has_state)


@anywhere
def test_a_thousand_steps(check, operator: Operator) -> None:
    check.compare(operator, "usual", (1, 1000, 1, 32))


@anywhere
def test_padding_on_the_right_changes_neither_output_nor_state(check, operator: Operator) -> None:
    check.compare_padded(operator)


@anywhere
@pytest.mark.parametrize("case", ["maximal decay", "decay near 1", "repeated keys"])
def test_extreme_music_does_not_lose_precision(check, operator: Operator, case: str) -> None:
    check.compare(operator, case, (1, 70, 1))


@anywhere
@pytest.mark.parametrize("rows", [16, 32])
def test_batch_rows_heads_and_values_are_kept_apart(check, operator: Operator, monkeypatch, rows: int) -> None:
    from pianomuse.wkv import triton

    monkeypatch.setattr(triton, "_value_rows", lambda *_: rows)
    check.compare(operator, "usual", (2, 3, 2))


@anywhere
def test_a_smaller_head(check, operator: Operator) -> None:
    check.compare(operator, "usual", (1, 40, 2, 32))


@anywhere
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_tensors_cost_only_their_own_rounding(check, operator: Operator, dtype: torch.dtype) -> None:
    check.compare(operator, "usual", (1, 20, 1), dtype=dtype)


@anywhere
def test_tensors_in_any_memory_order(check, operator: Operator) -> None:
    given = check.inputs("usual", 2, 5, 2)
    turned = [x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0) for x in given[:6]]
    state = given[6].mT.contiguous().mT
    assert not turned[0].is_contiguous()
    for x, z in zip(operator(*turned, state), operator(*given), strict=True):
        assert torch.equal(x, z)


@anywhere
def test_chained_pieces_equal_one_run(check, operator: Operator) -> None:
    given = check.inputs("usual", 1, 40, 1)

    def chained(*leaves: Tensor) -> tuple[Tensor, Tensor]:
        first, S = operator(*(x[:, :33] for x in leaves[:6]), leaves[6])
        second, S = operator(*(x[:, 33:] for x in leaves[:6]), S)
        return torch.cat((first, second), dim=1), S

    check.check(check.run(chained, given), check.exact([x.cpu() for x in given]), torch.float32)


@anywhere
def test_nothing_is_read_from_uninitialised_memory(check, operator: Operator, monkeypatch) -> None:
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)
    try:
        check.compare(operator, "usual", (1, 35, 1), has_state=False)
    finally:
        torch.use_deterministic_algorithms(False)


@anywhere
def test_only_one_output_used_and_the_final_state_is_the_callers_own(check, operator: Operator) -> None:
    from pianomuse.wkv import reference

    given = check.inputs("usual", 1, 20, 1)
    exact = [x.double().cpu().requires_grad_() for x in given]
    for which in (0, 1):
        leaves = [x.clone().requires_grad_(at in (2, 6)) for at, x in enumerate(given)]
        outputs = operator(*leaves)
        if which == 0:
            outputs[1].detach().zero_()  # the graph must not depend on its memory
        got = torch.autograd.grad(outputs[which].sin().sum(), [leaves[2], leaves[6]])
        true = torch.autograd.grad(reference.wkv7(*exact)[which].sin().sum(), [exact[2], exact[6]])
        for x, z in zip(got, true, strict=True):
            assert float((x.double().cpu() - z).norm() / z.norm()) < 5e-6


@anywhere
@pytest.mark.parametrize("T", [16, 48])
def test_the_step_kernel_that_the_benchmark_meets_is_right(check, T: int) -> None:
    from pianomuse.evaluate.bench import step_kernel
    from pianomuse.wkv import reference

    given = [x.requires_grad_() for x in check.inputs("usual", 2, T, 2, 32)[:6]]
    exact = [x.detach().double().cpu().requires_grad_() for x in given]
    y, final = step_kernel.wkv7(*given)
    true_y, true_final = reference.wkv7(*exact, None)
    got = [y, final, *torch.autograd.grad(y.sin().sum(), given)]
    true = [true_y, true_final, *torch.autograd.grad(true_y.sin().sum(), exact)]
    for x, z in zip(got, true, strict=True):
        x, z = x.detach().double().cpu(), z.detach()
        assert float((x - z).norm() / z.norm()) < 1e-4  # it divides states out of one another


def rounded(x: Any, bits: int) -> Any:
    """A tensor of the interpreter with its numbers rounded to the nearest of so many bits."""
    result, drop = x + 0.0, 24 - bits
    pattern = np.ascontiguousarray(x.handle.data).view(np.uint32).astype(np.uint64)
    pattern = (pattern + (1 << (drop - 1)) - 1 + (pattern >> drop & 1)) >> drop << drop
    result.handle.data = pattern.astype(np.uint32).view(np.float32).reshape(x.handle.data.shape)
    return result


def rounded_product(x: Any, z: Any, precision: Any) -> Any:
    """What tensor cores make of x z: TF32 keeps 11 bits of each factor, bfloat16 8; x3 and x6 add corrections."""
    import triton.language as tl

    name = getattr(precision, "value", precision)
    kinds = {"tf32": (11, 1, 1), "tf32x3": (11, 2, 3), "bf16x3": (8, 2, 3), "bf16x6": (8, 3, 6)}
    bits, n_parts, n_products = kinds[name]
    x_parts, z_parts = [], []
    for _ in range(n_parts):
        x_parts.append(rounded(x, bits))
        z_parts.append(rounded(z, bits))
        x, z = x - x_parts[-1], z - z_parts[-1]
    pairs = sorted(((i, j) for i in range(n_parts) for j in range(n_parts)), key=sum)[:n_products]
    total = None
    for i, j in reversed(pairs):
        product = tl.dot(x_parts[i], z_parts[j], input_precision="ieee")
        total = product if total is None else total + product
    return total


@inside
@pytest.mark.parametrize("case", ["usual", "repeated keys"])
@pytest.mark.parametrize(
    ("dtype", "is_older"),
    [(torch.bfloat16, False), (torch.float16, False), (torch.float32, False), (torch.float32, True)],
)
def test_products_on_tensor_cores_are_exact_enough(
    check, operator: Operator, monkeypatch, dtype: torch.dtype, case: str, is_older: bool
) -> None:
    """The precision chosen on a GPU, simulated; accumulation there is float32 like here."""
    from pianomuse.wkv import triton, triton_kernels

    chosen = triton.OLDER if is_older else triton.PRECISIONS[dtype]
    monkeypatch.setattr(triton, "_precision", lambda _: chosen)
    monkeypatch.setattr(triton_kernels, "_dot", rounded_product)
    check.compare(operator, case, (1, 100, 1), dtype=dtype)


@outside
@pytest.mark.slow
def test_the_kernels_compile_without_spilling_registers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For bfloat16 on sm_90; the shared memory must also fit on the cards that have least of it."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from pianomuse.wkv import triton as backend
    from pianomuse.wkv import triton_kernels as kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    sizes = {"H": 8, "N": 64, "L": backend.CHUNK_STEPS, "V": 32, "HAS_STATE": True, "HAS_FINAL": True}
    precision = backend.PRECISIONS[torch.bfloat16]
    sizes |= {"EXACT": precision.exact, "FAST": precision.fast}
    half = {"r", "k", "v", "a", "b", "y", "dy", "dr", "dk", "dv", "da", "db"}
    each = ("forward_parts", "output", "backward_parts", "key_gradients", "value_gradients")
    for name in (*each, "forward_chain", "backward_chain"):
        kernel = getattr(kernels, name)
        signature, constants, attributes = {}, {}, {}
        for at, argument in enumerate(kernel.arg_names):
            if argument in sizes:
                signature[argument], constants[(at,)] = "constexpr", sizes[argument]
            elif argument in ("T", "n_chunks"):
                signature[argument] = "i32"
            else:
                signature[argument] = "*bf16" if argument in half else "*fp32"
                attributes[(at,)] = [["tt.divisibility", 16]]
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=attributes)
        options = backend._EACH if name in each else backend._CHAIN
        compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        (tmp_path / "kernel.cubin").write_bytes(compiled.asm["cubin"])
        report = subprocess.run(
            [tool, "--dump-resource-usage", tmp_path / "kernel.cubin"], capture_output=True, text=True, check=True
        ).stdout
        assert "STACK:0 " in report, f"{name}: {report}"
        assert compiled.metadata.shared <= 99 * 1024, name


@on_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", ["usual", "maximal decay", "decay near 1", "repeated keys"])
@pytest.mark.parametrize("T", [63, 64, 100, 1000])
def test_on_a_gpu_everything_equals_the_definition(check, operator: Operator, T: int, case: str, dtype) -> None:
    check.compare(operator, case, (2, T, 3), dtype=dtype)
