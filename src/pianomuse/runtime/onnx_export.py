"""A model as an ONNX graph that reads one token for every lane, with the state going in and coming out.

    ids int64 [B], shift float32 [L, 2, B, C], wkv float32 [L, B, H, N, N]  ->  logits [B, V], next_shift, next_wkv

Begin with zeros, feed the two states back. The graph is built node by node, so exporting needs no PyTorch; it is then
run in onnxruntime beside our own engine, and a file that says anything else is not written.

Legend: B lanes, C width, L layers, H heads, N head size, V vocabulary, F width of the channel mix, R rank of DeepEmbed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.checkpoint.export import require_free
from pianomuse.checkpoint.store import Checkpoint
from pianomuse.errors import RequestError
from pianomuse.midi.write import write_atomically
from pianomuse.runtime.engine import CpuEngine
from pianomuse.runtime.state import State

OPSET, IR_VERSION = 18, 9
MAX_BYTES = 2_000_000_000  # what one file of the format can hold
TOLERANCE = 1e-4
N_CHECKED = 48
_DECAY_LIMIT = 0.6065306597126334  # exp(-1/2)
_EPS, _HEAD_EPS = 1e-5, 64e-5


def export_onnx(checkpoint: Checkpoint, path: Path, *, replace: bool = False) -> list[str]:
    """Write a model as ONNX; whole, checked, or not at all.

    Args:
        checkpoint: what to write.
        path: the file.
        replace: whether a file that is there may be replaced.

    Returns:
        What the user of the file should know, a line each.

    Raises:
        RequestError: the extra is missing, the model is too large for one file, or the file is there already.
    """
    require_free(path, replace=replace)
    try:
        import onnx
    except ImportError as error:
        raise RequestError(
            "--format onnx needs the packages onnx and onnxruntime: pip install 'pianomuse[onnx]'"
        ) from error
    if (size := 4 * sum(tensor.size for tensor in checkpoint.tensors.values())) > MAX_BYTES:
        raise RequestError(f"--format onnx: {size:,} bytes of weights do not fit into one file; use safetensors")
    data = _Graph(checkpoint.config, checkpoint.tensors).model(checkpoint.vocabulary_fingerprint).SerializeToString()
    onnx.checker.check_model(data)
    difference = largest_difference(data, checkpoint)
    if not difference < TOLERANCE:
        raise AssertionError(f"the ONNX graph differs from the engine by {difference:.1e} in its logits")
    write_atomically(path, data)
    return [
        f"Checked in onnxruntime: logits of {N_CHECKED} steps differ by at most {difference:.1e} from ours.",
        f"The vocabulary (fingerprint {checkpoint.vocabulary_fingerprint}) is not in the file.",
    ]


def largest_difference(data: bytes, checkpoint: Checkpoint, n_steps: int = N_CHECKED, n_lanes: int = 2) -> float:
    """Step a graph in onnxruntime and our engine through the same random tokens; return how far logits are apart."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    engine, state = CpuEngine(checkpoint.config, checkpoint.tensors), State.empty(checkpoint.config, n_lanes)
    shift, wkv = np.zeros_like(state.shift), np.zeros_like(state.wkv)
    worst = 0.0
    for ids in np.random.default_rng(0).integers(0, engine.vocab_size, (n_steps, n_lanes)):
        logits, shift, wkv = session.run(None, {"ids": ids, "shift": shift, "wkv": wkv})
        worst = max(worst, float(np.abs(engine.step(ids, state) - logits).max()))
    return worst


class _Graph:
    """Collects nodes and weights; every method returns the name of a result."""

    def __init__(self, config: ModelConfig, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        self._config, self._tensors = config, tensors
        self._nodes: list[Any] = []
        self._weights: dict[str, NDArray[Any]] = {}

    def model(self, fingerprint: str) -> Any:
        """Return the whole model."""
        from onnx import TensorProto, helper, numpy_helper

        config = self._config
        outputs = self._whole()
        C, L, H, N = config.n_embd, config.n_layer, config.n_head, config.head_size
        floats = {"logits": ["B", config.vocab_size], "next_shift": [L, 2, "B", C], "next_wkv": [L, "B", H, N, N]}
        inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["B"])]
        for name in ("shift", "wkv"):
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, floats[f"next_{name}"]))
        named = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in floats.items()]
        for name, result in zip(floats, outputs, strict=True):
            self._nodes.append(helper.make_node("Identity", [result], [name]))
        weights = [numpy_helper.from_array(value, name) for name, value in self._weights.items()]
        graph = helper.make_graph(self._nodes, "pianomuse", inputs, named, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        helper.set_model_props(model, {"model": json.dumps(config.to_json()), "vocabulary": fingerprint})
        return model

    def _whole(self) -> tuple[str, str, str]:
        x = self._norm(self._op("Gather", self._weight("emb.weight"), "ids"), "blocks.0.ln0")
        embedded, v_first = x, ""
        shifts, memories = [], []
        for layer in range(self._config.n_layer):
            name = f"blocks.{layer}"
            before = self._op("Gather", "shift", self._index(layer))
            q = self._norm(x, f"{name}.ln1")
            out, memory, v_first = self._time_mix(f"{name}.att", layer, q, before, v_first)
            x = self._op("Add", x, out)
            q2 = self._norm(x, f"{name}.ln2")
            x = self._op("Add", x, self._channel_mix(f"{name}.ffn", q2, before, embedded))
            shifts.append(self._stack([q, q2]))
            memories.append(memory)
        logits = self._linear(self._norm(x, "ln_out"), "head.weight")
        return logits, self._stack(shifts), self._stack(memories)

    def _time_mix(self, name: str, layer: int, q: str, before: str, v_first: str) -> tuple[str, str, str]:
        """Return what the time mix adds to the stream, the new memory, and the first layer's v."""
        change = self._op("Sub", self._op("Gather", before, self._index(0)), q)
        xr, xw, xk, xv, xa, xg = (self._mixed(q, change, f"{name}.x_{letter}") for letter in "rwkvag")
        r, k, v = (self._linear(z, f"{name}.{w}.weight") for z, w in ((xr, "receptance"), (xk, "key"), (xv, "value")))
        omega = self._low_rank(xw, name, "w", "Tanh")
        a = self._op("Sigmoid", self._low_rank(xa, name, "a"))
        squeezed = self._op("Sigmoid", self._op("MatMul", xg, self._weight(f"{name}.g1")))
        g = self._op("MatMul", squeezed, self._weight(f"{name}.g2"))
        if layer == 0:
            v_first = v
        else:
            share = self._op("Sigmoid", self._low_rank(xv, name, "v"))
            v = self._op("Add", v, self._op("Mul", self._op("Sub", v_first, v), share))
        decay = self._op("Exp", self._op("Mul", self._op("Sigmoid", omega), self._number(-_DECAY_LIMIT)))
        kk = self._heads(self._op("Mul", k, self._vector(f"{name}.k_k")))
        length = self._op("ReduceL2", kk, self._axes(-1))
        kk = self._op("Div", kk, self._op("Max", length, self._number(1e-12)))
        rate = self._op("Mul", self._op("Sub", a, self._number(1)), self._vector(f"{name}.k_a"))
        k = self._op("Mul", k, self._op("Add", rate, self._number(1)))
        r, k, v, decay, a = (self._heads(z) for z in (r, k, v, decay, a))
        memory, y = self._recur(layer, (r, decay, k, v, self._op("Neg", kk), self._op("Mul", kk, a)))
        return self._outputs(name, y, r, k, v, g), memory, v_first

    def _recur(self, layer: int, rwkvab: Sequence[str]) -> tuple[str, str]:
        """Return the memory after the token, [B, H, N, N], and what is read from it, [B, H, N]."""
        r, decay, k, v, a, b = rwkvab
        memory = self._op("Gather", "wkv", self._index(layer))
        as_row, as_column = self._axes(-2), self._axes(-1)
        removed = self._op("MatMul", memory, self._op("Unsqueeze", a, as_column))
        kept = self._op("Mul", memory, self._op("Unsqueeze", decay, as_row))
        replaced = self._op("MatMul", removed, self._op("Unsqueeze", b, as_row))
        written = self._op("MatMul", self._op("Unsqueeze", v, as_column), self._op("Unsqueeze", k, as_row))
        memory = self._op("Add", self._op("Add", kept, replaced), written)
        y = self._op("MatMul", memory, self._op("Unsqueeze", r, as_column))
        return memory, self._op("Squeeze", y, as_column)

    def _outputs(self, name: str, y: str, r: str, k: str, v: str, g: str) -> str:
        """Return the heads' y normalised, with the bonus of the present token, gated and projected."""
        config = self._config
        per_head = (config.n_head, config.head_size)
        ones, zeros = np.ones(config.head_size, np.float32), np.zeros(config.head_size, np.float32)
        flat = (self._constant("head.ones", ones), self._constant("head.zeros", zeros))
        y = self._op("LayerNormalization", y, *flat, axis=-1, epsilon=_HEAD_EPS)
        y = self._op("Mul", y, self._shaped(f"{name}.ln_x.weight", per_head))
        y = self._op("Add", y, self._shaped(f"{name}.ln_x.bias", per_head))
        match = self._op("Mul", self._op("Mul", r, k), self._shaped(f"{name}.r_k", per_head))
        bonus = self._op("Mul", self._op("ReduceSum", match, self._axes(-1)), v)
        whole = self._op("Reshape", self._op("Add", y, bonus), self._integers((0, config.n_embd)))
        return self._linear(self._op("Mul", whole, g), f"{name}.output.weight")

    def _channel_mix(self, name: str, q: str, before: str, embedded: str) -> str:
        change = self._op("Sub", self._op("Gather", before, self._index(1)), q)
        hidden = self._op("Relu", self._linear(self._mixed(q, change, f"{name}.x_k"), f"{name}.key.weight"))
        hidden = self._op("Mul", hidden, hidden)
        if R := self._config.deep_embed_rank:
            rows = self._op("Gather", self._weight(f"{name}.s_emb.weight"), "ids")
            rows = self._op("Add", rows, self._linear(embedded, f"{name}.s_emb_x.weight"))
            inner = self._op("MatMul", q, self._weight(f"{name}.s1"))
            matrix = self._op("Reshape", rows, self._integers((0, R, R)))
            inner = self._op("MatMul", self._op("Unsqueeze", inner, self._axes(-2)), matrix)
            gate = self._op("MatMul", self._op("Squeeze", inner, self._axes(-2)), self._weight(f"{name}.s2"))
            hidden = self._op("Mul", hidden, self._op("Add", gate, self._vector(f"{name}.s0")))
        return self._linear(hidden, f"{name}.value.weight")

    def _low_rank(self, x: str, name: str, letter: str, between: str = "") -> str:
        inner = self._op("MatMul", x, self._weight(f"{name}.{letter}1"))
        inner = self._op(between, inner) if between else inner
        product = self._op("MatMul", inner, self._weight(f"{name}.{letter}2"))
        return self._op("Add", product, self._vector(f"{name}.{letter}0"))

    def _mixed(self, q: str, change: str, name: str) -> str:
        return self._op("Add", q, self._op("Mul", change, self._vector(name)))

    def _norm(self, x: str, name: str) -> str:
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._op("LayerNormalization", x, weight, bias, axis=-1, epsilon=_EPS)

    def _linear(self, x: str, name: str) -> str:
        return self._op("MatMul", x, self._constant(f"{name}.T", np.ascontiguousarray(self._tensors[name].T)))

    def _heads(self, x: str) -> str:
        return self._op("Reshape", x, self._integers((0, self._config.n_head, self._config.head_size)))

    def _stack(self, results: Sequence[str]) -> str:
        return self._op("Concat", *(self._op("Unsqueeze", result, self._axes(0)) for result in results), axis=0)

    def _op(self, kind: str, *inputs: str, **attributes: float) -> str:
        from onnx import helper

        result = f"{kind}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [result], **attributes))
        return result

    def _weight(self, name: str) -> str:
        return self._constant(name, self._tensors[name])

    def _vector(self, name: str) -> str:
        return self._constant(name, self._tensors[name].reshape(-1))

    def _shaped(self, name: str, shape: tuple[int, int]) -> str:
        return self._constant(name, self._tensors[name].reshape(shape))

    def _number(self, value: float) -> str:
        return self._constant(f"number {value}", np.array(value, np.float32))

    def _index(self, value: int) -> str:
        return self._constant(f"index {value}", np.array(value, np.int64))

    def _axes(self, *values: int) -> str:
        return self._constant(f"axes {values}", np.array(values, np.int64))

    def _integers(self, values: tuple[int, ...]) -> str:
        return self._constant(f"integers {values}", np.array(values, np.int64))

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._weights.setdefault(name, value)
        return name
