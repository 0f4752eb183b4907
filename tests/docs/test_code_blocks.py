"""Every code block of the documents is run here, run by the test of its page, or read by the program's own parser.

How a block is tested follows from what it is:

- Python blocks are run, page by page, with the default model.
- Commands that need seconds and no network (complete, fill, convert, prepare, export, doctor ...) are run, with tiny
  random weights and the files that the pages name, except where RUN_ELSEWHERE names the test that does.
- All other commands (train, tune, evaluate, fetch, serve, bench, make, pip, scripts ...) are parsed: command,
  arguments, options, words and setting names must exist. They have tests of their own that run them small.
- Blocks marked `text` are for reading: formulas, and what a program prints. JSON must be JSON.

A block that cannot be tested so has a reason before it: `<!-- not run: ... -->`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import typer

from pianomuse import cli
from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.store import save_checkpoint
from pianomuse.checkpoint.style import Style, model_fingerprint, save_style
from pianomuse.tokens.vocabulary import piano_vocabulary

ROOT = Path(__file__).resolve().parents[2]
LEFT_ALONE = ("tests", "src", "docs/gallery", "CHANGELOG.md", "README.zh.md", "build", "site")
"""What has no blocks of its own; the Chinese README has those of the English one (test_languages.py)."""
RUN_ELSEWHERE = {
    "docs/howto/limits.md": "tests/cli/test_howto_limits.py",
    "docs/tutorial/train-your-own.md": "tests/test_tutorial.py",
}
ASKS_THE_MODEL = ("complete", "fill", "vary", "harmonise", "mirex")
IS_RUN = (
    *ASKS_THE_MODEL, "convert", "surprise", "render", "taste", "info", "vocab", "prepare", "export", "memory", "doctor",
)  # fmt: skip
SHELLS = ("", "sh", "console")


@dataclass(frozen=True)
class Block:
    """One code block."""

    page: str
    line: int
    language: str
    text: str
    reason: str
    """Why it is not run, where the page says so."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[list[str]]:
        lines = re.sub(r"\\\n\s*", " ", self.text).splitlines()
        lines = [line.removeprefix("$ ") for line in lines if line.strip() and not line.lstrip().startswith("#")]
        return [shlex.split(line.replace("\\", "/"), comments=True) for line in lines]


def pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    names = (
        listed.stdout.split("\n") if listed.returncode == 0 else [str(p.relative_to(ROOT)) for p in ROOT.rglob("*.md")]
    )
    return sorted(ROOT / name for name in names if name and not name.startswith((*LEFT_ALONE, ".")))


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield fenced and indented blocks; an indented one stands after an empty line and outside of lists."""
    name, lines = page.relative_to(ROOT).as_posix(), page.read_text("utf-8").splitlines()
    reason, number, is_in_list = "", 0, False
    while number < len(lines):
        line = lines[number]
        begin = number
        if line.startswith("```"):
            end = next(i for i in range(number + 1, len(lines)) if lines[i].startswith("```"))
            yield Block(name, begin + 1, line[3:].strip(), "\n".join(lines[begin + 1 : end]), reason)
            number, reason = end, ""
        elif line.startswith("    ") and not is_in_list and (number == 0 or not lines[number - 1].strip()):
            while number + 1 < len(lines) and (lines[number + 1].startswith("    ") or not lines[number + 1].strip()):
                number += 1
            text = "\n".join(text[4:] for text in lines[begin : number + 1]).strip()
            yield Block(name, begin + 1, "", text, reason)
            reason = ""
        elif mark := re.fullmatch(r"<!-- not run: (.+) -->", line.strip()):
            reason = mark[1]
        elif line.strip():
            reason = ""
            is_in_list = bool(re.match(r"([-*]|\d+\.) ", line)) or (is_in_list and line.startswith(" "))
        number += 1


BLOCKS = [block for page in pages() for block in blocks_of(page)]
SHELL_BLOCKS = [block for block in BLOCKS if block.language in SHELLS and not block.reason]


def of_program(words: list[str]) -> list[str] | None:
    """Return the words after `pianomuse`, however it is started."""
    program = words[0].rsplit("/", 1)[-1]
    if program == "pianomuse":
        return words[1:]
    if "-m" in words and "pianomuse" in words:
        return words[words.index("pianomuse") + 1 :]
    return None


def parse(words: list[str]) -> None:
    """Let the program read a command line without doing anything."""
    app = typer.main.get_command(cli.build_app())
    context = typer.Context(app, info_name="pianomuse")
    name, command, rest = app.resolve_command(context, list(words))  # type: ignore[attr-defined]
    try:
        command.make_context(name, rest, parent=context)
    except typer.Exit:  # an option that answers by itself, such as --list-settings
        return
    if name == "train":
        for number, word in enumerate(rest):
            if word == "--set":
                assert rest[number + 1].partition("=")[0] in setting_names(), rest[number + 1]


def setting_names() -> set[str]:
    from pianomuse.train.command import SECTIONS

    return {field.name for kind in SECTIONS.values() for field in dataclasses.fields(kind)}


def check_script(words: list[str]) -> None:
    """Look whether a script of ours and the options given to it are there."""
    if words[1] in ("-m", "-c") or words[1].startswith("my-"):
        return
    source = (ROOT / words[1]).read_text("utf-8")
    for word in words[2:]:
        if word.startswith("--"):
            assert f'"{word.partition("=")[0]}"' in source or f"`{word}" in source, word


def check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for word in words[1:]:
        name, equals, _ = word.partition("=")
        assert (f"$({name})" in makefile or f"{name} ?=" in makefile) if equals else f"\n{name}:" in makefile, word


def check_pip(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for word in words:
        if asked := re.search(r"(?:pianomuse|\.)\[([\w,]+)\]", word):
            assert set(asked[1].split(",")) <= set(extras), word


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "make": check_make,
    "python": check_script,
    "py": check_script,
    "pip": check_pip,
    "pytest": lambda words: None,
    "tensorboard": lambda words: None,
    "git": lambda words: None,
}


def test_the_documents_have_blocks_and_every_block_is_of_a_kind() -> None:
    assert len(BLOCKS) > 60
    unknown = [
        f"{b.place}: {b.language}" for b in BLOCKS if b.language not in (*SHELLS, "python", "json", "text", "toml")
    ]
    assert not unknown, "name the language of a block, or mark it text if it is for reading"


def test_what_is_not_run_says_why() -> None:
    assert all(len(block.reason) > 10 for block in BLOCKS if block.reason)


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=lambda block: block.place)
def test_commands_exist(block: Block) -> None:
    for words in block.commands():
        asked = of_program(words)
        if asked is not None:
            parse(asked)
            continue
        program = words[0].rsplit("/", 1)[-1]
        assert program in CHECKS, f"{words}: not a command of ours; mark the block `text`, or say why it is not run"
        CHECKS[program](words)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "json" and not b.reason], ids=lambda b: b.place)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


def test_commands_in_the_text_exist() -> None:
    app = typer.main.get_command(cli.build_app())
    faults = []
    for page in pages():
        for span in re.findall(r"(?<!`)`(pianomuse [^`]+)`(?!`)", page.read_text("utf-8").replace("\n", " ")):
            words = shlex.split(span.replace("…", "").replace("'", "").replace('"', ""))[1:]
            if words[0].startswith("-") or words[0].isupper():
                continue
            if words[0] not in cli.COMMANDS:
                faults.append(f"{page.name}: {span}")
                continue
            known = {opt for p in app.commands[words[0]].params for opt in (*p.opts, *p.secondary_opts)}  # type: ignore[attr-defined]
            known |= {"--help", "--traceback"}
            faults += [f"{page.name}: {span}" for word in words if word.startswith("--") and word not in known]
    assert not faults


def test_commands_that_errors_scripts_and_launchers_name_exist() -> None:
    app = typer.main.get_command(cli.build_app())
    folders = ("src/pianomuse", "launchers", "examples", "scripts", "benchmarks", "recipes")
    named = [path for folder in folders for path in sorted((ROOT / folder).rglob("*")) if "vendor" not in path.parts]
    named += [ROOT / name for name in ("CHANGELOG.md", "README.zh.md", "Makefile", "Containerfile")]
    n_found, faults = 0, []
    for path in named:
        if path.suffix not in ("", ".py", ".js", ".html", ".md", ".sh", ".bat", ".toml") or not path.is_file():
            continue
        text = re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8"))  # sentences that are broken over two lines
        for name, rest in re.findall(r"(?<![\w./-])pianomuse ([a-z]+)((?: [^\s`\"'()]+)*)", text):
            if name not in cli.COMMANDS:
                continue
            n_found += 1
            known = {opt for p in app.commands[name].params for opt in (*p.opts, *p.secondary_opts)}  # type: ignore[attr-defined]
            known |= {"--help", "--traceback"}
            asked = re.findall(r"(?<!\S)--[a-z][\w-]*", rest)
            faults += [f"{path.name}: {name} {option}" for option in asked if option not in known]
    assert n_found > 100
    assert not faults


# ---- what is run

PIECES = {
    "piece.mid": "gap-of-four-bars",
    "your-piece.mid": "finished-phrase",
    "melody.mid": "right-hand",
    "waltz.mid": "waltz-pickup",
    "sketch.mid": "waltz-pickup",
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path) -> Path:
    """A folder with the files that the pages name, and what the commands before have made."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", "examples")
    for name, example in PIECES.items():
        shutil.copy(ROOT / "examples" / f"{example}.mid", name)
    from pianomuse.midi.read import read_midi
    from pianomuse.render.sheet import sheet_of, write_sheet

    for name in ("sonata.mxl", "sonata.musicxml"):
        write_sheet(tmp_path / name, sheet_of(read_midi("your-piece.mid"), "Sonata"))
    bass = mido.MidiFile(ROOT / "examples" / "waltz-pickup.mid")
    bass.tracks = [track for track in bass.tracks if track.name != "RH"]
    bass.save("bass-line.mid")
    (tmp_path / "waltz ideas").mkdir()
    shutil.copy("waltz.mid", "waltz ideas/waltz.with-completion-1.mid")
    for folder in ("my-midi-files", "corpora/asap"):
        shutil.copytree(ROOT / "tests" / "files", folder)
    for run in ("runs/first", "runs/mine"):
        shutil.copytree(model, run)
    shutil.copy(model.parent / "mine.safetensors", "mine.safetensors")
    prompt = [{"start": 16 + 8 * n, "pitch": 60 + 2 * (n % 4), "duration": 8} for n in range(8)]
    Path("prompt.json").write_text(json.dumps({"prompt": prompt}), encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, and beside them a style that was tuned on them."""
    vocabulary = piano_vocabulary()
    config = ModelConfig(vocab_size=len(vocabulary), n_layer=1, n_embd=64)
    rng = np.random.default_rng(5)
    tensors = {
        name: rng.normal(0, 1.0 if len(shape) == 1 else 0.2, shape).astype(np.float32)
        for name, shape in tensor_shapes(config).items()
    }
    folder = tmp_path_factory.mktemp("models") / "random"
    state = np.zeros((config.n_layer, config.n_head, config.head_size, config.head_size), np.float32)
    style = Style(state, model_fingerprint(config, tensors), vocabulary.fingerprint)
    save_style(folder.parent / "mine.safetensors", style)
    return save_checkpoint(folder, config, tensors, tokenizer_json=vocabulary.to_json())


def commands_to_run() -> Iterator[tuple[str, list[str]]]:
    for block in SHELL_BLOCKS:
        for words in block.commands() if block.page not in RUN_ELSEWHERE else ():
            asked = of_program(words) or [""]
            if asked[0] in IS_RUN:
                yield block.place, asked


COMMANDS = list({tuple(words): (place, words) for place, words in commands_to_run()}.values())


@pytest.mark.parametrize(("place", "words"), COMMANDS, ids=[place for place, _ in COMMANDS])
def test_commands_run(
    place: str, words: list[str], desk: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--to" in words:  # its bars are those of a piece in 4/4 that stops earlier
        shutil.copy(ROOT / "examples" / "broken-off-on-beat-3.mid", "piece.mid")
    small: list[str] = []
    if words[0] in ASKS_THE_MODEL:
        small = ["--model", str(model), "--candidates", "1", "--seed", "1"]
        if words[0] == "harmonise" and "--from-bar" not in words:
            small += ["--from-bar", "3", "--to-bar", "6"]
    code = cli.main([*words, *small])
    assert code == 0, capsys.readouterr().err


def python_pages() -> list[str]:
    return sorted({block.page for block in BLOCKS if block.language == "python" and not block.reason})


def what_the_page_takes_for_granted(page: str, model: Path) -> dict[str, Any]:
    """Return the names that the words of a page have introduced; write the files of the commands before."""
    if page == "docs/howto/export.md":
        assert cli.main(["export", str(model), "--to", "onnx", "--out", "muse.onnx"]) == 0
        return {"ids": [1, 2, 3]}
    if page == "docs/explanation/wkv7.md":
        import torch

        r, k, v, a, b = torch.randn(5, 1, 17, 2, 64).mul(0.1)
        log_decay = torch.full_like(r, -0.1)
        return {"r": r, "log_decay": log_decay, "k": k, "v": v, "a": a, "b": b, "next_part": (r, log_decay, k, v, a, b)}
    import pianomuse as pm

    return {"muse": pm.load(device="cpu")}


@pytest.mark.parametrize("page", python_pages())
def test_python_blocks_run(page: str, desk: Path, model: Path) -> None:
    names = what_the_page_takes_for_granted(page, model)
    before = set(desk.iterdir())
    for block in BLOCKS:
        if block.page == page and block.language == "python" and not block.reason:
            exec(compile("\n" * block.line + block.text, str(ROOT / page), "exec"), names)
    writes = ".save" in (ROOT / page).read_text("utf-8") or "write_sheet(" in (ROOT / page).read_text("utf-8")
    assert bool(set(desk.iterdir()) - before) == writes
