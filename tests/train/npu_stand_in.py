"""A stand-in for an Ascend NPU: tensors whose device is `npu`, computed on the CPU, and a `torch_npu` that is strict.

`install` makes `import torch_npu` work. From then on a call that has no place on an NPU raises `Forbidden`: anything of
`torch.cuda` called from PianoMuse, float64 or complex tensors, triangular solves, autocast without a dtype, and what
Ascend's fused AdamW cannot stand: gradients set to None, a model that is moved after it was built.

It cannot be taken out again: use it in a process of its own.
"""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

FORBIDDEN_DTYPES = {torch.float64, torch.complex64, torch.complex128}
FORBIDDEN_OPERATORS = ("triangular", "linalg_inv", "linalg_lu", "linalg_solve", "_fused_adam")
calls: Counter[str] = Counter()
"""What was asked of the stand-in."""
held: dict[int, weakref.ref[torch.Tensor]] = {}
"""The parameters that a fused optimizer holds."""


class Forbidden(BaseException):
    """A call that an NPU does not know; no `except Exception` hides it."""


class NpuTensor(torch.Tensor):
    """A tensor on the `npu` whose values lie on the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> NpuTensor:
        if inner.dtype in FORBIDDEN_DTYPES:
            raise Forbidden(f"{inner.dtype} on an NPU")
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device("npu:0"),
        )
        tensor.inner = inner
        return tensor

    def __init__(self, inner: torch.Tensor) -> None:
        super().__init__()

    def tolist(self) -> Any:
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(
        cls, operator: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _compute(operator, args, kwargs or {})


class Module(ModuleType):
    """`torch.npu`."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return False

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def set_device(self, device: object) -> None:
        calls["set_device"] += 1

    def synchronize(self, device: object = None) -> None:
        calls["synchronize"] += 1

    def manual_seed_all(self, seed: int) -> None:
        calls["manual_seed_all"] += 1

    def max_memory_allocated(self, device: object = None) -> int:
        return 1_000_000

    def get_device_name(self, device: object = None) -> str:
        return "stand-in"

    def is_bf16_supported(self) -> bool:
        return True

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


class NpuFusedAdamW(torch.optim.Optimizer):
    """AdamW with the rules of `torch_npu.optim.NpuFusedAdamW`: whole step numbers, and gradients that stay."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
        parameters = [p for group in self.param_groups for p in group["params"]]
        if not all(isinstance(parameter, NpuTensor) for parameter in parameters):
            raise Forbidden("the optimizer was built before the model was moved")
        held.update((id(parameter), weakref.ref(parameter)) for parameter in parameters)
        self.with_gradients: list[bool] | None = None
        calls["NpuFusedAdamW"] += 1

    def zero_grad(self, set_to_none: bool = False) -> None:
        if set_to_none:
            raise Forbidden("set_to_none is not supported in fused optimizers")
        super().zero_grad(set_to_none=False)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        with_gradients = [p.grad is not None for group in self.param_groups for p in group["params"]]
        if self.with_gradients not in (None, with_gradients):
            raise Forbidden("other parameters have gradients than at the first step")
        self.with_gradients = with_gradients
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._step(p, group)

    def _step(self, p: torch.Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[p], group["betas"]
        if not state:
            state |= {"step": 0, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        if type(state["step"]) is not int:
            raise Forbidden("a step that is not a whole number")
        state["step"] += 1
        p.mul_(1 - group["lr"] * group["weight_decay"])
        state["exp_avg"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
        state["exp_avg_sq"].mul_(beta2).add_(p.grad * p.grad, alpha=1 - beta2)
        deviation = (state["exp_avg_sq"] / (1 - beta2 ** state["step"])).sqrt().add_(group["eps"])
        p.addcdiv_(state["exp_avg"], deviation, value=-group["lr"] / (1 - beta1 ** state["step"]))


def install() -> None:
    """Put the stand-in in place of an NPU and its package."""
    module = Module("torch.npu")
    _setup_privateuseone_for_python_backend("npu", module)
    fallbacks, products = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    fallbacks.fallback(lambda operator, *args, **kwargs: _compute(operator, args, kwargs), "PrivateUse1")
    fallbacks.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for operator in (torch.ops.aten.linear.default, torch.ops.aten.matmul.default):
        products.impl(operator, _narrow(operator), "AutocastPrivateUse1")
    install.libraries = fallbacks, products  # type: ignore[attr-defined]  # undone when nobody holds them
    package = ModuleType("torch_npu")
    package.__spec__ = ModuleSpec("torch_npu", None)
    package.npu = module  # type: ignore[attr-defined]
    package.optim = ModuleType("torch_npu.optim")  # type: ignore[attr-defined]
    package.optim.NpuFusedAdamW = NpuFusedAdamW
    sys.modules["torch_npu"] = package
    for name in dir(torch.cuda):
        value = getattr(torch.cuda, name)
        if callable(value) and not isinstance(value, type):
            setattr(torch.cuda, name, _guarded(f"torch.cuda.{name}", value))
    _require_dtype_in_autocast()
    _forbid_moving()


def _compute(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = str(operator)
    if any(word in name for word in FORBIDDEN_OPERATORS):
        raise Forbidden(f"{name} on an NPU")
    calls["operators"] += 1
    to_npu = _names_npu(args, kwargs) or not _names_a_device(args, kwargs)
    inner_args, inner_kwargs = tree_map(_inner, args), tree_map(_inner, kwargs)
    out = operator(*inner_args, **inner_kwargs)
    if operator is torch.ops.aten.copy_.default:
        return args[0]
    wrapped = tree_map(lambda x: NpuTensor(x) if to_npu and isinstance(x, torch.Tensor) else x, out)
    return return_and_correct_aliasing(operator, args, kwargs, wrapped) if to_npu else wrapped


def _inner(value: Any) -> Any:
    if isinstance(value, NpuTensor):
        return value.inner
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == "npu" else value


def _names_npu(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return any(isinstance(x, torch.device) and x.type == "npu" for x in (*args, *kwargs.values()))


def _names_a_device(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return any(isinstance(x, torch.device) for x in (*args, *kwargs.values()))


def _narrow(product: Any) -> Callable[..., Any]:
    """Return a product as autocast has it."""
    key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def compute(*args: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(key):
            dtype = torch.get_autocast_dtype("npu")
            return product(*(x.to(dtype) if isinstance(x, torch.Tensor) else x for x in args))

    return compute


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if str(sys._getframe(1).f_globals.get("__name__")).startswith("pianomuse"):
            raise Forbidden(f"{name} on the path of an NPU")
        return function(*args, **kwargs)

    return call


def _require_dtype_in_autocast() -> None:
    start = torch.autocast.__init__

    def init(self: Any, device_type: str, dtype: Any = None, enabled: bool = True, **options: Any) -> None:
        if device_type == "npu" and enabled:
            if dtype is None:
                raise Forbidden("autocast without a dtype is float16 on an NPU")
            calls[f"autocast {dtype}"] += 1
        start(self, device_type, dtype=dtype, enabled=enabled, **options)

    torch.autocast.__init__ = init  # type: ignore[method-assign]


def _forbid_moving() -> None:
    apply = torch.nn.Module._apply

    def checked(self: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if any(held.get(id(parameter), lambda: None)() is parameter for parameter in self.parameters()):
            raise Forbidden("a model was moved after its optimizer was built")
        return apply(self, *args, **kwargs)

    torch.nn.Module._apply = checked  # type: ignore[method-assign]
