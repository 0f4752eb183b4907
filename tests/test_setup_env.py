"""`scripts/setup_env.py` chooses the right torch, says what it downloads, and does nothing when nothing changed."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "setup_env.py"
PYTHON = Path("python")


@pytest.fixture
def setup_env() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_env", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclass looks itself up by name while the module is executed.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "setup_env", module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def pip_calls(setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str]]:
    """Record pip's arguments, and what its constraints file says, instead of running it."""
    calls: list[tuple[list[str], str]] = []

    def record(_: Path, *arguments: str | Path) -> None:
        words = [str(argument) for argument in arguments]
        calls.append((words, Path(words[words.index("-c") + 1]).read_text("utf-8")))

    monkeypatch.setattr(setup_env, "_pip", record)
    monkeypatch.setattr(setup_env.sys, "platform", "linux")
    return calls


def found(setup_env: ModuleType, **what: object) -> object:
    return setup_env.Found(
        **{"torch": None, "miditok": None, "fastapi": None, "pytest": None, "is_editable": False, **what}
    )


@pytest.mark.parametrize(
    ("has_driver", "index_answers", "uses_index", "size"),
    [(False, True, True, "190 MB"), (False, False, False, "3000 MB"), (True, True, False, "3000 MB")],
)
def test_torch_is_the_cpu_build_unless_there_is_a_driver(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    pip_calls: list[tuple[list[str], str]], has_driver: bool, index_answers: bool, uses_index: bool, size: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(setup_env, "has_nvidia_driver", lambda: has_driver)
    monkeypatch.setattr(setup_env, "answers", lambda index: index_answers)
    setup_env.install(PYTHON, "develop", found(setup_env))
    [(words, constraints)] = pip_calls
    assert (setup_env.TORCH_CPU_INDEX in words) == uses_index
    assert words[-1].endswith("[dev]")
    assert f"\n{setup_env.pinned_torch()}\n" in constraints
    assert f"torch: {size}" in capsys.readouterr().out


@pytest.mark.parametrize("version", ["2.6.0", "2.9.1+cu128", "2.13.0+cpu"])
def test_an_installed_torch_in_range_is_kept(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, pip_calls: list[tuple[list[str], str]], version: str
) -> None:
    monkeypatch.setattr(setup_env, "has_nvidia_driver", lambda: True)
    setup_env.install(PYTHON, "develop", found(setup_env, torch=version))
    [(words, constraints)] = pip_calls
    assert f"\ntorch=={version}\n" in constraints
    assert constraints.count("torch==") == 1
    assert "--extra-index-url" not in words


@pytest.mark.parametrize("version", ["2.5.1", "1.13.1+cpu", "3.0.0", "nightly"])
def test_an_installed_torch_out_of_range_is_replaced(setup_env: ModuleType, version: str) -> None:
    assert not setup_env.is_in_range(version)


def test_the_range_is_the_one_of_the_package(setup_env: ModuleType) -> None:
    import tomllib

    extras = tomllib.loads((setup_env.ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    lowest = ".".join(str(number) for number in setup_env.TORCH_RANGE[0])
    assert f"torch>={lowest}" in extras["train"]
    assert setup_env.is_in_range(setup_env.pinned_torch().removeprefix("torch=="))


def test_composing_installs_a_copy_without_torch(
    setup_env: ModuleType, capsys: pytest.CaptureFixture[str], pip_calls: list[tuple[list[str], str]]
) -> None:
    setup_env.install(PYTHON, "compose", found(setup_env))
    [(words, _)] = pip_calls
    assert words[-1] == str(setup_env.ROOT)
    assert "-e" not in words
    assert capsys.readouterr().out.startswith("About 110 MB will be downloaded")


def test_the_studio_brings_its_server_and_stays_when_composing_is_set_up_again(
    setup_env: ModuleType, capsys: pytest.CaptureFixture[str], pip_calls: list[tuple[list[str], str]]
) -> None:
    setup_env.install(PYTHON, "studio", found(setup_env))
    assert capsys.readouterr().out.startswith("About 114 MB will be downloaded")
    setup_env.install(PYTHON, "compose", found(setup_env, miditok="3.1.0", fastapi="0.165.0"))
    assert [words[-1] for words, _ in pip_calls] == [f"{setup_env.ROOT}[studio]"] * 2


def test_an_install_in_place_stays_in_place(setup_env: ModuleType, pip_calls: list[tuple[list[str], str]]) -> None:
    setup_env.install(PYTHON, "compose", found(setup_env, miditok="3.1.0", is_editable=True))
    assert pip_calls[0][0][-2:] == ["-e", str(setup_env.ROOT)]


def test_nothing_is_done_until_a_file_changes(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "src" / "pianomuse"
    source.mkdir(parents=True)
    for path in (tmp_path / "pyproject.toml", tmp_path / "constraints.txt", source / "__init__.py"):
        path.write_text("torch==2.13.0\n", "utf-8")
    venv = tmp_path / ".venv"
    setup_env.venv_python(venv).parent.mkdir(parents=True)
    setup_env.venv_python(venv).touch()
    monkeypatch.setattr(setup_env, "ROOT", tmp_path)
    monkeypatch.setattr(setup_env, "CONSTRAINTS", tmp_path / "constraints.txt")
    assert not setup_env.is_up_to_date(venv, "compose")

    def stamp(profile: str) -> None:
        made_from = {"profile": profile, "inputs": setup_env.fingerprint(profile)}
        (venv / setup_env.STAMP).write_text(json.dumps(made_from), "utf-8")

    stamp("compose")
    assert setup_env.is_up_to_date(venv, "compose")
    assert not setup_env.is_up_to_date(venv, "develop")
    (source / "new.py").touch()
    assert not setup_env.is_up_to_date(venv, "compose")

    stamp("compose")
    assert not setup_env.is_up_to_date(venv, "studio")
    stamp("studio")
    assert setup_env.is_up_to_date(venv, "studio")
    assert setup_env.is_up_to_date(venv, "compose")
    (source / "page.py").touch()
    assert not setup_env.is_up_to_date(venv, "studio")

    stamp("develop")
    assert setup_env.is_up_to_date(venv, "studio")
    (source / "newer.py").touch()
    assert setup_env.is_up_to_date(venv, "develop")
    assert setup_env.is_up_to_date(venv, "compose")
    (tmp_path / "constraints.txt").write_text("torch==2.14.0\n", "utf-8")
    assert not setup_env.is_up_to_date(venv, "develop")
