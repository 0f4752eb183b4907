"""Random weights that exercise every part of an RWKV-7 model, and its definition restated in float64 NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes

Tensors = dict[str, NDArray[np.float32]]


def random_weights(config: ModelConfig, seed: int = 0) -> Tensors:
    """Weights with no part switched off: all mixes, ranks, gates and norms matter, decays range from short to long."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in tensor_shapes(config).items():
        part = name.rsplit(".", 1)[-1]
        normal = rng.standard_normal(shape)
        if part.startswith("x_"):
            value = rng.uniform(0, 1, shape)
        elif part == "w0":
            value = rng.uniform(-7, 1, shape)
        elif part in ("a0", "v0", "k_a"):
            value = rng.uniform(-1, 1, shape)
        elif part in ("k_k", "r_k"):
            value = 0.5 + 0.3 * normal
        elif part == "bias":
            value = 0.2 * normal
        elif len(shape) == 1 or part == "s0":
            value = 1 + 0.2 * normal
        elif part in ("w1", "a1", "v1", "g1", "w2", "a2", "v2", "g2", "s1", "s2"):
            value = normal / np.sqrt(shape[0])
        else:
            value = normal * (3 if name == "head.weight" else 1) / np.sqrt(shape[1])
        tensors[name] = value.astype(np.float32)
    return tensors


class Definition:
    """RWKV-7, one token at a time, in float64; written from the formulas, as slow and plain as they are."""

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.config = config
        self.z = {name: np.squeeze(value).astype(np.float64) for name, value in tensors.items()}
        L, C, H, N = config.n_layer, config.n_embd, config.n_head, config.head_size
        self.shift = np.zeros((L, 2, C))
        self.wkv = np.zeros((L, H, N, N))

    def read(self, ids: NDArray[np.integer]) -> NDArray[np.float64]:
        """Logits after every token."""
        return np.stack([self.token(int(token)) for token in ids])

    def token(self, token: int) -> NDArray[np.float64]:
        z = self.z
        x = norm(z["emb.weight"][token], z["blocks.0.ln0.weight"], z["blocks.0.ln0.bias"])
        v_first = None
        for layer in range(self.config.n_layer):
            p = {n.removeprefix(f"blocks.{layer}."): t for n, t in z.items() if n.startswith(f"blocks.{layer}.")}
            q = norm(x, p["ln1.weight"], p["ln1.bias"])
            y, v_first = self.time_mix(q, self.shift[layer, 0], v_first, p, self.wkv[layer])
            self.shift[layer, 0] = q
            x = x + y
            q = norm(x, p["ln2.weight"], p["ln2.bias"])
            mixed = q + (self.shift[layer, 1] - q) * p["ffn.x_k"]
            self.shift[layer, 1] = q
            hidden = np.maximum(p["ffn.key.weight"] @ mixed, 0) ** 2
            if self.config.deep_embed_rank:
                hidden *= self.gate(token, q, p)
            x = x + p["ffn.value.weight"] @ hidden
        return z["head.weight"] @ norm(x, z["ln_out.weight"], z["ln_out.bias"])

    def gate(self, token, q, p):
        z, R = self.z, self.config.deep_embed_rank
        embedded = norm(z["emb.weight"][token], z["blocks.0.ln0.weight"], z["blocks.0.ln0.bias"])
        matrix = (p["ffn.s_emb.weight"][token] + p["ffn.s_emb_x.weight"] @ embedded).reshape(R, R)
        return q @ p["ffn.s1"] @ matrix @ p["ffn.s2"] + p["ffn.s0"]

    def time_mix(self, q, before, v_first, p, wkv):
        H, N = self.config.n_head, self.config.head_size
        m = {name: q + (before - q) * p[f"att.x_{name}"] for name in "rwkvag"}
        r, k, v = (p[f"att.{n}.weight"] @ m[n[0]] for n in ("receptance", "key", "value"))
        log_decay = -np.exp(-0.5) * sigmoid(p["att.w0"] + np.tanh(m["w"] @ p["att.w1"]) @ p["att.w2"])
        a = sigmoid(p["att.a0"] + (m["a"] @ p["att.a1"]) @ p["att.a2"])
        g = sigmoid(m["g"] @ p["att.g1"]) @ p["att.g2"]
        if v_first is None:
            v_first = v
        else:
            v = v + (v_first - v) * sigmoid(p["att.v0"] + (m["v"] @ p["att.v1"]) @ p["att.v2"])
        kk = k * p["att.k_k"]
        k = k * (1 + (a - 1) * p["att.k_a"])
        y = np.empty(H * N)
        for head in range(H):
            at = slice(head * N, head * N + N)
            unit = kk[at] / np.linalg.norm(kk[at])
            S = wkv[head]
            S[:] = S * np.exp(log_decay[at]) + np.outer(S @ -unit, unit * a[at]) + np.outer(v[at], k[at])
            y[at] = S @ r[at]
            y[at] = (y[at] - y[at].mean()) / np.sqrt(y[at].var() + 64e-5)
            y[at] = y[at] * p["att.ln_x.weight"][at] + p["att.ln_x.bias"][at]
            y[at] += (r[at] * k[at] * p["att.r_k"].reshape(H, N)[head]).sum() * v[at]
        return p["att.output.weight"] @ (y * g), v_first


def norm(x, weight, bias):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * weight + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture(scope="session")
def config() -> ModelConfig:
    """Small, with every rank different, and a vocabulary that is no multiple of anything."""
    return ModelConfig(vocab_size=211, n_layer=3, n_embd=128, decay_rank=32, iclr_rank=40, value_rank=24, gate_rank=96)


@pytest.fixture(scope="session")
def tensors(config: ModelConfig) -> Tensors:
    return random_weights(config)


@pytest.fixture(scope="session")
def make_weights() -> Callable[..., Tensors]:
    return random_weights


@pytest.fixture(scope="session")
def definition() -> type[Definition]:
    return Definition
