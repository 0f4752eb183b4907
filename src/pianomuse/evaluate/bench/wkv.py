"""How fast the WKV-7 backends are, forward and backward.

Peers on a CPU, each with one and with all threads, the better one counts: `loop`, autograd through the definition
(timed on `loop_steps` steps; a longer graph costs more per step), and `autograd-chunks`, the chunk form differentiated
by PyTorch. On a CUDA device `autograd-chunks`, `step`, the way RWKV's own training kernels go (with Triton), and, where
installed, `fla`, `chunk_rwkv7` of flash-linear-attention.

Ceiling on a CPU: the arithmetic of the step form (36 N² operations per step and head) at the multiply-add speed
measured here; on a GPU: reading and writing every input, output and gradient once at the bandwidth measured here.
Memory: what a backend keeps for backward beyond its inputs, and (Linux) how far the peak of a fresh process grows.

Legend: B batch, T steps, H heads, N head size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from pianomuse.devices import Device, choose_device
from pianomuse.evaluate.bench import ceilings
from pianomuse.evaluate.bench.memory import kept_bytes, peak_growth_bytes
from pianomuse.evaluate.bench.outcome import Outcome, Row, Tell, machine
from pianomuse.evaluate.bench.turns import Clock, Slice, fastest, take_turns
from pianomuse.train.environment import n_cores
from pianomuse.wkv import available_backends, chunked, wkv7

HEAD_SIZE = 64
OPERATIONS = 36  # per step and state entry: 9 forward, 8 to have the state again, 19 backward
TENSORS_MOVED = 20  # forward reads 6 and writes 1, backward reads 7 and writes 6

Given = list[Tensor]
Operator = Callable[[Given], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Settings:
    """Sizes and how long to measure."""

    batch_size: int = field(default=8, metadata={"help": "B", "min": 1, "max": 4096})
    steps: int = field(
        default=1024, metadata={"help": "T, a multiple of 32", "min": 32, "max": 1_048_576, "multiple_of": 32}
    )
    heads: int = field(default=6, metadata={"help": "H, of 64 channels each", "min": 1, "max": 256})
    loop_steps: int = field(default=128, metadata={"help": "T of the reference loop", "min": 1, "max": 65_536})
    dtype: str = field(
        default="float32", metadata={"help": "of the inputs", "choices": ("float32", "bfloat16", "float16")}
    )
    device: str = field(default="auto", metadata={"help": "auto, cpu or cuda"})
    seconds: float = field(default=5.0, metadata={"help": "for each contender", "min": 0, "max": 3600})
    busy: bool = field(
        default=False,
        metadata={"help": "one thread, and its processor time in place of the clock: for a machine with other load"},
    )
    memory: bool = field(default=True, metadata={"help": "also measure memory"})

    @property
    def size(self) -> tuple[int, int, int, int]:
        """B, T, H, N."""
        return self.batch_size, self.steps - self.steps % 32, self.heads, HEAD_SIZE

    @property
    def short(self) -> tuple[int, int, int, int]:
        """The same for the loop."""
        return self.batch_size, min(self.size[1], self.loop_steps), self.heads, HEAD_SIZE


def measure(settings: Settings, tell: Tell = lambda text: None) -> Outcome:
    """Compare every backend that runs here with its peers."""
    device = choose_device(settings.device)
    kind = device.torch_device
    ours = [name for name, reason in available_backends(kind).items() if reason is None and name != "reference"]
    names = [*ours, *_peers(kind)]
    tell(f"timing {', '.join(names)}")
    best = take_turns(_slices(names, settings, device), seconds=settings.seconds)
    ceiling = _ceiling(settings, kind)
    rows = []
    for name in ours:
        for peer in _peers(kind):
            speed = fastest(best, name)
            assert speed is not None
            rows.append(Row(f"wkv/{name}/{peer}", speed, fastest(best, peer), "tokens/s", ceiling))
    details: dict[str, Any] = {"size": dict(zip("BTHN", settings.size, strict=True)), "dtype": settings.dtype}
    if settings.memory:
        tell("measuring memory")
        details |= _memory(names, settings, kind)
    said = machine(
        threads=1 if settings.busy else n_cores(),
        clock="processor time" if settings.busy else "wall",
        gpu=torch.cuda.get_device_name(kind) if kind.type == "cuda" else None,
    )
    return Outcome(said, rows, details, _notes(kind))


def operator(name: str) -> Operator:
    """Return a backend, or a peer, as a function of the six inputs."""
    if name == "loop":
        return lambda given: wkv7(*given, backend="reference")
    if name == "autograd-chunks":
        return autograd_chunks
    if name == "fla":
        return _fla
    if name == "step":
        from pianomuse.evaluate.bench import step_kernel

        return lambda given: step_kernel.wkv7(*given)
    return lambda given: wkv7(*given, backend=name)


def autograd_chunks(given: Given) -> tuple[Tensor, Tensor]:
    """Return what wkv7 returns, by the chunk form of `pianomuse.wkv.chunked` left to PyTorch's autograd."""
    B, T, H, N = given[0].shape
    L = chunked.L
    r, log_decay, k, v, a, b = (x.float().view(B, T // L, L, H, N).permute(0, 3, 1, 2, 4) for x in given)
    total = log_decay.cumsum(-2)
    P = total.exp()
    A, R, Bs, K = a * (total - log_decay).exp(), r * P, b / P, k / P
    inverse = chunked.unit_triangular_inverse((A @ Bs.mT).tril(-1))
    W, U0 = inverse @ A, inverse @ ((A @ K.mT).tril(-1) @ v)
    S, states, U = r.new_zeros(B, H, N, N), [], []
    for c in range(T // L):
        states.append(S)
        U.append(W[:, :, c] @ S.mT + U0[:, :, c])
        S = (S + v[:, :, c].mT @ K[:, :, c] + U[c].mT @ Bs[:, :, c]) * P[:, :, c, -1:]
    y = R @ torch.stack(states, 2).mT + (R @ K.mT).tril() @ v + (R @ Bs.mT).tril() @ torch.stack(U, 2)
    return y.permute(0, 2, 3, 1, 4).reshape(B, T, H, N).to(given[0].dtype), S


def inputs(size: tuple[int, int, int, int], dtype: str = "float32", device: str | torch.device = "cpu") -> Given:
    """Return r, log_decay (float32), k, v, a, b as the layers make them, all of them wanting a gradient."""
    generator = torch.Generator().manual_seed(0)
    r, k, v, removal, rate, decay = (torch.randn(size, generator=generator) for _ in range(6))
    removal = torch.nn.functional.normalize(removal, dim=-1)
    half = [x.to(getattr(torch, dtype)) for x in (r, k, v, -removal, removal * rate.sigmoid())]
    log_decay = -0.6065 * torch.sigmoid(decay)
    return [x.to(device).requires_grad_() for x in (half[0], log_decay, *half[1:])]


def _fla(given: Given) -> tuple[Tensor, Tensor]:
    chunk_rwkv7 = import_module("fla.ops.rwkv7").chunk_rwkv7
    r, log_decay, k, v, a, b = given
    y, final = chunk_rwkv7(r=r, w=log_decay, k=k, v=v, a=a, b=b, scale=1.0, output_final_state=True)
    return y, final


def _peers(device: torch.device) -> list[str]:
    if device.type == "cpu":
        return ["loop", "autograd-chunks"]
    return ["autograd-chunks", *(["step"] if find_spec("triton") else []), *(["fla"] if find_spec("fla") else [])]


def _notes(device: torch.device) -> list[str]:
    if device.type == "cuda" and find_spec("fla") is None:
        return ["flash-linear-attention is not installed and was left out: pip install flash-linear-attention"]
    return []


def _slices(names: list[str], settings: Settings, device: Device) -> dict[str, Slice]:
    long, short = (inputs(size, settings.dtype, device.torch_device) for size in (settings.size, settings.short))
    clock: Clock = time.process_time if settings.busy else time.perf_counter
    slices: dict[str, Slice] = {}
    for name in names:
        given = short if name == "loop" else long
        is_peer = name in _peers(device.torch_device)
        for threads in [1] if settings.busy else sorted({1, n_cores()} if is_peer else {n_cores()}):
            slices[f"{name}/{threads}"] = _slice(operator(name), given, threads, clock, device)
    return slices


def _slice(run: Operator, given: Given, threads: int, clock: Clock, device: Device) -> Slice:
    dy = torch.ones_like(given[0])

    def slice_() -> float:
        torch.set_num_threads(threads)
        device.synchronise()
        began = clock()
        torch.autograd.grad(run(given)[0], given, dy)
        device.synchronise()
        return dy.shape[0] * dy.shape[1] / (clock() - began)

    return slice_


def _ceiling(settings: Settings, device: torch.device) -> float:
    """Return tokens per second."""
    channels = settings.heads * HEAD_SIZE
    if device.type == "cuda":
        item_bytes = torch.empty(0, dtype=getattr(torch, settings.dtype)).element_size()
        return ceilings.copy_bytes_per_s(device) / (TENSORS_MOVED * channels * item_bytes)
    threads = 1 if settings.busy else n_cores()
    return threads * ceilings.operations_per_s() / (OPERATIONS * channels * HEAD_SIZE)


def _memory(names: list[str], settings: Settings, device: torch.device) -> dict[str, dict[str, float]]:
    kept = {}
    for name in names:
        given = inputs(settings.short if name == "loop" else settings.size, settings.dtype, device)
        n_tokens = given[0].shape[0] * given[0].shape[1]
        kept[name] = kept_bytes(partial(operator(name), given), given) / n_tokens
    found = {"kept_bytes_per_token": kept}
    if device.type == "cpu":
        growth = {name: peak_growth_bytes(forward_backward, name, settings) for name in names}
        if "loop" in growth and growth["loop"] is not None:
            growth["loop"] *= settings.size[1] // settings.short[1]
        found["peak_bytes"] = {name: size for name, size in growth.items() if size is not None}
    return found


def forward_backward(name: str, settings: Settings, *, is_small: bool = False) -> Callable[[], object]:
    """Return a forward and backward pass with everything it needs at hand; small, to load what is loaded once."""
    size = settings.short if name == "loop" else settings.size
    given = inputs((1, 32, 1, HEAD_SIZE) if is_small else size, settings.dtype)
    dy = torch.ones_like(given[0])
    return lambda: torch.autograd.grad(operator(name)(given)[0], given, dy)
