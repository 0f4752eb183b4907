"""The memory of training steps of the CPU presets, measured, beside what `estimate_model_memory` says.

    python benchmarks/memory.py

Writes `benchmarks/results/memory.json`. Counted are bytes that `malloc` has given out, after every operation of the
second step; a busy machine does not change them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path

import torch

from pianomuse.evaluate.bench.outcome import machine
from pianomuse.evaluate.bench.training_memory import Case
from pianomuse.model.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
PRESETS_OF_A_CPU, LARGE_VOCABULARY = ("debug", "tiny", "small-piano"), 16384
WAYS = {
    "plain": {},
    "checkpoint_blocks": {"checkpoint_blocks": True},
    "completion": {"completion": 50},
    "accumulate": {"accumulate": 2},
    "adamw8bit": {"optimizer": "adamw8bit"},
    "lora": {"method": "lora"},
    "state": {"method": "state"},
}


def main() -> None:
    subprocess.run([sys.executable, "-m", "pytest", "tests/model/test_memory.py"], check=True, cwd=ROOT)
    torch.set_num_threads(1)
    rows = []
    sizes = product(PRESETS_OF_A_CPU, (761, LARGE_VOCABULARY), ("float32", "bfloat16"))
    for preset, vocab_size, precision in sizes:
        for way, changes in WAYS.items():
            size = PRESETS[preset]
            case = Case(size.n_layer, size.n_embd, vocab_size, 2, 256, precision, **changes)
            measured, estimated = case.measured_bytes(), case.estimated_bytes()
            assert measured is not None, "this C library does not tell what is allocated"
            figures = {
                "measured_mib": round(measured / 2**20, 1),
                "estimated_mib": round(estimated / 2**20, 1),
                "ratio": round(estimated / measured, 3),
            }
            rows.append({"preset": preset, "way": way, **asdict(case), **figures})
            print(preset, vocab_size, precision, way, figures, file=sys.stderr)
    ratios = [row["ratio"] for row in rows]
    document = {"machine": machine(), "lowest_ratio": min(ratios), "highest_ratio": max(ratios), "results": rows}
    path = ROOT / "benchmarks" / "results" / "memory.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: document[name] for name in ("machine", "lowest_ratio", "highest_ratio")}))


if __name__ == "__main__":
    main()
