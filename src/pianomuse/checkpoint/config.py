"""What an RWKV-7 model looks like: its sizes, and the name and shape of every tensor.

Names and shapes are the official ones (BlinkDL/RWKV-LM, RWKV-v7/train_temp/src/model.py), so that a model trained
here runs in the `rwkv` package. Ranks of the low-rank matrices changed between the official generations; for a new
model they follow the present formula, for a loaded one they are read from the tensors.

RWKV-8's DeepEmbed (x070a: BlinkDL/RWKV-LM, RWKV-v7/rwkv_v7a_demo.py) is an option: five more tensors a layer.

Legend of the shapes: V vocabulary, C width, H heads, N head size, F width of the channel mix, R rank of DeepEmbed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pianomuse.errors import CheckpointError

MAX_LAYERS = 256
MAX_WIDTH = 16_384
MAX_VOCABULARY = 1_048_576
MAX_DEEP_EMBED_RANK = 128
DEEP_EMBED_RANK = 32  # the official one, and the only one the package `rwkv` runs


def low_rank(factor: float, n_embd: int) -> int:
    """Return the official rank of a low-rank matrix pair: `factor * sqrt(n_embd)`, rounded to a multiple of 32."""
    return max(32, 32 * round(factor * math.sqrt(n_embd) / 32))


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of one RWKV-7 model. Ranks left at 0 take the official value; a `deep_embed_rank` of 0 is no DeepEmbed."""

    vocab_size: int
    n_layer: int
    n_embd: int
    head_size: int = 64
    decay_rank: int = 0
    iclr_rank: int = 0
    value_rank: int = 0
    gate_rank: int = 0
    dim_ffn: int = 0
    deep_embed_rank: int = 0

    def __post_init__(self) -> None:
        """Fill in the derived sizes and refuse impossible ones."""
        problems = []
        if not 1 <= self.vocab_size <= MAX_VOCABULARY:
            problems.append(f"vocab_size {self.vocab_size} is not in 1..{MAX_VOCABULARY}")
        if not 1 <= self.n_layer <= MAX_LAYERS:
            problems.append(f"n_layer {self.n_layer} is not in 1..{MAX_LAYERS}")
        if not 1 <= self.n_embd <= MAX_WIDTH:
            problems.append(f"n_embd {self.n_embd} is not in 1..{MAX_WIDTH}")
        if self.head_size < 1 or self.n_embd % max(self.head_size, 1):
            problems.append(f"n_embd {self.n_embd} is not a multiple of head_size {self.head_size}")
        if not 0 <= self.deep_embed_rank <= MAX_DEEP_EMBED_RANK:
            problems.append(f"deep_embed_rank {self.deep_embed_rank} is not in 0..{MAX_DEEP_EMBED_RANK}")
        if problems:
            raise CheckpointError("model configuration: " + "; ".join(problems) + "; correct config.json or the preset")
        defaults = {
            "decay_rank": low_rank(2.5, self.n_embd),
            "iclr_rank": low_rank(2.5, self.n_embd),
            "value_rank": low_rank(1.7, self.n_embd),
            "gate_rank": low_rank(5.0, self.n_embd),
            "dim_ffn": 4 * self.n_embd,
        }
        for name, value in defaults.items():
            if getattr(self, name) == 0:
                object.__setattr__(self, name, value)
            if not 1 <= getattr(self, name) <= 4 * MAX_WIDTH:
                raise CheckpointError(f"model configuration: {name} {getattr(self, name)} is not in 1..{4 * MAX_WIDTH}")

    @property
    def n_head(self) -> int:
        """Number of heads H."""
        return self.n_embd // self.head_size

    @classmethod
    def from_tensors(cls, shapes: Mapping[str, tuple[int, ...]]) -> ModelConfig:
        """Read the sizes of a model off its tensors.

        Args:
            shapes: name -> shape, official names; extra names are ignored.

        Returns:
            The configuration, ranks included.

        Raises:
            CheckpointError: a tensor that tells a size is missing or has another number of dimensions.
        """
        vocab_size, n_embd = _matrix(shapes, "emb.weight")
        layers = {
            int(name.split(".")[1]) for name in shapes if name.startswith("blocks.") and name.split(".")[1].isdigit()
        }
        if layers != set(range(len(layers))) or not layers:
            raise CheckpointError(
                "weights: the layers blocks.0, blocks.1, ... are not complete; use an RWKV-7 checkpoint"
            )
        value_rank = low_rank(1.7, n_embd)
        if len(layers) > 1:
            value_rank = _matrix(shapes, "blocks.1.att.v1")[1]
        return cls(
            vocab_size=vocab_size,
            n_layer=len(layers),
            n_embd=n_embd,
            head_size=_matrix(shapes, "blocks.0.att.r_k")[1],
            decay_rank=_matrix(shapes, "blocks.0.att.w1")[1],
            iclr_rank=_matrix(shapes, "blocks.0.att.a1")[1],
            value_rank=value_rank,
            gate_rank=_matrix(shapes, "blocks.0.att.g1")[1],
            dim_ffn=_matrix(shapes, "blocks.0.ffn.key.weight")[0],
            deep_embed_rank=_matrix(shapes, "blocks.0.ffn.s1")[1] if "blocks.0.ffn.s1" in shapes else 0,
        )

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> ModelConfig:
        """Build the configuration from the `model` part of `config.json`; unknown or ill-typed keys are refused."""
        names = set(cls.__dataclass_fields__)
        bad = [name for name, value in values.items() if name not in names or type(value) is not int]
        missing = [name for name in ("vocab_size", "n_layer", "n_embd") if name not in values]
        if bad or missing:
            raise CheckpointError(
                f"config.json: unknown or ill-typed keys {bad}, missing keys {missing}; use an intact checkpoint"
            )
        return cls(**{name: value for name, value in values.items() if isinstance(value, int)})

    def to_json(self) -> dict[str, int]:
        """Return the sizes as a plain dictionary; what a plain RWKV-7 lacks is left out."""
        return {name: value for name, value in asdict(self).items() if name != "deep_embed_rank" or value}


def tensor_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every tensor of a model, in the official order.

    Layer 0 has no `v0`, `v1`, `v2` (it has no earlier value to mix with); some official files carry unused ones.
    """
    V, C = config.vocab_size, config.n_embd
    shapes: dict[str, tuple[int, ...]] = {"emb.weight": (V, C)}
    for layer in range(config.n_layer):
        shapes.update({f"blocks.{layer}.{name}": shape for name, shape in _block_shapes(config, layer).items()})
    shapes.update({"ln_out.weight": (C,), "ln_out.bias": (C,), "head.weight": (V, C)})
    return shapes


def parameter_count(config: ModelConfig) -> int:
    """Return the exact number of parameters."""
    return sum(math.prod(shape) for shape in tensor_shapes(config).values())


def _block_shapes(config: ModelConfig, layer: int) -> dict[str, tuple[int, ...]]:
    C, H, N, F = config.n_embd, config.n_head, config.head_size, config.dim_ffn
    norms = ["ln0", "ln1", "ln2"] if layer == 0 else ["ln1", "ln2"]
    shapes: dict[str, tuple[int, ...]] = {}
    for norm in norms:
        shapes.update({f"{norm}.weight": (C,), f"{norm}.bias": (C,)})
    for name in ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g"):
        shapes[f"att.{name}"] = (1, 1, C)
    pairs = [("w", config.decay_rank), ("a", config.iclr_rank)]
    if layer > 0:
        pairs.append(("v", config.value_rank))
    for letter, rank in pairs:
        shapes.update({f"att.{letter}0": (1, 1, C), f"att.{letter}1": (C, rank), f"att.{letter}2": (rank, C)})
    shapes.update({"att.g1": (C, config.gate_rank), "att.g2": (config.gate_rank, C)})
    shapes.update({"att.k_k": (1, 1, C), "att.k_a": (1, 1, C), "att.r_k": (H, N)})
    for name in ("receptance", "key", "value", "output"):
        shapes[f"att.{name}.weight"] = (C, C)
    shapes.update({"att.ln_x.weight": (C,), "att.ln_x.bias": (C,)})
    shapes.update({"ffn.x_k": (1, 1, C), "ffn.key.weight": (F, C), "ffn.value.weight": (C, F)})
    if R := config.deep_embed_rank:
        shapes.update({"ffn.s0": (1, 1, F), "ffn.s1": (C, R), "ffn.s2": (R, F)})
        shapes.update({"ffn.s_emb.weight": (config.vocab_size, R * R), "ffn.s_emb_x.weight": (R * R, C)})
    return shapes


def _matrix(shapes: Mapping[str, tuple[int, ...]], name: str) -> tuple[int, int]:
    shape = shapes.get(name)
    if shape is None or len(shape) != 2:
        raise CheckpointError(f"weights: tensor {name} is missing or no matrix; use an RWKV-7 (x070) checkpoint")
    return int(shape[0]), int(shape[1])
