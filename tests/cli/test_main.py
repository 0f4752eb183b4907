"""The command line as a whole: what it prints where, and how it ends."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pkgutil import iter_modules

import pytest
import typer

from pianomuse import cli
from pianomuse.cli import main
from pianomuse.errors import MidiError


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pianomuse", *words], check=False, capture_output=True, text=True, encoding="utf-8"
    )


def with_command(monkeypatch: pytest.MonkeyPatch, body: Callable[[], None]) -> None:
    app = typer.Typer()
    app.callback(invoke_without_command=True)(cli._root)
    app.command("act")(body)
    monkeypatch.setattr(cli, "build_app", lambda: app)


def test_help_names_every_command_and_goes_to_stdout() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for name in cli.COMMANDS:
        assert f" {name} " in done.stdout


def test_no_command_module_is_forgotten() -> None:
    modules = {info.name: importlib.import_module(f"pianomuse.cli.{info.name}") for info in iter_modules(cli.__path__)}
    assert {name for name, module in modules.items() if hasattr(module, "register")} == set(cli.COMMANDS)


def test_without_a_command_the_help_is_shown() -> None:
    done = run()
    assert done.returncode == 0
    assert "Usage: pianomuse" in done.stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_help_with_an_example(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert f"Usage: pianomuse {name}" in done.stdout
    assert "xample" in done.stdout


def test_help_takes_less_than_a_third_of_a_second() -> None:
    resource = pytest.importorskip("resource")  # POSIX only

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    # Processor time: what else the machine does must not decide the test.
    assert min(seconds() for _ in range(4)) < 0.3


def test_the_version_is_the_one_of_the_package() -> None:
    import pianomuse

    assert run("--version").stdout == f"pianomuse {pianomuse.__version__}\n"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nope"], "No such command 'nope'. See: pianomuse --help"),
        (["vocab", "--nope"], "No such option: --nope. See: pianomuse vocab --help"),
        (["vocab", "--kind", "Chord"], "--kind Chord: no token is of this kind; the kinds are PAD"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_2(words: list[str], what: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(what)
    assert len(done.stderr.splitlines()) == 1


def test_an_error_of_ours_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def body() -> None:
        raise MidiError("sketch.mid has\n no notes; open another file")

    with_command(monkeypatch, body)
    assert main(["act"]) == 2
    assert capsys.readouterr().err == "sketch.mid has no notes; open another file\n"


def test_a_file_that_cannot_be_opened_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def body() -> None:
        open("/nowhere/sketch.mid").close()

    with_command(monkeypatch, body)
    assert main(["act"]) == 2
    assert capsys.readouterr().err.startswith("/nowhere/sketch.mid: No such file or directory.")


def test_anything_unexpected_is_our_fault_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def body() -> None:
        raise ZeroDivisionError("division by zero")

    with_command(monkeypatch, body)
    assert main(["act"]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "ZeroDivisionError: division by zero" in said
    assert "--traceback" in said


def test_the_traceback_is_shown_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def body() -> None:
        raise ZeroDivisionError("division by zero")

    with_command(monkeypatch, body)
    assert main(["act", "--traceback"]) == 1
    assert 'raise ZeroDivisionError("division by zero")' in caplog.text


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def body() -> None:
        raise KeyboardInterrupt

    with_command(monkeypatch, body)
    assert main(["act"]) == 130


def test_vocab_prints_each_token_once_with_its_number() -> None:
    from pianomuse.tokens.vocabulary import piano_vocabulary

    vocabulary = piano_vocabulary()
    done = run("vocab")
    lines = done.stdout.splitlines()
    assert [line.split() for line in lines] == [[str(i), token] for i, token in enumerate(vocabulary.tokens)]
    assert vocabulary.fingerprint in done.stderr


def test_vocab_as_json_is_one_document() -> None:
    done = run("vocab", "--kind", "Task", "--json")
    document = json.loads(done.stdout)
    assert [item["token"] for item in document["tokens"]][:2] == ["Task_Continue", "Task_Fill"]
    assert document["size"] > len(document["tokens"])


def test_a_closed_pipe_leaves_no_traceback() -> None:
    command = f'"{sys.executable}" -m pianomuse vocab | head -n 1'
    done = subprocess.run(command, shell=True, check=False, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "PAD_None"]
    assert "Traceback" not in done.stderr
