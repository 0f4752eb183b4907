"""Walk a folder of MIDI files, tokenise on all cores, split by work, write a dataset; say what was dropped and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread

import numpy as np

from pianomuse.data.manifest import manifest_rows
from pianomuse.data.pieces import TokenPiece, tokenise_piece
from pianomuse.data.store import MAX_WINDOW_BARS, Header, write_pieces
from pianomuse.data.works import draw_split, group_works, turns
from pianomuse.errors import DatasetError, MidiError
from pianomuse.lock import held
from pianomuse.midi.read import read_midi
from pianomuse.tokens.notes import read_notes
from pianomuse.tokens.tokenizer import PianoTokenizer

MIN_BARS = 2
_VALID_SHARE = 0.05

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


@dataclass(frozen=True)
class PrepareReport:
    """What became of the files.

    Args:
        files: MIDI files found.
        pieces: pieces kept, by split.
        dropped: number of files dropped, by reason.
        examples: up to three file names for each reason.
        lost: notes changed on the way to the grid, by what happened to them.

    """

    files: int
    pieces: dict[str, int]
    dropped: dict[str, int]
    examples: dict[str, list[str]]
    lost: dict[str, int]


@dataclass(frozen=True)
class FileResult:
    """What became of one file: its piece, or the reason why there is none."""

    name: str
    piece: TokenPiece | None = None
    turns: frozenset[int] = frozenset()
    reason: str = ""
    lost: tuple[tuple[str, int], ...] = ()


def process_midi_directory(
    folder: str | Path,
    out: str | Path,
    *,
    context_bars: int = 4,
    completion_bars: int = 2,
    step: int = 1,
    jobs: int | None = None,
    exclude: tuple[str, ...] = (),
    exclude_files: frozenset[str] = frozenset(),
    progress: Progress | None = None,
) -> PrepareReport:
    """Turn all ``.mid`` and ``.midi`` files below a folder into a dataset.

    A ``manifest.csv`` in the folder with columns ``path``, ``work_id`` and ``split`` (train, valid, test, or empty to
    have the work drawn) decides works and splits, and files of ``test`` are left out; without one, files that share a
    third of their melodic turns are one work, and one work in twenty goes to validation.

    Args:
        folder: searched recursively.
        out: the dataset folder to write; must not exist.
        context_bars: bars of context in each N → M window (saved with the data, used by `CopilotDataset`).
        completion_bars: bars to complete in each window.
        step: bars between windows.
        jobs: processes; default: one per core.
        exclude: sub-folders (first path component) to leave out; counted as dropped.
        exclude_files: files to leave out, by their paths inside the folder; counted as dropped.
        progress: called after each file.

    Raises:
        DatasetError: no such folder, no MIDI files, nothing usable, ``out`` exists, or windows of no bars.

    """
    folder, out = Path(folder), Path(out)
    if not all(1 <= bars <= MAX_WINDOW_BARS for bars in (context_bars, completion_bars, step)):
        raise DatasetError(
            f"windows of {context_bars} + {completion_bars} bars, {step} apart: give 1 to {MAX_WINDOW_BARS}"
        )
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give the folder that holds the MIDI files")
    if out.exists():
        raise DatasetError(f"{out} exists already; remove it or choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    busy = f"{out}: another process is preparing it; wait for it, or choose another --out"
    with held(out.with_name(f".{out.name}.lock"), busy):
        return _prepared(folder, out, (context_bars, completion_bars, step), jobs, exclude, exclude_files, progress)


def _prepared(
    folder: Path,
    out: Path,
    windows: tuple[int, int, int],
    jobs: int | None,
    exclude: tuple[str, ...],
    exclude_files: frozenset[str],
    progress: Progress | None,
) -> PrepareReport:
    names = midi_names(folder)
    manifest = _read_manifest(folder)
    results = []
    for result in _tokenise_all(folder, names, (exclude, exclude_files, _held_out(manifest)), jobs):
        results.append(result)
        if progress is not None:
            progress(len(results), len(names))
    kept, dropped = kept_and_dropped(results, folder)
    splits = _split(manifest, kept)
    tokenizer = PianoTokenizer()
    header = _header(tokenizer, splits, dropped, len(names), windows)
    write_pieces(out, splits, header, tokenizer)
    lost: Counter[str] = Counter()
    for result in kept:
        lost.update(dict(result.lost))
    examples = {reason: [r.name for r in results if r.reason == reason][:3] for reason in dropped}
    return PrepareReport(len(names), header.pieces, dict(dropped), examples, dict(lost))


def kept_and_dropped(results: Sequence[FileResult], source: Path) -> tuple[list[FileResult], Counter[str]]:
    """Return the files that gave a piece, and how many did not, by reason.

    Raises:
        DatasetError: none did.
    """
    kept = [result for result in results if result.piece is not None]
    dropped = Counter(result.reason for result in results if result.piece is None)
    if not kept:
        said = f"none of the {len(results)} files in {source} can be used ({most_common(dropped)})"
        raise DatasetError(said, "no_usable_pieces", files=len(results))
    return kept, dropped


def most_common(dropped: Counter[str]) -> str:
    """Say the three reasons for which most files were left out."""
    return "; ".join(f"{count}: {reason}" for reason, count in dropped.most_common(3))


def midi_names(folder: Path) -> list[str]:
    """Return the MIDI files below a folder, by their paths inside it, sorted.

    Raises:
        DatasetError: there are none.

    """
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    if not names:
        raise DatasetError(f"{folder} has no .mid or .midi files, also not in its sub-folders")
    return names


def _tokenise_all(
    folder: Path,
    names: list[str],
    without: tuple[tuple[str, ...], frozenset[str], frozenset[str]],
    jobs: int | None,
) -> Iterator[FileResult]:
    """Tokenise files but those without: in folders to leave out, in the list of files to leave out, held out."""
    exclude, exclude_files, held_out = without
    unknown = sorted(exclude_files - set(names))
    if unknown:
        raise DatasetError(f"the list of files to exclude names {unknown[0]}, which is not in {folder}")
    wanted = []
    for name in names:
        if name in exclude_files:
            yield FileResult(name, reason="in the list of excluded files")
        elif (top := Path(name).parts[0]) in exclude:
            yield FileResult(name, reason=f"in the excluded folder {top}")
        elif name in held_out:
            yield FileResult(name, reason="kept for testing by manifest.csv")
        else:
            wanted.append(name)
    n_jobs = jobs or os.cpu_count() or 1
    if n_jobs == 1:
        yield from (tokenise_file(folder, name) for name in wanted)
        return
    with ProcessPoolExecutor(n_jobs, initializer=_end_with_parent) as pool:
        yield from pool.map(tokenise_file, [folder] * len(wanted), wanted, chunksize=8)


def _end_with_parent() -> None:
    """Let a worker end when the process that started it is gone: else it would wait for work for ever."""
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()


_tokenizer: PianoTokenizer | None = None


def tokenise_file(folder: Path, name: str) -> FileResult:
    """Read and tokenise one file; a file that cannot be used gives its reason."""
    global _tokenizer
    _tokenizer = _tokenizer or PianoTokenizer()
    try:
        piece, report = tokenise_piece(read_midi(folder / name), _tokenizer, name=name, work_id=name)
    except MidiError as error:
        return FileResult(name, reason=reason_left_out(error, name))
    if piece.n_bars < MIN_BARS:
        return FileResult(name, reason=f"fewer than {MIN_BARS} bars")
    notes = read_notes(piece.views["full"].ids[2:], _tokenizer.vocabulary)
    lost = (
        ("outside the piano", report.outside_piano),
        ("longer than 12 quarters, clipped", report.clipped_durations),
        ("struck twice at once, merged", report.duplicates),
    )
    return FileResult(name, piece, turns(notes.onset, notes.pitch), lost=lost)


def reason_left_out(error: Exception, name: str) -> str:
    """Say why a file is left out without its name, so that files left out for one reason are counted together.

    >>> reason_left_out(MidiError("a.mid is empty: export it again."), "folder/a.mid")
    'it is empty: export it again'
    """
    text = " ".join(str(error).split()).rstrip(".")
    own = Path(name).name
    return text.removeprefix(f"{own}: ") if text.startswith(f"{own}: ") else text.replace(own, "it", 1)


def _split(manifest: dict[str, tuple[str, str]], kept: list[FileResult]) -> dict[str, list[TokenPiece]]:
    groups = group_works([result.turns for result in kept]) if not manifest else []
    splits: dict[str, list[TokenPiece]] = {"train": [], "valid": []}
    for index, result in enumerate(kept):
        assert result.piece is not None
        if manifest:
            work_id, split = manifest.get(result.name, (result.name, ""))
            split = split if split in splits else draw_split(work_id, _VALID_SHARE)
        else:
            work_id = kept[groups[index]].name
            split = draw_split(work_id, _VALID_SHARE)
        piece = result.piece
        splits[split].append(
            TokenPiece(piece.name, work_id, piece.views, piece.key_sharps, piece.is_expressive, piece.has_voice)
        )
    if not splits["train"] or (not splits["valid"] and len({p.work_id for p in splits["train"]}) > 1):
        _move_one_work(splits)
    return splits


def _move_one_work(splits: dict[str, list[TokenPiece]]) -> None:
    """Give an empty side of the split one whole work of the other; training comes first."""
    empty, full = ("train", "valid") if not splits["train"] else ("valid", "train")
    work = sorted({piece.work_id for piece in splits[full]})[-1]
    splits[empty] = [piece for piece in splits[full] if piece.work_id == work]
    splits[full] = [piece for piece in splits[full] if piece.work_id != work]


def _read_manifest(folder: Path) -> dict[str, tuple[str, str]]:
    rows = manifest_rows(folder, ("path", "work_id", "split"))
    return {row["path"]: (row["work_id"] or row["path"], row["split"]) for row in rows}


def _held_out(manifest: dict[str, tuple[str, str]]) -> frozenset[str]:
    return frozenset(name for name, (_, split) in manifest.items() if split == "test")


def _header(
    tokenizer: PianoTokenizer,
    splits: dict[str, list[TokenPiece]],
    dropped: Counter[str],
    n_files: int,
    windows: tuple[int, int, int],
) -> Header:
    pitches = np.asarray(tokenizer.vocabulary.kinds == "Pitch")
    return Header(
        tokenizer.vocabulary.fingerprint,
        *windows,
        files=n_files,
        dropped=dict(dropped),
        pieces={split: len(pieces) for split, pieces in splits.items()},
        bars={split: sum(p.n_bars for p in pieces) for split, pieces in splits.items()},
        notes={split: sum(int(pitches[p.views["full"].ids].sum()) for p in ps) for split, ps in splits.items()},
        tokens={split: sum(len(p.views["full"].ids) for p in pieces) for split, pieces in splits.items()},
    )
