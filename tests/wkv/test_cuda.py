"""The CUDA kernels against the definition.

Without a GPU the same source runs on the CPU, thread by thread (cuda_on_cpu.h), behind the same Python code; and nvcc
compiles it for the cards that matter. The tests marked gpu run the kernels for real.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CDLL
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pianomuse.errors import ConfigError
from pianomuse.wkv import cuda, cuda_build, gpu, reference

HERE = Path(__file__).resolve().parent
SOURCE = Path(cuda_build.__file__).with_name("wkv7.cu")
NVCC = shutil.which("nvcc")


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    gpu.why_not.cache_clear()
    yield
    gpu.why_not.cache_clear()


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> CDLL:
    """The kernels compiled for the CPU."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++ to run the CUDA kernels on the CPU")
    library = tmp_path_factory.mktemp("wkv7") / "libwkv7.so"
    header = f'-DWKV7_ON_CPU="{HERE / "cuda_on_cpu.h"}"'
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-Wno-unknown-pragmas"]
    command = [compiler, *flags, header, "-x", "c++", str(SOURCE), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return cuda_build.load(library)


@pytest.fixture
def operator(emulated: CDLL, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Tensor, Tensor]]:
    """The operator with the kernels on the CPU: one thread has 1 row, one block of the chain 16 values."""

    @contextmanager
    def no_stream(_: torch.device) -> Iterator[None]:
        yield None

    monkeypatch.setattr(cuda_build, "library", lambda _: emulated)
    monkeypatch.setattr(cuda, "_stream", no_stream)
    monkeypatch.setattr(cuda, "_processors", lambda _: 1000)
    return cuda.wkv7


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    def choose(rows: int, values: int) -> None:
        monkeypatch.setattr(cuda, "rows_per_thread", lambda *_: rows)
        monkeypatch.setattr(cuda, "values_per_block", lambda *_: values)

    return choose


@pytest.mark.parametrize("has_state", [True, False])
@pytest.mark.parametrize("T", [1, 2, 15, 16, 17, 63, 64, 65, 100, 1000])
def test_output_state_and_gradients_equal_the_definition(definition, operator, T: int, has_state: bool) -> None:
    definition.compare(operator, "usual", (2, T, 1) if T < 20 else (1, T, 1), has_state=has_state)


@pytest.mark.parametrize(("rows", "values"), [(1, 16), (2, 64), (4, 64)])
def test_heads_spread_over_threads_and_blocks_in_every_way(definition, operator, split, rows, values) -> None:
    split(rows, values)
    definition.compare(operator, "usual", (2, 19, 2))


@pytest.mark.parametrize("values", [16, 64])
@pytest.mark.parametrize("case", ["maximal decay", "decay near 1", "repeated keys"])
def test_extreme_music_does_not_lose_precision(definition, operator, split, case: str, values: int) -> None:
    split(1 if values == 16 else 4, values)
    definition.compare(operator, case, (1, 130, 1))


@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_tensors_cost_only_their_own_rounding(definition, operator, split, dtype, rows: int) -> None:
    split(rows, 16 if rows == 1 else 64)
    definition.compare(operator, "usual", (1, 21, 2), dtype=dtype)


def test_the_order_of_threads_changes_nothing(definition, operator, split, emulated: CDLL) -> None:
    """A missing barrier would show here: the threads run in another order each time."""
    given = definition.inputs("usual", 1, 19, 1)
    for rows, values in ((1, 16), (2, 64), (4, 64)):
        split(rows, values)
        results = []
        for seed in (1, 2, 3):
            emulated.thread_order(seed)
            results.append(definition.run(operator, given))
        for again in results[1:]:
            for x, z in zip(results[0], again, strict=True):
                assert torch.equal(x, z)


def test_tensors_in_any_memory_order_and_at_any_address(definition, operator) -> None:
    given = definition.inputs("usual", 2, 17, 2)
    turned = [x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0) for x in given[:6]]
    shifted = [torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape) for x in given]
    assert all(not x.is_contiguous() for x in turned)
    assert any(x.data_ptr() % 16 for x in shifted)
    wanted = operator(*given)
    for other in ([*turned, given[6]], shifted):
        for x, z in zip(operator(*other), wanted, strict=True):
            assert torch.equal(x, z)


def test_mixed_dtypes_are_computed_in_float32_and_keep_their_own(definition, operator) -> None:
    given = definition.inputs("usual", 1, 9, 1)
    given[2], given[1] = given[2].bfloat16(), given[1].bfloat16()
    got = definition.run(operator, given)
    assert [x.dtype for x in got[2:]] == [x.dtype for x in given]
    exact = definition.exact(given)
    definition.check(got, exact, torch.bfloat16)
    got[3:5] = exact[3:5]  # the gradients of the two: rounded
    definition.check(got, exact, torch.float32)


def test_chained_pieces_equal_one_run(definition, operator) -> None:
    given = definition.inputs("usual", 1, 40, 1)

    def chained(*leaves: Tensor) -> tuple[Tensor, Tensor]:
        ys, S, begin = [], leaves[6], 0
        for length in (1, 15, 17, 7):
            y, S = operator(*(x[:, begin : begin + length] for x in leaves[:6]), S)
            ys.append(y)
            begin += length
        return torch.cat(ys, dim=1), S

    definition.check(definition.run(chained, given), definition.exact(given), torch.float32)


def test_padding_on_the_right_changes_neither_output_nor_state(definition, operator) -> None:
    definition.compare_padded(operator)


def test_nothing_is_read_from_uninitialised_memory(definition, operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)
    try:
        definition.compare(operator, "usual", (1, 35, 1), has_state=False)
    finally:
        torch.use_deterministic_algorithms(False)


def test_nothing_is_kept_where_no_gradient_is_wanted(definition, operator, monkeypatch: pytest.MonkeyPatch) -> None:
    given = definition.inputs("usual", 1, 18, 1)
    kept = operator(*(x.clone().requires_grad_() for x in given))
    outputs = []
    run = cuda._run
    monkeypatch.setattr(cuda, "_run", lambda *args: (outputs.append(args[4]), run(*args)))
    for x, z in zip(operator(*given), kept, strict=True):
        assert torch.equal(x, z)
    assert outputs[0][2:] == [None, None]


def test_only_one_output_used_and_the_final_state_is_the_callers_own(definition, operator) -> None:
    given = definition.inputs("usual", 1, 20, 1)
    exact = [x.double().requires_grad_() for x in given]
    for which in (0, 1):
        leaves = [x.clone().requires_grad_(at in (2, 6)) for at, x in enumerate(given)]
        outputs = operator(*leaves)
        got = torch.autograd.grad(outputs[which].sin().sum(), [leaves[2], leaves[6]], retain_graph=True)
        true = torch.autograd.grad(reference.wkv7(*exact)[which].sin().sum(), [exact[2], exact[6]])
        for x, z in zip(got, true, strict=True):
            assert float((x.double() - z).norm() / z.norm()) < 5e-6
        outputs[1].detach().zero_()  # the graph must not depend on its memory
        if which == 0:
            again = torch.autograd.grad(outputs[0].sin().sum(), [leaves[2], leaves[6]])
            assert all(torch.equal(x, z) for x, z in zip(got, again, strict=True))


def test_a_kernel_that_does_not_start_is_an_error(definition, operator, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        wkv7_forward = staticmethod(lambda *_: 1)
        wkv7_error = staticmethod(lambda _: b"out of memory")

    monkeypatch.setattr(cuda_build, "library", lambda _: Refusing)
    with pytest.raises(RuntimeError, match="wkv7_forward did not start: out of memory"):
        operator(*definition.inputs("usual", 1, 3, 1))


def test_few_heads_are_spread_thinly_and_many_are_not() -> None:
    assert [cuda.rows_per_thread(heads, 132) for heads in (1, 64, 263, 264, 527, 528, 4096)] == [1, 1, 1, 2, 2, 4, 4]
    assert [cuda.values_per_block(heads, 132) for heads in (1, 131, 132, 4096)] == [16, 16, 64, 64]


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="needs nvcc")
def test_nvcc_compiles_the_kernels_without_spilling_registers(tmp_path: Path) -> None:
    cards = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in (80, 89, 90)]
    command = [str(NVCC), *cuda_build.CUDA_FLAGS, *cards, "-std=c++17", "-Xptxas", "-v", "-Werror", "all-warnings"]
    library = tmp_path / "wkv7.so"
    command += ["-shared", "-Xcompiler", "-fPIC", str(SOURCE), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert cuda_build.load(library).wkv7_error(0) == b"no error"
    kernels = re.findall(r"Compiling entry function '(\w+)' for 'sm_(\d+)'", done.stderr)
    assert sorted({card for _, card in kernels}) == ["80", "89", "90"]
    assert len(kernels) == 3 * 3 * (3 + 2 + 1)  # cards, dtypes; forward, chain and gradient kernels
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr)
    assert len(frames) == len(kernels)
    assert set(frames) == {("0", "0", "0")}
    registers = [int(number) for number in re.findall(r"Used (\d+) registers", done.stderr)]
    assert max(registers) <= 128  # two blocks of 256 threads fit on a multiprocessor


def fake_card(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(folder))
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))


def fake_tools(monkeypatch: pytest.MonkeyPatch, folder: Path, release: str = "12.6") -> Path:
    tools = folder / "cuda" / "bin"
    tools.mkdir(parents=True)
    for name, answer in (("nvcc", f"Cuda compilation tools, release {release}, V1"), ("ninja", "1.12")):
        (tools / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (tools / name).chmod(0o755)
    monkeypatch.setattr("torch.utils.cpp_extension.CUDA_HOME", str(tools.parent))
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return tools


def test_the_library_is_built_once_beside_others_and_named_after_what_it_was_made_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_card(monkeypatch, tmp_path)
    fake_tools(monkeypatch, tmp_path)
    calls: list[dict[str, Any]] = []

    def load(**arguments: Any) -> None:
        calls.append(arguments)
        (Path(arguments["build_directory"]) / "wkv7.so").write_bytes(b"library")

    monkeypatch.setattr("torch.utils.cpp_extension.load", load)
    monkeypatch.setattr("torch.utils.cpp_extension.LIB_EXT", ".so")
    assert gpu.why_not("cuda", "cuda", 64) is None
    assert not cuda_build.is_built()
    path = cuda_build.build((9, 0))
    assert cuda_build.is_built()
    assert path.read_bytes() == b"library"
    assert "-gencode=arch=compute_90,code=sm_90" in calls[0]["extra_cuda_cflags"]
    assert not any(" " in flag for flag in calls[0]["extra_cuda_cflags"])
    assert [file.name for file in tmp_path.glob("*wkv7*")] == [path.name]
    assert cuda_build.library_path((8, 9)) != path
    monkeypatch.setattr(torch, "__version__", "3.0")
    assert cuda_build.library_path((9, 0)) != path


def test_the_librarys_name_depends_on_every_source_file() -> None:
    included = {
        name for file in SOURCE.parent.glob("wkv7*.cu*") for name in re.findall(r'"(\S+\.cuh)"', file.read_text())
    }
    assert set(cuda_build._SOURCES) == {"wkv7.cu"} | included == {file.name for file in SOURCE.parent.glob("*.cu*")}


def test_a_compiler_that_fails_gives_one_line_and_leaves_its_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_card(monkeypatch, tmp_path)
    fake_tools(monkeypatch, tmp_path)

    def load(**_: Any) -> None:
        assert os.environ["PATH"].endswith(str(Path(sys.executable).parent))  # pip's ninja
        raise RuntimeError("Error building extension 'wkv7'\n[1/2] nvcc ..\nwkv7.cu(3): error: no such thing\nmore\n")

    monkeypatch.setattr("torch.utils.cpp_extension.load", load)
    before = dict(os.environ)
    with pytest.raises(ConfigError, match=r"do not compile: wkv7\.cu\(3\): error: no such thing; all of it") as caught:
        cuda_build.build((9, 0))
    assert "\n" not in str(caught.value)
    assert dict(os.environ) == before
    assert "more" in next(tmp_path.glob("*.log")).read_text()


def test_what_is_missing_for_a_build_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def why_not() -> str | None:
        gpu.why_not.cache_clear()
        return gpu.why_not("cuda", "cuda", 64)

    monkeypatch.setattr(torch.version, "cuda", None)
    assert why_not() == "PyTorch finds no CUDA device"
    fake_card(monkeypatch, tmp_path)
    monkeypatch.setattr("torch.utils.cpp_extension.CUDA_HOME", None)
    assert "nvcc is not found" in str(why_not())
    with pytest.raises(ConfigError, match="cannot be built: nvcc is not found"):
        cuda_build.build((9, 0))
    fake_tools(monkeypatch, tmp_path, release="11.8")
    assert "nvcc is of CUDA 11.8 and PyTorch of CUDA 12.8" in str(why_not())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (7, 5))
    assert "older than compute capability 8.0" in str(why_not())


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("has_state", [True, False])
@pytest.mark.parametrize("T", [1, 2, 15, 16, 17, 63, 64, 65, 100, 1000])
def test_on_a_gpu_everything_equals_the_definition(definition_on_gpu, T: int, has_state: bool, dtype) -> None:
    definition_on_gpu.compare(cuda.wkv7, "usual", (2, T, 3), has_state=has_state, dtype=dtype)


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("rows", "values"), [(1, 16), (2, 64), (4, 64)])
@pytest.mark.parametrize("case", ["maximal decay", "decay near 1", "repeated keys"])
def test_on_a_gpu_extreme_music_does_not_lose_precision(definition_on_gpu, split, case, rows, values, dtype) -> None:
    split(rows, values)
    definition_on_gpu.compare(cuda.wkv7, case, (2, 130, 2), dtype=dtype)
