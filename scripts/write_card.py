"""Measure the default model and write the card's tables from it: `make evaluate-default MIDI_DIR=my-midi-files`.

Two commands are run, and their JSON documents are kept beside the tables:

    pianomuse evaluate MIDI_DIR --measures likelihood,context,motif --json             all files    whole.json
    pianomuse evaluate MIDI_DIR --measures continuation,...,validity --pieces 40 --json             ideas.json

`--from OUT` writes the tables from documents that are there already. `--into docs/model-card.md` puts them between the
card's two markers; what is said about the numbers stands outside of the markers and is read again by a person.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
WHOLE = "likelihood,context,motif"
IDEAS = "continuation,ends,infill,hand,melody,mirex,dynamics,validity"
SOURCES = {
    "chopin": "First Editions of Chopin",
    "lieder": "OpenScore Lieder",
    "mutopia": "Mutopia",
    "polish": "Polish Music Heritage",
    "pop909": "POP909",
    "": "at the top of the folder",
}
WRITERS = ("truth", "model", "blind", "attention", "markov", "copy", "another piece")
ROWS = {
    "in_key": "notes in the key of the context",
    "density_distance": "density off by (octaves)",
    "register_distance": "register off by (semitones)",
    "register_overlap": "register in common",
    "polyphony_distance": "voices off by",
    "entropy_difference": "pitch-class entropy off by (bits)",
    "belongs": "belongs (key, density and register hold)",
    "groove": "groove similarity",
    "join_roughness": "roughness of the join",
    "join_before": "roughness of the first join",
    "join_behind": "roughness of the second join",
    "join_less_blind": "roughness less that of the blind one",
    "likeness_1_bars_back": "likeness to the bar before",
    "likeness_4_bars_back": "likeness to four bars before",
    "likeness_8_bars_back": "likeness to eight bars before",
    "loop_bars": "bars in an exact loop",
    "best_f1": "note F1 of the best idea",
    "best_f1_less_copy": "note F1 of the best idea less copying's",
    "f1": "note F1, mean of the ideas",
    "closes": "last bass note is the tonic",
    "unplayable": "onsets two hands cannot hold",
    "dynamics_kept": "dynamics kept (expressive works)",
    "diversity": "diversity of the ideas",
    "longest_match_notes": "longest match with the training set (notes)",
    "copies_over_16": "ideas with a match over 16 notes",
    "valid": "valid",
}
SHORT = (
    "in_key", "density_distance", "register_distance", "belongs", "groove", "join_roughness", "join_before",
    "join_behind", "join_less_blind", "best_f1", "best_f1_less_copy", "closes",
)  # fmt: skip


def main() -> int:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", nargs="?", help="folder with manifest.csv, or a prepared dataset")
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"))
    parser.add_argument("--from", type=Path, dest="source", help="do not measure: take whole.json and ideas.json there")
    parser.add_argument("--into", type=Path, help="also put the tables into this card")
    parser.add_argument("--pieces", type=int, default=40, help="works that ideas are written in")
    parser.add_argument("--model", help="another model than the default one")
    parser.add_argument("--attention", help="checkpoint of the attention reference")
    parser.add_argument("--exclude", action="append", default=[], help="sub-folder to leave out")
    arguments = parser.parse_args()
    if (arguments.midi_dir is None) == (arguments.source is None):
        parser.error("give a folder to measure on, or --from with documents measured before")
    out = arguments.source or arguments.out
    commands = measure(arguments, out) if arguments.source is None else []
    whole, ideas = (json.loads((out / f"{name}.json").read_text("utf-8")) for name in ("whole", "ideas"))
    commands = commands or ["pianomuse evaluate MIDI_DIR --measures " + names for names in (WHOLE, IDEAS)]
    text = "\n".join(card(whole, ideas, commands)) + "\n"
    (out / "card.md").write_text(text, encoding="utf-8")
    print(out / "card.md")
    if arguments.into is not None:
        arguments.into.write_text(put_between(arguments.into.read_text("utf-8"), text), encoding="utf-8")
        print(arguments.into)
    return 0


def measure(arguments: argparse.Namespace, out: Path) -> list[str]:
    """Run both commands; return them as a person would type them."""
    out.mkdir(parents=True, exist_ok=True)
    options = [word for folder in arguments.exclude for word in ("--exclude", folder)]
    for name in ("model", "attention"):
        options += [f"--{name}", getattr(arguments, name)] if getattr(arguments, name) else []
    typed = []
    for name, measures, more in (("whole", WHOLE, []), ("ideas", IDEAS, ["--pieces", str(arguments.pieces)])):
        words = ["evaluate", arguments.midi_dir, *options, "--measures", measures, *more]
        done = subprocess.run(
            [sys.executable, "-m", "pianomuse", *words, "--json"], check=True, stdout=subprocess.PIPE, encoding="utf-8"
        )
        (out / f"{name}.json").write_text(done.stdout, encoding="utf-8")
        typed.append(" ".join(["pianomuse", "evaluate", "MIDI_DIR", *options, "--measures", measures, *more]))
    return typed


def put_between(card_text: str, tables: str) -> str:
    """Return a card with the tables between its markers.

    Raises:
        SystemExit: the card has no markers.

    """
    before, begin, rest = card_text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the card needs the lines {BEGIN} and {END}; put the tables of card.md in by hand once")
    return f"{before}{BEGIN}\n{tables}{END}{after}"


def card(whole: dict[str, Any], ideas: dict[str, Any], commands: list[str]) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "## How well it predicts music it never saw"
    yield ""
    yield (
        f"`{commands[0]}`: {whole['files']} validation pieces of {whole['works']} works, {whole['notes']:,} notes, "
        "each read from first to last bar, full softmax, no grammar mask; bits of all tokens divided by the number "
        "of notes. In brackets the 95 % interval by bootstrap over works."
    )
    yield ""
    yield from likelihood(whole)
    yield from context(whole)
    yield from motif(whole["motif_recall"])
    yield "## What it writes"
    yield ""
    yield (
        f"`{commands[1]}`: {ideas['candidates']} ideas at each place, one place in a work; what the rows mean is in "
        "[explanation/evaluation.md](explanation/evaluation.md). Metre is always kept: the grammar enforces it."
    )
    yield ""
    for name, found in ideas["tasks"].items():
        yield from task(name, found)
    yield from promises(ideas)


def likelihood(whole: dict[str, Any]) -> Iterator[str]:
    """Yield bits per note: all, by source, by part, by bar."""
    references = whole["references"]
    yield from head("bits per note", ["this model", *references, *(f"below {name}" for name in references)])
    cells = [cell(whole["intervals"]["bits_per_note"])] + [cell(r["interval"]) for r in references.values()]
    cells += [percent(r["model_is_below_by"]) for r in references.values()]
    yield line("**all**", cells)
    for source, mine in whole["sources"].items():
        cells = [cell(mine)] + [cell(r["sources"][source]) for r in references.values()]
        cells += [percent(r["model_is_below_by_in"][source]) for r in references.values()]
        yield line(f"{SOURCES.get(source, source)} ({mine['works']} works)", cells)
    for part, mine in whole["parts"].items():
        yield line(
            f"of it {part}",
            [cell(mine)] + [cell(r["parts"][part]) for r in references.values()] + [""] * len(references),
        )
    yield line(
        "bits per bar",
        [f"{whole['bits_per_bar']:.0f}"]
        + [f"{r['bits_per_bar']:.0f}" for r in references.values()]
        + [""] * len(references),
    )
    yield ""
    yield "The same against what these works need on the whole (1: as everywhere in them):"
    yield ""
    yield from head("from bar", ["this model", *references, "works"])
    for bar, mine in whole["from_bar_against_own"].items():
        theirs = [cell(r["from_bar_against_own"].get(bar)) for r in references.values()]
        yield line(bar, [cell(mine), *theirs, str(mine["works"])])
    yield ""
    places = ", ".join(map(str, whole["rises_from_bars"]))
    yield f"It rises from bar {places} on, by more than chance." if places else "It rises nowhere by more than chance."
    yield ""


def context(whole: dict[str, Any]) -> Iterator[str]:
    """Yield what true bars are worth beside another work's."""
    tables = {"this model": whole["context_gain"], **whole["context_gain_of_references"]}
    yield "Hearing the true bars and not another work's is worth, in bits per note (all of them · bars 5 to n back):"
    yield ""
    yield from head("bars heard", list(tables))
    for bars in whole["context_gain"]:
        cells = (f"{cell(t[bars]['gain'])} · {cell(t[bars]['far'])}".removesuffix(" · –") for t in tables.values())
        yield line(f"{bars} ({whole['context_gain'][bars]['gain']['works']} works)", cells)
    yield ""


def motif(tables: dict[str, Any]) -> Iterator[str]:
    """Yield what is remembered of a planted bar."""
    works = next(iter(tables["model"].values()))["gain"]["works"]
    yield "A bar of another work is planted and comes again; share of its remaining notes' bits that is saved,"
    yield f"{works} works:"
    yield ""
    yield from head("bars later", ["this model" if name == "model" else name for name in tables])
    for distance in tables["model"]:
        yield line(distance, [percent(table[distance]["recalled"]) for table in tables.values()])
    yield ""


def task(name: str, found: dict[str, Any]) -> Iterator[str]:
    """Yield the table of one task, the whole of continuation and the main rows of the others."""
    writers = [who for who in WRITERS if who in found["measures"]]
    yield f"### {name}: {found['bars']} bars in {found['places']} works"
    yield ""
    yield from head("", writers)
    for key, label in ROWS.items():
        is_wanted = name == "continuation" or key in SHORT
        if is_wanted and any(key in found["measures"][who] for who in writers):
            yield line(label, [cell(found["measures"][who].get(key), 2) for who in writers])
    for key, label in (("overlap_area", "overlap area (MGEval)"), ("divergence_bits", "divergence (bits)")):
        ceiling = found[key]["half of the truth"]
        numbers = {**found[key], "truth": ceiling}
        yield line(f"{label}; truth: one half against the other", [plain(numbers.get(who)) for who in writers])
    yield ""


def promises(ideas: dict[str, Any]) -> Iterator[str]:
    """Yield what must hold: dynamics, validity."""
    dynamics, validity = ideas["dynamics"], ideas["validity"]
    yield "### Promises"
    yield ""
    yield (
        f"- Dynamics are kept in {percent(dynamics['kept'])} of {dynamics['n_expressive']} expressive places (loudness "
        f"{percent(dynamics['loudness'])}, spread {percent(dynamics['spread'])}; the composers themselves: "
        f"{percent(dynamics['truth'])}). One velocity stays exactly that in {percent(dynamics['even'])} of "
        f"{dynamics['n_even']} places."
    )
    temperatures = ", ".join(validity["ideas_by_temperature"])
    yield f"- Valid: {validity['valid']:.2%} of {validity['ideas']:,} ideas at temperatures {temperatures}."


def head(first: str, columns: list[str]) -> Iterator[str]:
    """Yield the two lines a table begins with."""
    yield line(first, columns)
    yield "|" + "---|" * (len(columns) + 1)


def line(first: str, cells: Any) -> str:
    """Return a row."""
    return "| " + " | ".join([first, *cells]) + " |"


def cell(found: dict[str, Any] | None, digits: int = 2) -> str:
    """Return a number with its interval."""
    if found is None or found["value"] is None:
        return "–"
    if found["low"] is None:
        return f"{found['value']:.{digits}f}"
    return f"{found['value']:.{digits}f} ({found['low']:.{digits}f}–{found['high']:.{digits}f})"


def percent(found: dict[str, Any]) -> str:
    """Return a share with its interval."""
    if found["value"] is None:
        return "–"
    return f"{found['value']:.1%} ({100 * found['low']:.1f}–{100 * found['high']:.1f})"


def plain(value: float | None) -> str:
    """Return a number without interval."""
    return "–" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
