"""RWKV-7 on a CPU without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import RequestError
from pianomuse.runtime.state import State

PIECE = 512
Floats = NDArray[np.float32]


class CpuEngine:
    """A model ready to read and to write tokens on a CPU."""

    def __init__(
        self,
        config: ModelConfig,
        tensors: Mapping[str, Floats],
        *,
        precision: Literal["float32", "int8"] = "float32",
        threads: int | None = None,
    ) -> None:
        """Take float32 tensors under their official names."""
        self.config = config
        self.precision = precision
        self._weights = {name: np.asarray(value, np.float32).squeeze() for name, value in tensors.items()}
        first = "blocks.0.ln0"
        self._emb = _layer_norm(self._weights["emb.weight"], self._weights, first)

    @property
    def vocab_size(self) -> int:
        """Number of tokens V."""
        return self.config.vocab_size

    def prefill(self, ids: NDArray[np.integer], state: State | None = None) -> tuple[Floats, State]:
        """Read a sequence; return the logits [V] after its last token and the state there."""
        hidden, state = self._read(ids, state)
        return self._head(hidden[-1:])[0], state

    def prefill_all(self, ids: NDArray[np.integer], state: State | None = None) -> tuple[Floats, State]:
        """Read a sequence; return the logits [T, V] after every token and the state after the last."""
        hidden, state = self._read(ids, state)
        return self._head(hidden), state

    def step(self, ids: NDArray[np.integer], state: State) -> Floats:
        """Read one token per lane; return logits [B, V] and change the state in place."""
        ids = self._checked(ids)
        if len(ids) != state.batch:
            raise RequestError(f"step: {len(ids)} tokens for {state.batch} lanes; give one token per lane")
        out = np.empty((state.batch, self.vocab_size), np.float32)
        for lane in range(state.batch):
            hidden, after = self._read(ids[lane : lane + 1], state.take([lane]))
            state.shift[:, :, lane], state.wkv[:, lane] = after.shift[:, :, 0], after.wkv[:, 0]
            out[lane] = self._head(hidden)[0]
        return out

    def _checked(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        ids = np.asarray(ids)
        if ids.ndim != 1 or len(ids) == 0 or ids.dtype.kind not in "iu":
            raise RequestError(f"engine: expected a non-empty row of integer ids, got {ids.dtype} {ids.shape}")
        if ids.min() < 0 or ids.max() >= self.vocab_size:
            raise RequestError(f"engine: token ids {ids.min()}..{ids.max()} are not all in 0..{self.vocab_size - 1}")
        return ids.astype(np.int64)

    def _read(self, ids: NDArray[np.integer], state: State | None) -> tuple[Floats, State]:
        ids = self._checked(ids)
        state = State.empty(self.config) if state is None else state.copy()
        if state.batch != 1:
            raise RequestError(f"prefill: a state of {state.batch} lanes; give a state of one lane")
        pieces = [self._piece(ids[start : start + PIECE], state) for start in range(0, len(ids), PIECE)]
        return np.concatenate(pieces), state

    def _head(self, hidden: Floats) -> Floats:
        logits: Floats = _layer_norm(hidden, self._weights, "ln_out") @ self._weights["head.weight"].T
        return logits

    def _piece(self, ids: NDArray[np.int64], state: State) -> Floats:
        x: Floats = self._emb[ids]
        v_first: Floats | None = None
        for layer in range(self.config.n_layer):
            w = {
                name.split(".", 2)[2]: value
                for name, value in self._weights.items()
                if name.startswith(f"blocks.{layer}.")
            }
            x, v_first = self._time_mix(x, v_first, w, state, layer)
            q = _layer_norm(x, w, "ln2")
            d = _shifted(q, state.shift[layer, 1, 0]) - q
            h = np.maximum((q + d * w["ffn.x_k"]) @ w["ffn.key.weight"].T, 0)
            x = x + (h * h) @ w["ffn.value.weight"].T
        return x

    def _time_mix(
        self, x: Floats, v_first: Floats | None, w: dict[str, Floats], state: State, layer: int
    ) -> tuple[Floats, Floats]:
        from pianomuse.kernels.wkv_step import scan

        T, C = x.shape
        H, N = self.config.n_head, self.config.head_size
        q = _layer_norm(x, w, "ln1")
        d = _shifted(q, state.shift[layer, 0, 0]) - q
        mixed = {name: q + d * w[f"att.x_{name}"] for name in "rwkvag"}
        r = mixed["r"] @ w["att.receptance.weight"].T
        k = mixed["k"] @ w["att.key.weight"].T
        v = mixed["v"] @ w["att.value.weight"].T
        decay = np.exp(-0.6065306597126334 * _sigmoid(w["att.w0"] + np.tanh(mixed["w"] @ w["att.w1"]) @ w["att.w2"]))
        a = _sigmoid(w["att.a0"] + mixed["a"] @ w["att.a1"] @ w["att.a2"])
        g = _sigmoid(mixed["g"] @ w["att.g1"]) @ w["att.g2"]
        if v_first is None:
            v_first = v
        else:
            v = v + (v_first - v) * _sigmoid(w["att.v0"] + mixed["v"] @ w["att.v1"] @ w["att.v2"])
        kk = (k * w["att.k_k"]).reshape(T, H, N)
        kk = (kk / np.maximum(np.sqrt((kk * kk).sum(-1, keepdims=True)), 1e-12)).reshape(T, C)
        k = k * (1 + (a - 1) * w["att.k_a"])
        y = np.empty((T, C), np.float32)
        arrays = [np.ascontiguousarray(z, np.float32) for z in (r, decay, k, v, -kk, kk * a)]
        scan(*arrays, state.wkv[layer, 0], y)
        y = y.reshape(T, H, N)
        mean = y.mean(-1, keepdims=True)
        y = ((y - mean) / np.sqrt(y.var(-1, keepdims=True) + 64e-5)).reshape(T, C)
        y = y * w["att.ln_x.weight"] + w["att.ln_x.bias"]
        bonus = (r * k * w["att.r_k"].reshape(C)).reshape(T, H, N).sum(-1, keepdims=True)
        y = y + (bonus * v.reshape(T, H, N)).reshape(T, C)
        return x + (y * g) @ w["att.output.weight"].T, v_first


def _layer_norm(x: Floats, weights: Mapping[str, Floats], name: str) -> Floats:
    mean = x.mean(-1, keepdims=True)
    scaled: Floats = (x - mean) / np.sqrt(x.var(-1, keepdims=True) + np.float32(1e-5))
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _sigmoid(x: Floats) -> Floats:
    return np.float32(1) / (np.float32(1) + np.exp(-np.clip(x, -80, 80)))


def _shifted(q: Floats, carried: Floats) -> Floats:
    before = np.concatenate([carried[None], q[:-1]])
    carried[:] = q[-1]
    return before
