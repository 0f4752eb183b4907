"""Files that are no files, folders that take nothing, disks that are full, two processes at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pianomuse.errors import RequestError
from pianomuse.lock import Lock, held

ROOT = Path(__file__).resolve().parents[2]
WALTZ = ROOT / "examples" / "waltz-pickup.mid"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes, file size limits and signals of POSIX")


def start(*words: object, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pianomuse", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def in_little_space(n_bytes: int) -> Callable[[], None]:
    """Let a process write no file larger than that, as on a disk that is full."""
    import resource

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing then fails as it does on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))

    return limit


def hidden(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing", "a name with a zero"])
def test_what_is_no_file_is_refused_at_once(
    kind: str, tmp_path: Path, bounded: Callable[..., list[dict[str, Any]]]
) -> None:
    os.mkfifo(tmp_path / "pipe.mid")
    (tmp_path / "folder.mid").mkdir()
    names = {"pipe": tmp_path / "pipe.mid", "device": "/dev/zero", "folder": tmp_path / "folder.mid"}
    path = names.get(kind, tmp_path / "nothing.mid" if kind == "nothing" else "a\0.mid")
    for told in bounded([["convert", path, tmp_path / "out.musicxml"], ["surprise", path]]):
        assert told["code"] == 2, told
        assert len(told["err"].splitlines()) == 1
    assert not (tmp_path / "out.musicxml").exists()


def test_prepare_counts_what_is_no_file_and_goes_on(
    tmp_path: Path, bounded: Callable[..., list[dict[str, Any]]]
) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    os.mkfifo(folder / "pipe.mid")
    (folder / "folder.mid").mkdir()
    (folder / "gone.mid").symlink_to("nowhere")
    (folder / "round.mid").symlink_to("round.mid")
    for number in range(2):
        shutil.copy(WALTZ, folder / f"{number}.mid")
    (told,) = bounded([["prepare", folder, "--out", tmp_path / "data", "--jobs", 1, "--json"]])
    report = json.loads(told["out"])
    assert told["code"] == 0
    assert sum(report["dropped"].values()) == 4
    assert report["files"] == 6


@pytest.mark.parametrize("verb", ["complete", "convert", "render", "prepare", "export"])
def test_a_full_disk_is_told_and_nothing_is_half_written(verb: str, tmp_path: Path, model_folder: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    shutil.copy(WALTZ, source / "a.mid")
    out = tmp_path / "out"
    words: dict[str, list[object]] = {
        "complete": ["complete", source / "a.mid", "--model", model_folder, "--bars", 1, "--out", out],
        "convert": ["convert", source / "a.mid", tmp_path / "a.musicxml"],
        "render": ["render", source / "a.mid", tmp_path / "a.wav"],
        "prepare": ["prepare", source, "--out", out, "--jobs", 1],
        "export": ["export", model_folder, "--out", tmp_path / "model.pth"],
    }
    process = start(*words[verb], preexec_fn=in_little_space(2_000))
    said, err = process.communicate()
    assert process.returncode == 2, err
    assert said == ""
    assert "File too large" in err
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert hidden(tmp_path) == []


def test_two_processes_that_write_ideas_into_one_folder_number_them(tmp_path: Path, model_folder: Path) -> None:
    out = tmp_path / "ideas"
    few = ["--model", model_folder, "--bars", 1, "--candidates", 2, "--out", out, "--json"]
    processes = [start("complete", WALTZ, *few, "--seed", seed) for seed in (1, 2)]
    found = [json.loads(process.communicate()[0]) for process in processes]
    files = [idea["midi"] for report in found for idea in report["candidates"]]
    assert len(set(files)) == 4
    assert len({report["page"] for report in found}) == 2
    assert len(list(out.glob("*.mid"))) == 8
    assert hidden(out) == []


def test_a_lock_keeps_other_processes_out_until_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    code = f"from pianomuse.lock import Lock; from pathlib import Path; import time; Lock(Path({str(path)!r}), ''); "
    holder = subprocess.Popen([sys.executable, "-c", code + "print(1, flush=True); time.sleep(60)"], stdout=-1)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(RequestError, match="busy"):
        Lock(path, "busy")
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert path.exists()
    with held(path, "busy"):
        pass
    assert not path.exists()


def test_train_refuses_a_run_folder_in_which_another_process_trains(tmp_path: Path, dataset: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with held(run / ".lock", ""):
        process = start("train", dataset, "--out", run, "--preset", "tiny", "--steps", 1, "--device", "cpu")
        said, err = process.communicate()
    assert process.returncode == 2
    assert said == ""
    assert err == f"{run}: another process is training there; wait for it, or name another --out\n"
    assert list(run.iterdir()) == []


def test_prepare_refuses_a_dataset_that_is_being_prepared(
    tmp_path: Path, bounded: Callable[..., list[dict[str, Any]]]
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(WALTZ, tmp_path / "in")
    with held(tmp_path / ".out.lock", ""):
        (told,) = bounded([["prepare", tmp_path / "in", "--out", tmp_path / "out", "--jobs", 1]])
    assert told["code"] == 2
    assert "another process is preparing it" in told["err"]
    assert not (tmp_path / "out").exists()


def test_a_killed_command_leaves_nothing_that_the_next_one_minds(tmp_path: Path, model_folder: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(3):
        shutil.copy(WALTZ, source / f"{number}.mid")
    ideas = ["complete", source / "0.mid", "--model", model_folder, "--bars", 1, "--out", tmp_path / "ideas"]
    for words, out in ((ideas, "ideas"), (["prepare", source, "--out", tmp_path / "data", "--jobs", 1], "data")):
        process = start(*words)
        while process.poll() is None and not hidden(tmp_path):
            time.sleep(0.002)
        process.kill()
        process.communicate()
        again = start(*words)
        _, err = again.communicate()
        assert again.returncode == 0, err
        assert hidden(tmp_path) == []
        assert any((tmp_path / out).iterdir())


@pytest.mark.parametrize("seconds", [0.02, 0.3, 0.8])
def test_control_c_is_one_line_and_130_at_any_moment(seconds: float, tmp_path: Path, model_folder: Path) -> None:
    """Python raises in the process what Ctrl-C raises, after so much processor time."""
    code = (
        "import runpy, signal, pianomuse; signal.signal(signal.SIGVTALRM, signal.default_int_handler); "
        f"signal.setitimer(signal.ITIMER_VIRTUAL, {seconds}); "
        "runpy.run_module('pianomuse', run_name='__main__', alter_sys=True)"
    )
    out = tmp_path / "ideas"
    words = ["complete", WALTZ, "--model", model_folder, "--bars", 32, "--candidates", 16, "--out", out]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout == ""
    assert done.stderr.splitlines() == ["Stopped."]
    assert done.returncode == 130
    assert not out.exists()
