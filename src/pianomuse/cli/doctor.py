"""`pianomuse doctor`: check that everything PianoMuse needs is there and works, and say what to do where it is not."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from pianomuse.cli import doctor_machine as machine
from pianomuse.cli.findings import Finding, shown, without_home
from pianomuse.errors import PianoMuseError

BASE_PACKAGES = ("numpy", "numba", "miditok", "symusic", "mido", "safetensors", "soundfile", "pillow", "rich")
MARKS = {"good": "ok", "note": "--", "bad": "!!"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor", epilog="Example: pianomuse doctor --json")(doctor)


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document: every check and its result.")
    ] = False,
) -> None:
    """Check the set-up; exit code 2 if composing cannot work."""
    checks = (
        *(_python, _packages, _folder, _sound, _model, _torch),
        *(machine.files, machine.machine, machine.cache, machine.disk, machine.extras),
        *(machine.browser, machine.port, machine.accelerators, _operator),
    )
    findings = [finding for check in checks for finding in _guarded(check)]
    if as_json:
        to_do = [
            f"{finding.name}: {finding.remedy}" for finding in findings if finding.mark == "bad" and finding.remedy
        ]
        document = json.dumps({"checks": [asdict(finding) for finding in findings], "to_do": to_do})
        typer.echo(without_home(document))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            typer.echo(f"{MARKS[finding.mark]}  {finding.name:{width}}  {finding.text}")
            if finding.remedy:
                typer.echo(f"    {'':{width}}  {finding.remedy}")
    bad = [finding.name for finding in findings if finding.mark == "bad"]
    if bad:
        typer.echo(f"Not in order: {', '.join(bad)}; do what is said there and run `pianomuse doctor` again.", err=True)
        raise typer.Exit(2)
    typer.echo("Composing works. Go on with: pianomuse complete your-piece.mid", err=True)


def _guarded(check: Callable[[], Finding | list[Finding]]) -> list[Finding]:
    """Let a check that breaks be a finding like another."""
    name = check.__name__.strip("_")
    try:
        found = check()
    except PianoMuseError as error:
        found = Finding(name, "bad", str(error))
    except Exception as error:  # whatever is wrong with the set-up, the other checks are still worth reading
        found = Finding(name, "bad", f"{type(error).__name__}: {error}", "Install PianoMuse again, as README.md says")
    return found if isinstance(found, list) else [found]


def _python() -> Finding:
    cores = os.cpu_count() or 1
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores"
    if sys.maxsize < 2**32:
        return Finding("python", "bad", f"{text}, 32 bit", "Install a 64-bit Python 3.11 or newer")
    return Finding("python", "good", text)


def _packages() -> Finding:
    found, missing = [f"pianomuse {version('pianomuse')}"], []
    for name in BASE_PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "bad", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Finding("packages", "good", ", ".join(found))


def _folder() -> Finding:
    here = Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=here):
            return Finding("folder", "good", f"{shown(here)} can be written to")
    except OSError as error:
        remedy = "Ideas go beside the piece; choose another folder with --out"
        return Finding("folder", "note", f"{shown(here)} cannot be written to ({error.strerror})", remedy)


def _sound() -> Finding:
    from pianomuse.render.piano import SoundNote, synthesise

    sound = synthesise([SoundNote(onset_s=0.0, duration_s=0.5, pitch=60, velocity=80)])
    if float(abs(sound).max()) < 0.001:
        return Finding("sound", "bad", "the piano is silent", "Install PianoMuse again, as README.md says")
    return Finding("sound", "good", "the piano sounds")


def _model() -> Finding:
    from pianomuse.api import load

    start = time.perf_counter()
    load(device="cpu")
    return Finding("model", "good", f"the default model is there and loads in {time.perf_counter() - start:.1f} s")


def _torch() -> Finding:
    try:
        text = f"PyTorch {version('torch')}"
    except PackageNotFoundError:
        remedy = "To train: pip install 'pianomuse[train]'"
        return Finding("torch", "note", "PyTorch is not installed; composing does not need it", remedy)
    from pianomuse.devices import choose_device

    return Finding("torch", "good", f"{text}, trains on {choose_device()}")


def _operator() -> list[Finding]:
    """The backends of the WKV operator on the device that training would take."""
    if find_spec("torch") is None:
        return []
    from pianomuse.devices import choose_device
    from pianomuse.wkv import available_backends, backend_for

    device = choose_device().torch_device
    chosen = backend_for(device)
    on_cuda = {name: why for name, why in available_backends("cuda").items() if name in ("cuda", "triton")}
    findings = []
    for backend, reason in (available_backends(device) | on_cuda).items():
        taken = f"runs on {device.type}" + (", and is taken by default" if backend == chosen else "")
        mark: Literal["good", "note"] = "good" if reason is None else "note"
        findings.append(Finding(f"wkv {backend}", mark, taken if reason is None else f"not here: {reason}"))
    return findings
