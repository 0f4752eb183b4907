"""What cannot be run here is at least consistent: launchers, workflow and container name what exists."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from pianomuse.cli import COMMANDS, build_app

ROOT = Path(__file__).resolve().parents[2]
LAUNCHERS = sorted((ROOT / "launchers" / "windows").glob("*.bat"))
SOURCES = sorted((ROOT / "src" / "pianomuse").rglob("*.py"))


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """Every command with its options."""
    group: Any = typer.main.get_command(build_app())
    return {name: {word for parameter in group.commands[name].params for word in parameter.opts} for name in COMMANDS}


def calls(text: str) -> list[tuple[str, list[str]]]:
    """Return the pianomuse commands in a script, each with the options it is given."""
    found = re.findall(r"-m pianomuse (\w+)([^\n&|)]*)", text)
    return [(command, re.findall(r"(?<!\S)--[\w-]+", rest)) for command, rest in found]


def test_there_is_a_launcher_for_each_of_the_four() -> None:
    assert {path.stem for path in LAUNCHERS} == {"_setup", "prepare", "train", "complete", "studio"}


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_a_launcher_says_commands_and_options_that_exist(path: Path, options: dict[str, set[str]]) -> None:
    text = path.read_bytes().decode("ascii")  # a batch file is read in the console's code page
    assert text.count("\n") == text.count("\r\n")
    text = text.replace("\r\n", "\n")
    for command, words in calls(text):
        assert set(words) <= options[command], (command, words)
    if path.stem != "_setup":
        assert next(command for command, _ in calls(text)) == path.stem
        assert re.search(r'call "%~dp0_setup\.bat" (compose|studio|train) \|\| goto end', text)
        assert text.rstrip().endswith("pause")
    labels = set(re.findall(r"^:(\w+)$", text, re.MULTILINE))
    assert set(re.findall(r"goto (\w+)", text)) <= labels
    for name in re.findall(r"scripts\\(\w+\.py)", text):
        assert (ROOT / "scripts" / name).is_file()
    assert text.count("(\n") == len(re.findall(r"^\)", text, re.MULTILINE))


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_the_ascend_launcher_counts_cards_and_passes_options_on(tmp_path: Path, options: dict[str, set[str]]) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ncase "$1$2" in *device_count*) echo 4;; -c*) exit 0;; *) echo "$@";; esac\n')
    python.chmod(0o755)
    script = ROOT / "launchers" / "ascend" / "train.sh"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").touch()
    words = ["data", str(tmp_path / "run"), "--set", "lr=0.001"]
    environment = {**os.environ, "PYTHON": str(python), "HOME": str(tmp_path)}
    done = subprocess.run([script, *words], env=environment, capture_output=True, text=True, check=True)
    expected = "-m torch.distributed.run --standalone --nproc-per-node 4 -m pianomuse train data --out "
    assert done.stdout.startswith(f"{expected}{tmp_path / 'run'} --device npu --resume --set lr=0.001")
    assert {"--out", "--device", "--resume", "--set"} <= options["train"]
    assert subprocess.run([script, "data"], capture_output=True, check=False).returncode == 2
    python.write_text("#!/bin/sh\nexit 1\n")
    done = subprocess.run([script, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "docs/howto/ascend.md" in done.stderr


def test_the_workflow_tests_every_system_and_python_with_steps_that_exist(options: dict[str, set[str]]) -> None:
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    for job in ("compose", "train"):
        matrix = workflow["jobs"][job]["strategy"]["matrix"]
        assert matrix["os"] == ["ubuntu-latest", "windows-latest", "macos-latest"]
        assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    targets = set(re.findall(r"^([\w-]+(?: [\w-]+)*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    targets = {word for line in targets for word in line.split()}
    for job in workflow["jobs"].values():
        for run in (step["run"] for step in job["steps"] if "run" in step):
            for words in re.findall(r"^make (.+)$", run, re.MULTILINE):
                assert set(words.split()) <= targets
            for command, rest in re.findall(r"^pianomuse (\w+)(.*)$", run, re.MULTILINE):
                assert set(re.findall(r"--[\w-]+", rest)) <= options[command]
            for path in re.findall(r"(?:scripts|examples)/[\w.-]+", run):
                assert (ROOT / path).is_file()


def test_the_container_serves_the_studio_with_a_token_and_not_as_root(options: dict[str, set[str]]) -> None:
    text = (ROOT / "Containerfile").read_text("utf-8")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE)[-1] == "composer"
    command = re.findall(r"^CMD (\[.+\])$", text, re.MULTILINE)[0]
    words = ast.literal_eval(command)
    assert {word for word in words if word.startswith("--")} <= options[words[1]]
    assert words[words.index("--host") + 1] == "0.0.0.0"  # any but 127.0.0.1 asks for a token, see tests/server
    assert "PIANOMUSE_TOKEN" in text


POSIX_MODULES = {"fcntl", "resource", "termios", "pwd", "grp", "pty"}
POSIX_NAMES = re.compile(r"os\.(fork|getuid|geteuid|sysconf|sched_getaffinity|killpg|setsid|statvfs|mkfifo)\b")


def test_nothing_that_only_unix_has_is_used_unguarded() -> None:
    faults = []
    for path in SOURCES:
        text = path.read_text("utf-8")
        imports = [node for node in ast.parse(text).body if isinstance(node, ast.Import)]
        faults += [f"{path.name}: {name.name}" for node in imports for name in node.names if name.name in POSIX_MODULES]
        faults += [f"{path.name}: {word}" for word in ("SIGKILL", '"/tmp') if word in text]
        lines = text.splitlines()
        for number, line in enumerate(lines):
            around = "\n".join(lines[max(number - 3, 0) : number + 1])
            if POSIX_NAMES.search(line) and not re.search(r"hasattr|sys\.platform|os\.name", around):
                faults.append(f"{path.name}:{number + 1}")
    assert len(SOURCES) > 100
    assert faults == []


def test_text_files_are_opened_as_utf_8() -> None:
    """Windows would take its own code page."""
    faults = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            is_text = node.func.attr in ("read_text", "write_text")
            has_encoding = any(word.arg == "encoding" for word in node.keywords) or (
                len(node.args) >= 1 + (node.func.attr == "write_text")
            )
            if is_text and not has_encoding:
                faults.append(f"{path.name}:{node.lineno}")
    assert faults == []


def test_messages_survive_a_console_that_has_no_such_signs(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "cp437", "PYTHONUTF8": "0"}
    words = [sys.executable, "-m", "pianomuse", "info"]
    done = subprocess.run(words, env=environment, capture_output=True, check=False, cwd=tmp_path)
    assert done.returncode == 0
    assert b"RWKV-7" in done.stdout
