"""What cutting the context away before the head, and computing the loss in chunks, save with the text vocabulary.

    python benchmarks/slicing.py [--rows 4] [--tokens 2048]

B rows of T tokens, completions of 100 for 2,048 (in proportion for other T), V 65,536 tokens, width 384, float32, head
and loss alone, forward and backward: the most bytes that `malloc` has given out, after every operation. Three ways, all
with the loss on the completions: `masked` (logits of all tokens), `sliced` (logits of the completions), `chunked`
(those a few rows at a time, as training computes them); and `chunked_all`, the loss on all tokens in chunks. Writes
`benchmarks/results/slicing.json`. `masked` takes about 1.6 GB for a row of 2,048.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from pianomuse.evaluate.bench.memory import live_peak_bytes
from pianomuse.evaluate.bench.outcome import machine
from pianomuse.train.head_loss import LossTerms, head_loss

ROOT = Path(__file__).resolve().parents[1]
V, C = 65536, 384


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=2048)
    options = parser.parse_args()
    B, T = options.rows, options.tokens
    n_completion = 100 * T // 2048
    tests = ["tests/train/test_head_loss.py", "tests/model/test_forward.py"]
    subprocess.run([sys.executable, "-m", "pytest", *tests], check=True, cwd=ROOT)
    torch.set_num_threads(1)
    hidden, weight = torch.randn(B, T, C), (0.05 * torch.randn(V, C)).requires_grad_()
    targets = torch.randint(0, V, (B, T))
    counts = (torch.arange(T) >= T - n_completion).expand(B, T)

    def masked(x: Tensor) -> Tensor:
        kept = torch.where(counts, targets, -100)
        return nn.functional.cross_entropy(nn.functional.linear(x, weight).flatten(0, 1), kept.flatten())

    def sliced(x: Tensor) -> Tensor:
        return nn.functional.cross_entropy(nn.functional.linear(x[counts], weight), targets[counts])

    def chunked(x: Tensor) -> Tensor:
        return head_loss(x[counts], weight, targets[counts], None, LossTerms())[0]

    def chunked_all(x: Tensor) -> Tensor:
        return head_loss(x.flatten(0, 1), weight, targets.flatten(), None, LossTerms())[0]

    peaks = {way.__name__: _peak(way, hidden, weight) for way in (masked, sliced, chunked, chunked_all)}
    logits = {"masked": 4 * B * T * V, "sliced": 4 * B * n_completion * V}
    document = {
        "machine": machine(),
        "sizes": {"rows": B, "tokens": T, "completion": n_completion, "vocabulary": V, "width": C},
        "logits_mib": {way: round(size / 2**20, 1) for way, size in logits.items()},
        "logits_saved": round(1 - n_completion / T, 4),
        "live_peak_mib": {way: round(peak / 2**20, 1) for way, peak in peaks.items()},
        "head_gradient_mib": round(4 * V * C / 2**20, 1),
    }
    path = ROOT / "benchmarks" / "results" / "slicing.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


def _peak(way: Callable[[Tensor], Tensor], hidden: Tensor, weight: Tensor) -> int:
    def work() -> None:
        way(hidden.clone().requires_grad_()).backward()
        weight.grad = None

    peak = live_peak_bytes(work)
    assert peak is not None, "this C library does not tell what is allocated"
    return peak


if __name__ == "__main__":
    main()
