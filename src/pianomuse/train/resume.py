"""What may change when a run goes on, and what makes it another run.

A setting may change where its metadata say under `resume` what happens then. Everything else belongs to what the run
is: its model, its data, its recipe. `table` writes both lists for docs/howto/resume-and-change-settings.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from pianomuse.data.store import Header, data_fingerprint
from pianomuse.errors import ConfigError, DatasetError, VocabularyError
from pianomuse.midi.write import write_atomically


def require_same_run(before: Mapping[str, Any], after: Mapping[str, Any], dataset: Path, run: Path) -> None:
    """Refuse to go on with another recipe.

    Args:
        before: the sections of the run's `config.toml`.
        after: the same with the changes asked for.
        dataset: as named on the command line, for the advice.
        run: the run folder, likewise.

    Raises:
        ConfigError: settings that may not change did; all are named.
    """
    changed = [
        (item.name, getattr(before[section], item.name), getattr(after[section], item.name))
        for section, item in _all_fields(before)
        if "resume" not in item.metadata
    ]
    refused = {name: (old, new) for name, old, new in changed if old != new}
    if refused:
        named = ", ".join(f"{name} (is {old}, asked for {new})" for name, (old, new) in refused.items())
        raise ConfigError(
            f"--resume: what a run is cannot change: {named}; leave it out, or begin a new run from these weights: "
            f"pianomuse train {dataset} --out ANOTHER --init {run}"
        )


def table(sections: Mapping[str, Any]) -> str:
    """Return two tables in Markdown: what may change, with what happens then; and what may not.

    Args:
        sections: name -> settings, or their classes.
    """
    lines = ["| may change | what it is | what happens |", "|---|---|---|"]
    fixed: dict[str, list[str]] = {}
    for section, item in _all_fields(sections):
        if "resume" in item.metadata:
            lines.append(f"| `{item.name}` | {item.metadata['help']} | {item.metadata['resume']} |")
        else:
            fixed.setdefault(section, []).append(f"`{item.name}`")
    lines += ["", "| section | may not change |", "|---|---|"]
    lines += [f"| `[{section}]` | {', '.join(names)} |" for section, names in fixed.items()]
    return "\n".join(lines)


def _all_fields(sections: Mapping[str, Any]) -> Iterator[tuple[str, Field[Any]]]:
    return ((section, item) for section, settings in sections.items() for item in fields(settings))


@dataclass(frozen=True)
class RunData:
    """What a run is trained on: `data.json`."""

    dataset: str
    data_fingerprint: str
    vocabulary_fingerprint: str
    pieces: dict[str, int]
    notes: dict[str, int]


def keep_data(dataset: Path, header: Header, run: Path, *, resume: bool) -> str:
    """Write `data.json` of a new run; where a run goes on, compare with it.

    Returns:
        What to tell; empty where all is as expected.

    Raises:
        DatasetError: a run that goes on is given other data than before.
        VocabularyError: or the same data in other tokens.
    """
    path = run / "data.json"
    now = RunData(str(dataset), data_fingerprint(dataset), header.vocabulary, header.pieces, header.notes)
    said = ""
    if resume and path.exists():
        before = _read(path)
        if before.vocabulary_fingerprint != now.vocabulary_fingerprint:
            raise VocabularyError(
                f"--resume: {dataset} speaks the vocabulary {now.vocabulary_fingerprint}, the run {run} "
                f"{before.vocabulary_fingerprint}; go on with the version of PianoMuse that began it"
            )
        if before.data_fingerprint != now.data_fingerprint:
            raise DatasetError(
                f"--resume: {dataset} holds other music than the run {run} was trained on, {before.dataset} "
                f"({sum(before.notes.values()):,} notes, now {sum(now.notes.values()):,}); name that, or begin a new "
                f"run from these weights: pianomuse train {dataset} --out ANOTHER --init {run}"
            )
    elif resume:
        said = f"{run} has no data.json (an earlier version began it): whether the dataset is the same is not known."
    document = json.dumps(now.__dict__, indent=1, ensure_ascii=False)
    write_atomically(path, document.encode())
    return said


def _read(path: Path) -> RunData:
    try:
        return RunData(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DatasetError(f"{path} is damaged ({error}); delete it to go on without the comparison") from None
