"""Train the attention reference: `make reference-attention DATASET=datasets/piano OUT=runs/attention`.

Three learning rates for a tenth of the steps each, the best one to the end; stopped and started again it goes on. The
settings are those of `pianomuse train` (`pianomuse train --list-settings`); give it as many steps and the same batches
as the model it is compared with. Then: `pianomuse evaluate MIDI_DIR --attention runs/attention/lr-0.001`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pianomuse.errors import PianoMuseError
from pianomuse.evaluate.attention_run import train_best_of
from pianomuse.settings import read_toml
from pianomuse.train.command import SECTIONS, override_sections
from pianomuse.train.loop import Report

# Of a Transformer, not of RWKV-7: the usual memory and epsilon of AdamW for this architecture.
USUAL = ["beta2=0.95", "eps=1e-8", "l2_wrap=0", "preset=tiny", "warmup_steps=100"]


def main() -> int:
    """Read the settings and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rates", default="0.0005,0.001,0.002", help="learning rates to try")
    parser.add_argument("--settings", type=Path, help="config.toml of the run to compare with: its batches and steps")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    arguments = parser.parse_args()
    try:
        given = arguments.settings
        sections = read_toml(given, SECTIONS) if given else {name: kind() for name, kind in SECTIONS.items()}
        sections = override_sections(sections, [*USUAL, *arguments.changes])
        rates = [float(rate) for rate in arguments.rates.split(",")]
        best = train_best_of(arguments.dataset, arguments.out, sections, rates, listener=tell)
    except PianoMuseError as error:
        print(error, file=sys.stderr)
        return 2
    print(best)
    return 0


def tell(name: str, report: Report) -> None:
    """Say where the run stands at every validation."""
    if report.valid is not None:
        print(
            f"{name}, step {report.step} ({report.done:.0%}): validation {report.valid.bits_per_note:.3f} bits per "
            f"note; {report.tokens_per_s:,.0f} tokens/s, {report.minutes_left:.0f} minutes left",
            file=sys.stderr,
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
