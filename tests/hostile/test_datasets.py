"""Hostile datasets, and folders of odd files: one sentence, never a crash inside Arrow, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import corpus
import numpy as np
import pytest
from datasets import Dataset, Features, Sequence, Value, disable_progress_bars

from pianomuse.cli import main
from pianomuse.data.batches import BatchMaker, BatchSettings, validation_batches
from pianomuse.data.prepare import process_midi_directory
from pianomuse.data.store import PieceStore
from pianomuse.errors import DatasetError

Break = Callable[[Path], object]
Columns = dict[str, list[Any]]
WALTZ = Path(__file__).resolve().parents[2] / "examples" / "waltz-pickup.mid"
SHARD = "train/data-00000-of-00001.arrow"
POSIX = pytest.mark.skipif(os.name == "nt", reason="pipes and file names of POSIX")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A dataset of six pieces."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "in").mkdir()
    for path in sorted((corpus / "mutopia").glob("*.mid"))[:6]:
        shutil.copy(path, folder / "in")
    process_midi_directory(folder / "in", folder / "data", jobs=1)
    return folder / "data"


def header(**changed: object) -> Break:
    def apply(folder: Path) -> None:
        document = json.loads((folder / "header.json").read_text())
        (folder / "header.json").write_text(json.dumps({**document, **changed}))

    return apply


def rows(change: Callable[[Columns], object], **kinds: object) -> Break:
    """Change the columns of the training split, and what kind they are of."""

    def apply(folder: Path) -> None:
        disable_progress_bars()
        found = Dataset.from_file(str(folder / SHARD))
        columns = {name: list(found[name]) for name in found.features}
        change(columns)
        features = Features({name: kinds.get(name, kind) for name, kind in found.features.items() if name in columns})
        shutil.rmtree(folder / "train")
        Dataset.from_dict(columns, features=features).save_to_disk(str(folder / "train"))

    return apply


def every(name: str, change: Callable[[Any], Any], **kinds: object) -> Break:
    return rows(lambda columns: columns.update({name: [change(value) for value in columns[name]]}), **kinds)


def shard(change: Callable[[bytes], bytes]) -> Break:
    return lambda folder: (folder / SHARD).write_bytes(change((folder / SHARD).read_bytes()))


def noise(where: float, n_bytes: int) -> Break:
    """Overwrite a part of the shard."""

    def changed(data: bytes) -> bytes:
        at = int(where * len(data))
        return data[:at] + np.random.default_rng(1).bytes(n_bytes) + data[at + n_bytes :]

    return shard(changed)


def shuffled(ids: list[int]) -> list[int]:
    return np.random.default_rng(0).permutation(ids).tolist()


def replaced(name: str, make: Callable[[Path], object]) -> Break:
    def apply(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return apply


BROKEN: dict[str, Break] = {
    "no header": lambda folder: (folder / "header.json").unlink(),
    "a folder as header": replaced("header.json", Path.mkdir),
    "a pipe as header": replaced("header.json", os.mkfifo),
    "a header nested without end": lambda folder: (folder / "header.json").write_text("[" * 100_000),
    "a header that is no text": lambda folder: (folder / "header.json").write_bytes(b"\xff\xfe{"),
    "a header that is a list": lambda folder: (folder / "header.json").write_text("[]"),
    "another format": header(format=2),
    "a format that is a truth": header(format=True),
    "a vocabulary that is a number": header(vocabulary=3),
    "an entry too many": header(evil=1),
    "a negative window": header(context_bars=-4),
    "a window as text": header(context_bars="4"),
    "a window without bound": header(completion_bars=10**30),
    "windows no bar apart": header(step=0),
    "windows NaN bars apart": header(step=float("nan")),
    "counts that are none": header(notes={"train": "many"}),
    "counts that are a list": header(pieces=[1]),
    "more pieces in the header": header(pieces={"train": 99, "valid": 1}),
    "no split": lambda folder: shutil.rmtree(folder / "train"),
    "a file as split": replaced("train", Path.touch),
    "an empty split": replaced("train", Path.mkdir),
    "a shard missing": lambda folder: (folder / SHARD).rename(folder / "train" / "data-00001-of-00002.arrow"),
    "a pipe as shard": replaced(SHARD, os.mkfifo),
    "half a shard": shard(lambda data: data[: len(data) // 2]),
    "an empty shard": shard(lambda data: b""),
    "a pickle as shard": shard(lambda data: b"cos\nsystem\n(S'touch pwned'\ntR."),
    "noise in the schema": noise(0.01, 200),
    "noise in the offsets": noise(0.5, 2000),
    "a token that there is not": every("full", lambda ids: [*ids[:-1], 65_000]),
    "negative tokens": every("full", lambda ids: [-1] * len(ids), full=Sequence(Value("int32"))),
    "tokens that are no numbers": every("full", lambda ids: [np.nan] * len(ids), full=Sequence(Value("float32"))),
    "one token for ever": every("full", lambda ids: [5] * len(ids)),
    "tokens out of order": every("full", shuffled),
    "tokens missing": every("full", lambda ids: ids[:-3]),
    "no tokens": rows(lambda columns: columns.update(full=[[]] * 5, n_tokens=[0] * 5)),
    "a hand of other bars": every("left", lambda ids: ids[: len(ids) // 2]),
    "negative lengths": every("n_tokens", lambda n: -n),
    "lengths that are no numbers": every("n_tokens", lambda n: np.nan, n_tokens=Value("float64")),
    "lengths of nothing": every("n_tokens", lambda n: None),
    "fewer keys than bars": every("key_sharps", lambda keys: keys[:1]),
    "a column missing": rows(lambda columns: columns.pop("rest")),
    "names of nothing": every("name", lambda name: None),
    "empty names": every("name", lambda name: ""),
}  # fmt: skip


@POSIX
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_dataset_gets_one_sentence(name: str, small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(small, folder)
    BROKEN[name](folder)
    with pytest.raises(DatasetError, match="pianomuse prepare") as error:
        PieceStore(folder, "train")
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    assert not Path("pwned").exists()


def test_noise_anywhere_in_a_shard_is_an_error_or_still_music(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "noisy"
    shutil.copytree(small, folder)
    whole = (folder / SHARD).read_bytes()
    rng = np.random.default_rng(2)
    n_refused = 0
    for _ in range(60):
        data = bytearray(whole)
        at = int(rng.integers(len(data)))
        data[at : at + 8] = rng.bytes(8)
        (folder / SHARD).write_bytes(data)
        try:
            store = PieceStore(folder, "train")
            BatchMaker(store, BatchSettings(batch_size=1, max_tokens=2048)).batch(0)
        except DatasetError:
            n_refused += 1
    assert n_refused > 20


def test_train_refuses_a_dataset_that_lacks_one_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(WALTZ, tmp_path / "in")
    assert main(["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "data"), "--jobs", "1"]) == 0
    assert "one work" in capsys.readouterr().err
    assert len(PieceStore(tmp_path / "data", "valid")) == 0
    with pytest.raises(DatasetError, match="more works"):
        validation_batches(PieceStore(tmp_path / "data", "valid"), n_examples=4, max_tokens=64)


@pytest.mark.parametrize(
    "verb",
    ["prepare FOLDER --out OUT --jobs 1", "evaluate FOLDER --model MODEL", "tune FOLDER --model MODEL --out OUT"],
)
@pytest.mark.parametrize("kind", ["empty", "broken", "other", "a file"])
def test_a_folder_without_music_is_told_why(
    verb: str, kind: str, tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    if kind == "a file":
        folder.write_bytes(b"MThd")
    else:
        folder.mkdir()
    files = {"broken": [f"{number}.mid" for number in range(12)], "other": ["a.txt", "b.png", "mid", ".mid"]}
    for number, name in enumerate(files.get(kind, ())):
        (folder / name).write_bytes(list(corpus.refused().values())[number])
    names = {"FOLDER": folder, "OUT": tmp_path / "out", "MODEL": model_folder}
    assert main([str(names.get(word, word)) for word in verb.split()]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert str(folder) in told.err
    assert len(told.err.splitlines()) == 1
    if kind == "broken":
        assert "9: it is not a MIDI file" in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@POSIX
def test_file_names_that_are_no_text_are_spelt_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(WALTZ, os.fsencode(folder) + b"/caf\xe9.mid")
    shutil.copy(WALTZ.with_name("right-hand.mid"), folder / "a\nb 🎹.mid")
    (folder / "loop").symlink_to(folder)
    assert main(["prepare", str(folder), "--out", str(tmp_path / "data"), "--jobs", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 2
    found = {name for split in ("train", "valid") for name in PieceStore(tmp_path / "data", split).names()}
    assert found == {"caf\\xe9.mid", "a\nb 🎹.mid"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"\xff\xfe\0p", "cannot be read"),
        (b"path,work_id,split\nwaltz.mid\n", "row 2"),
        (b"path,work_id,split\n,a,valid\n", "row 2"),
        (b'path,work_id,split\n"' + b"x" * 200_000 + b'",a,valid\n', "cannot be read"),
    ],
)
def test_a_broken_manifest_is_told_and_not_passed_over(text: bytes, what: str, tmp_path: Path) -> None:
    shutil.copy(WALTZ, tmp_path / "waltz.mid")
    (tmp_path / "manifest.csv").write_bytes(text)
    with pytest.raises(DatasetError, match=what):
        process_midi_directory(tmp_path, tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("windows", [{"context_bars": 0}, {"completion_bars": 10**30}, {"step": -1}])
def test_windows_that_no_piece_has_are_refused(windows: dict[str, int], tmp_path: Path) -> None:
    shutil.copy(WALTZ, tmp_path)
    with pytest.raises(DatasetError, match="give 1 to"):
        process_midi_directory(tmp_path, tmp_path / "out", jobs=1, **windows)
