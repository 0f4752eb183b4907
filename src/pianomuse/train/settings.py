"""Everything that can be set about a training run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainSettings:
    """The recipe of RWKV-7 (BlinkDL/RWKV-LM, RWKV-v7/train_temp) and how long to follow it.

    A field with `resume` in its metadata may change when a run goes on; the text says what happens then.
    """

    n_steps: int = field(
        default=1000,
        metadata={
            "help": "optimizer steps",
            "min": 1,
            "resume": "the learning rate follows the new length from the next step on",
        },
    )
    max_minutes: float | None = field(
        default=None,
        metadata={
            "help": "also end after this time; the learning rate then follows the clock",
            "min": 0,
            "resume": "the same; minutes of all starts count together",
        },
    )
    pause_at: int = field(
        default=0,
        metadata={
            "help": "stop at this step, to be resumed; the learning rate is that of the whole run",
            "min": 0,
            "resume": "at once",
        },
    )
    accumulate: int = field(
        default=1, metadata={"help": "batches whose gradients make one step", "min": 1, "max": 65_536}
    )
    micro_rows: int = field(
        default=0,
        metadata={
            "help": "rows computed at once, 0 for the whole batch; fewer take less memory",
            "min": 0,
            "resume": "the same gradient up to rounding",
        },
    )
    lr: float = field(
        default=1e-3, metadata={"help": "highest learning rate", "min": 0, "max": 1, "resume": "from the next step on"}
    )
    lr_final: float = field(
        default=1e-4,
        metadata={"help": "learning rate at the end", "min": 0, "max": 1, "resume": "from the next step on"},
    )
    logits_chunk: int = field(
        default=0,
        metadata={
            "help": "targets whose logits are in memory together, 0 for 128 MiB of them",
            "min": 0,
            "resume": "the same gradient up to rounding",
        },
    )
    warmup_steps: int = field(default=10, metadata={"help": "steps until the learning rate is reached", "min": 0})
    weight_decay: float = field(
        default=0.1, metadata={"help": "of the large matrices and nothing else", "min": 0, "max": 10}
    )
    beta1: float = field(default=0.9, metadata={"help": "AdamW's memory of the gradient", "min": 0, "max": 0.9999999})
    beta2: float = field(default=0.99, metadata={"help": "AdamW's memory of its square", "min": 0, "max": 0.9999999})
    eps: float = field(
        default=1e-18, metadata={"help": "AdamW's epsilon; with adamw8bit 1e-18 becomes 1e-8", "min": 1e-30, "max": 1}
    )
    optimizer: str = field(
        default="adamw",
        metadata={
            "help": "AdamW with states in float32, or in 8 bits (adamw8bit: a quarter of their memory)",
            "choices": ("adamw", "adamw8bit"),
        },
    )
    clip: float = field(
        default=1.0, metadata={"help": "largest norm of the gradient", "min": 0, "resume": "from the next step on"}
    )
    dropout: float = field(
        default=0.0,
        metadata={"help": "share of the residual stream dropped; strong, use 0.01 to 0.03", "min": 0, "max": 0.9},
    )
    label_smoothing: float = field(
        default=0.0, metadata={"help": "probability spread over all tokens", "min": 0, "max": 0.9}
    )
    l2_wrap: float = field(
        default=1e-4, metadata={"help": "pull on the largest logit, keeps logits small", "min": 0, "max": 1}
    )
    stages: str = field(
        default="auto",
        metadata={
            "help": "first new embedding, head and norms, then all; auto: where --init gets another vocabulary",
            "choices": ("auto", "yes", "no"),
        },
    )
    stage1_steps: int = field(default=300, metadata={"help": "steps of the first stage, if there are stages", "min": 1})
    stage2_body_lr: float = field(
        default=0.1, metadata={"help": "of the body in the second stage, as a share of lr", "min": 0, "max": 10}
    )
    stage2_rows_lr: float = field(
        default=4.0,
        metadata={"help": "of embedding and head in the second stage, times the body's", "min": 0, "max": 100},
    )
    freeze: str = field(
        default="", metadata={"help": "parameters that stay as they are, by patterns such as emb.*,blocks.0.*"}
    )
    lora_rank: int = field(
        default=0,
        metadata={
            "help": "train adapters of this rank beside the projections and nothing else, 0 is none",
            "min": 0,
            "max": 4096,
        },
    )
    lora_alpha: float = field(
        default=32.0, metadata={"help": "an adapter counts lora_alpha / lora_rank", "min": 0, "max": 10_000}
    )
    patience: int = field(
        default=0,
        metadata={"help": "end after so many validations without a new best, 0 never", "min": 0, "resume": "at once"},
    )
    checkpoint_every: int = field(
        default=500, metadata={"help": "steps between checkpoints", "min": 1, "resume": "at once"}
    )
    keep_checkpoints: int = field(
        default=2,
        metadata={"help": "latest periodic checkpoints that stay", "min": 1, "resume": "at the next checkpoint"},
    )
    validate_every: int = field(
        default=250,
        metadata={"help": "steps between validations", "min": 1, "resume": "`patience` counts validations, not steps"},
    )
    log_every: int = field(
        default=10, metadata={"help": "steps between lines of metrics.jsonl", "min": 1, "resume": "at once"}
    )
    sample_every: int = field(
        default=1000,
        metadata={"help": "steps between samples of what the model writes, 0 never", "min": 0, "resume": "at once"},
    )
    tensorboard: bool = field(
        default=True,
        metadata={"help": "write the metrics for TensorBoard too, where it is installed", "resume": "at once"},
    )
    seed: int = field(default=0, metadata={"help": "of initial values, data order and dropout", "min": 0})
    wkv: str = field(
        default="auto",
        metadata={
            "help": "operator backend",
            "choices": ("auto", "reference", "chunked", "cpu", "cuda", "triton"),
            "resume": "the same numbers up to rounding, to go on with another machine",
        },
    )
    precision: str = field(
        default="auto",
        metadata={
            "help": "of matrix products; auto is bfloat16 where the hardware has it, else float16 on CUDA",
            "choices": ("auto", "bfloat16", "float16", "float32"),
            "resume": "another rounding, to go on with another machine",
        },
    )
    shard: str = field(
        default="ddp",
        metadata={
            "help": "several processes: each holds the whole model (ddp) or a share of it and of AdamW's state (fsdp)",
            "choices": ("ddp", "fsdp"),
            "resume": "the same gradient up to rounding",
        },
    )
    fuse: str = field(
        default="auto",
        metadata={
            "help": "elementwise work in one pass: loops (CPU), compile (torch.compile), no; auto is loops on a CPU",
            "choices": ("auto", "no", "loops", "compile"),
            "resume": "the same numbers up to rounding",
        },
    )
    checkpoint_blocks: bool = field(
        default=False,
        metadata={
            "help": "recompute blocks in the backward pass: less memory, slower",
            "resume": "the same numbers, less memory",
        },
    )
