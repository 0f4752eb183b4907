"""Does hearing less help? Bits of late bars after the last N bars only, against after everything before them.

    python benchmarks/context_bars.py MIDI_DIR [--model CKPT] [--works 20] [--exclude FOLDER]

In works of more than 72 bars, eight bars in the middle of what follows bar 65 and the last eight are read twice: after
the whole music, and after metre, tempo and its last N bars; `32+8` is the piece's first eight bars and the last 32.
Works are drawn with a fixed seed; intervals are over works. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from pianomuse.api import load
from pianomuse.evaluate.bootstrap import ratio
from pianomuse.evaluate.likelihood import MAX_TOKENS, BitsOf, engine_bits
from pianomuse.evaluate.works import Work, load_works
from pianomuse.tokens.tokenizer import PianoTokenizer

LATE, SPAN, FIRST = 65, 8, 8
CONTEXTS = (16, 32, 64, 128, 256, 512)
BOTH_ENDS = "32+8"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--works", type=int, default=20)
    parser.add_argument("--exclude", action="append", default=[], help="sub-folder to leave out")
    options = parser.parse_args()
    muse = load(options.model)
    bits_of = engine_bits(muse.engine.prefill_all)
    works = load_works(options.midi_dir, exclude=tuple(options.exclude)).works
    long = [work for work in works if work.music.n_bars >= LATE + SPAN]
    order = np.random.default_rng(0).permutation(len(long))[: options.works]
    rows: dict[str, list[tuple[str, float, int]]] = {}
    for index in order:
        for name, more, notes in late_bars(bits_of, long[index], muse.tokenizer):
            rows.setdefault(name, []).append((long[index].work_id, more, notes))
    results = {}
    for name, found in rows.items():
        names, more, notes = zip(*found, strict=True)
        results[name] = ratio(more, notes, names)
        low, high = results[name].low, results[name].high
        print(
            f"{name:>5} bars: {results[name].value:+.3f} bits per note ({low:+.3f} … {high:+.3f}), {len(found)} places"
        )
    print(json.dumps({name: found.to_json() for name, found in results.items()}))


def late_bars(bits_of: BitsOf, work: Work, tokenizer: PianoTokenizer) -> list[tuple[str, float, int]]:
    """Return (context, bits more than after the whole, notes) of both places in a work."""
    begin = [tokenizer.vocabulary.id("BOS_None")]
    bars = [*tokenizer.find_bar_indices(work.ids).tolist(), len(work.ids)]
    last = len(bars) - 1 - SPAN
    whole = bits_of(np.concatenate([begin, work.ids])[:MAX_TOKENS].astype(np.int32))
    found = []
    for first in sorted({LATE + (last - LATE) // 2, last}):
        new = slice(bars[first], bars[first + SPAN])
        if new.stop > len(whole):
            continue
        notes = int((tokenizer.vocabulary.kinds[work.ids[new]] == "Pitch").sum())
        near = {str(n): [_head(work, bars[first - n], tokenizer), work.ids[bars[first - n] : new.stop]]
                for n in CONTEXTS if n < first}  # fmt: skip
        near[BOTH_ENDS] = [work.ids[: bars[FIRST]], work.ids[bars[first - 32] : new.stop]]
        for name, parts in near.items():
            bits = bits_of(np.concatenate([begin, *parts]).astype(np.int32))[new.start - new.stop :]
            found.append((name, float(bits.sum() - whole[new].sum()), notes))
    return found


def _head(work: Work, at: int, tokenizer: PianoTokenizer) -> list[int]:
    """Return metre and tempo in force where a bar begins."""
    return [int(work.ids[at + 1]), tokenizer.extract_metadata_tokens(work.ids, at)[-1]]


if __name__ == "__main__":
    main()
