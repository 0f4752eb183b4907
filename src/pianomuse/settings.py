"""Frozen dataclasses <-> TOML and command line; knows no field of any of them.

A field's help text, range and choices stand in its metadata:

    n_steps: int = field(default=1000, metadata={"help": "optimizer steps", "min": 1})

All problems of a file or command line are collected and raised as one ConfigError.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pianomuse.errors import ConfigError
from pianomuse.reading import read_bounded

T = TypeVar("T")
_MOST_WHOLE = 2**53  # whole numbers that JSON and float64 keep
_MAX_FILE_BYTES = 2**20


def build(cls: type[T], values: Mapping[str, object], *, where: str = "settings") -> T:
    """Make a settings object from plain values.

    Args:
        cls: a dataclass whose fields are int, float, bool, str, or one of these with None.
        values: field name -> value; fields left out keep their default.
        where: what the error message names, for example a file.

    Raises:
        ConfigError: unknown keys, wrong types and values out of range, all in one message.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    kinds = typing.get_type_hints(cls)
    problems, checked = [], {}
    for name, value in values.items():
        if name not in fields:
            problems.append(f"{_shown(name)} is unknown (known: {', '.join(sorted(fields))})")
            continue
        try:
            checked[name] = _check(fields[name], kinds[name], value)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(f"{where}: " + "; ".join(problems))
    return cls(**checked)


def override(settings: T, assignments: Sequence[str]) -> T:
    """Return the settings with `key=value` assignments of the command line applied; of one key the last counts.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Sizes:
        ...     n_layer: int = 2
        >>> override(Sizes(), ["n_layer=12"])
        Sizes(n_layer=12)
    """
    kinds = typing.get_type_hints(type(settings))
    values: dict[str, object] = dict(to_dict(settings))
    problems = []
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            problems.append(f"{_shown(assignment)} is not of the form key=value")
        else:
            values[name] = _from_text(kinds.get(name, str), text)
    if problems:
        raise ConfigError("--set: " + "; ".join(problems))
    return build(type(settings), values, where="--set")


def to_dict(settings: object) -> dict[str, Any]:
    """Return the fields as a plain dictionary."""
    return dataclasses.asdict(settings)  # type: ignore[call-overload, no-any-return]


def to_toml(sections: Mapping[str, object]) -> str:
    """Write settings objects as TOML, one section each, every key with its help text as a comment."""
    lines: list[str] = []
    for section, settings in sections.items():
        lines.append(f"[{section}]")
        for field in dataclasses.fields(settings):  # type: ignore[arg-type]
            value = getattr(settings, field.name)
            line = f"{field.name} = {_toml_value(value)}"
            if value is None:
                line = f"# {field.name} is not set"
            if field.metadata.get("help"):
                line = (
                    f"{line}  # {field.metadata['help']}" if value is not None else f"{line}: {field.metadata['help']}"
                )
            lines.append(line)
        lines.append("")
    return "\n".join(lines)


def read_toml(path: Path, sections: Mapping[str, type[Any]]) -> dict[str, Any]:
    """Read what `to_toml` wrote.

    Args:
        path: the file.
        sections: section name -> dataclass.

    Raises:
        ConfigError: the file is missing or no TOML, or has unknown sections, keys or values.
    """
    try:
        document = tomllib.loads(read_bounded(path, _MAX_FILE_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no text, no TOML
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read as TOML ({reason}); use the file as it was written") from error
    problems = [f"section [{name}] is unknown" for name in document if name not in sections]
    built = {}
    for name, cls in sections.items():
        try:
            values = document.get(name, {})
            built[name] = build(cls, values if isinstance(values, dict) else {name: values}, where=f"[{name}]")
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(f"{path}: " + "; ".join(problems))
    return built


def whole_numbers(name: str, text: str, *, most: int) -> list[int]:
    """Read a setting that is a list of whole numbers from 1 on.

    >>> whole_numbers("lengths", "128, 1024", most=4096)
    [128, 1024]

    Raises:
        ConfigError: it is none, or a number is larger than `most`.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(
        part.isascii() and part.isdigit() and len(part) < 16 and 1 <= int(part) <= most for part in parts
    ):
        raise ConfigError(f"{name} = {_shown(text)}: give whole numbers of 1 to {most}, such as {min(most, 512)}")
    return [int(part) for part in parts]


def help_text(cls: type[Any]) -> str:
    """Return one line for each field: name, default, help; the command line prints it."""
    lines = []
    for field in dataclasses.fields(cls):
        default = "not set" if field.default is None else field.default
        lines.append(f"{field.name} ({default}): {field.metadata.get('help', '')}")
    return "\n".join(lines)


def _check(field: dataclasses.Field[Any], kind: Any, value: object) -> object:
    options = typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else (kind,)
    if value is None and type(None) in options:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and float in options and int not in options:
        value = float(value)
    if type(value) not in options:
        names = " or ".join("nothing" if option is type(None) else option.__name__ for option in options)
        raise ValueError(f"{field.name} = {_shown(value)} is not {names}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{field.name} = {value} is not finite")
    if isinstance(value, int | float):
        low, high = field.metadata.get("min"), field.metadata.get("max")
        if isinstance(value, int) and abs(value) > _MOST_WHOLE:
            raise ValueError(f"{field.name} = {_shown(value)} is larger than any number of something")
        if (low is not None and value < low) or (high is not None and value > high):
            span = f"{'' if low is None else low}..{'' if high is None else high}"
            raise ValueError(f"{field.name} = {value} is not in {span}")
        if (step := field.metadata.get("multiple_of")) and value % step:
            raise ValueError(f"{field.name} = {value} is no multiple of {step}")
    choices = field.metadata.get("choices")
    if choices and value not in choices:
        raise ValueError(f"{field.name} = {_shown(value)} is none of {', '.join(map(str, choices))}")
    return value


def _shown(value: object) -> str:
    """Spell a value that may be anything, in a few characters."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:60]}…"


def _from_text(kind: Any, text: str) -> object:
    """Read a command-line value as the field's type; what does not fit stays text and fails in `build`."""
    options = typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else (kind,)
    if text.lower() in ("none", "") and type(None) in options:
        return None
    if bool in options:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    for number in (int, float):
        if number in options:
            try:
                return number(text)
            except ValueError:
                continue
    return text


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)
