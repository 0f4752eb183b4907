"""Write what docs/reference says of commands, settings, HTTP fields and Python names anew from the code.

What stands between the marks of cli.md, http.md and python.md is replaced; all else in these pages is written by hand.
Needs the extras `train` and `studio`. `tests/docs/test_references.py` tells when it has to be run again. (More than 300
lines, because the three pages share their tables.)
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
BEGIN, END = "<!-- generated: python scripts/write_references.py -->", "<!-- end of what is generated -->"
WRITES_IDEAS = ("complete", "fill", "vary", "harmonise")
SHARED = "Options of all commands that write ideas"

Row = tuple[str, str, str]  # option or argument, value, what it does


def main() -> int:
    """Replace what stands between the marks of both pages."""
    for name, lines in (("cli.md", commands()), ("http.md", fields(openapi())), ("python.md", public_names())):
        page = REFERENCE / name
        page.write_text(put_between(page.read_text("utf-8"), "\n".join(lines)), encoding="utf-8")
        print(page)
    return 0


def put_between(page: str, text: str) -> str:
    """Return a page with new text between its marks.

    Raises:
        SystemExit: the page has no marks.

    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the page needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{text.strip()}\n{END}{after}"


def commands() -> Iterator[str]:
    """Yield the lines about every command, in the order of the help."""
    from pianomuse import cli

    app = typer.main.get_command(cli.build_app())
    found = {name: list(rows(app.commands[name], name)) for name in cli.COMMANDS}  # type: ignore[attr-defined]
    first, *others = WRITES_IDEAS
    shared = [row for row in found[first] if row[0].startswith("`--") and all(row in found[name] for name in others)]
    for name in cli.COMMANDS:
        command = app.commands[name]  # type: ignore[attr-defined]
        yield from (f"## {name}", "", plain(command.help), "", f"    {example(command.epilog)}", "")
        own = [row for row in found[name] if name not in WRITES_IDEAS or row not in shared]
        yield from table("option", own)
        if name in WRITES_IDEAS:
            yield from (f"Also the [options of all commands that write ideas](#{anchor(SHARED)}).", "")
        if name == WRITES_IDEAS[-1]:
            yield from (f"### {SHARED}", "")
            yield from table("option", shared)
        if name == "train":
            yield from settings()


def rows(command: Any, name: str) -> Iterator[Row]:
    """Yield the arguments and options of a command."""
    context = typer.Context(command, info_name=name)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None or parameter.name == "help":
            continue
        text, extra = re.fullmatch(r"(.*?)(?:\s*\[((?:default|required|env var|\d|x).*)\])?", record[1], re.S).groups()  # type: ignore[union-attr]
        if parameter.param_type_name == "argument":
            yield f"`{parameter.metavar or parameter.name}`", "", joined(text, "" if parameter.required else "optional")
            continue
        names = ", ".join(f"`{word}`" for word in (*parameter.opts, *parameter.secondary_opts))
        value = "" if parameter.is_flag else parameter.display_type_rich(ctx=context)
        yield names, values(value), joined(text, extra or "")


def settings() -> Iterator[str]:
    """Yield the tables of what `train --set` takes."""
    import dataclasses

    from pianomuse.train.command import SECTIONS

    yield from ("### Settings of train", "", "What `--set name=value` takes, section by section of `config.toml`:", "")
    for section, kind in SECTIONS.items():
        found = []
        for field in dataclasses.fields(kind):  # type: ignore[arg-type]
            default = "not set" if field.default in (None, dataclasses.MISSING) else str(field.default)
            choices = ", ".join(f"`{word}`" for word in field.metadata.get("choices", ()))
            text = joined(field.metadata.get("help", ""), choices)
            found.append((f"`{field.name}`", default, text))
        yield from (f"`[{section}]`", "")
        yield from table("setting", found, "default")


def openapi() -> dict[str, Any]:
    """Return the document that a server tells at /api/v1/openapi.json."""
    from pianomuse.server.app import create_app

    return create_app(None, has_page=False).openapi()  # type: ignore[arg-type]


def fields(document: dict[str, Any]) -> Iterator[str]:
    """Yield the lines about every address and every field."""
    yield from ("## Every address", "")
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            takes, gives = body(operation.get("requestBody")), body(success(operation))
            asked = ", ".join(f"`{p['name']}`" for p in operation.get("parameters", ()) if p["in"] == "query")
            what = " ".join(operation["description"].split())
            found.append((f"{method.upper()} `{path}`", " and ".join(filter(None, (takes, asked))), gives, what))
    yield from ("| | takes | gives | |", "|---|---|---|---|")
    yield from (f"| {' | '.join(map(escaped, row))} |" for row in found)
    yield from ("", "## Every field", "")
    for name, schema in sorted(document["components"]["schemas"].items()):
        if "properties" not in schema or name in ("HTTPValidationError", "ValidationError"):
            continue
        needed = schema.get("required", ())
        yield from (f"### {name}", "", plain(schema.get("description", "")), "")
        yield from table("field", [field_row(key, value, key in needed) for key, value in schema["properties"].items()])


def field_row(name: str, schema: dict[str, Any], is_needed: bool) -> Row:
    """Return the line of one field."""
    default = "" if is_needed or "default" not in schema or "const" in schema else f"default {said(schema['default'])}"
    return f"`{name}`", kind_of(schema), joined(schema.get("description", ""), default)


def kind_of(schema: dict[str, Any]) -> str:
    """Say in words what a JSON schema allows.

    >>> kind_of({"type": "integer", "minimum": 0, "maximum": 127})
    'integer, 0 to 127'
    """
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{anchor(name)})"
    if "anyOf" in schema:
        return " or ".join(kind_of(item) for item in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if isinstance(schema.get("type"), list):
        return " or ".join(kind_of({**schema, "type": one}) for one in schema["type"])
    kind = {"string": "text", "array": "list", "boolean": "true or false", "number": "number"}.get(
        schema.get("type", ""), schema.get("type", "anything")
    )
    if kind == "list":
        kind = f"list of {kind_of(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        kind = f"object of {kind_of(schema['additionalProperties'])}"
    return ", ".join([kind, *bounds_of(schema)])


def bounds_of(schema: dict[str, Any]) -> list[str]:
    """Return what a schema says about sizes."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return [f"{number(low)} to {number(high)}"]
    words = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "above {}",
        "exclusiveMaximum": "below {}",
        "maxItems": "at most {}",
        "maxLength": "at most {} characters",
    }
    return [text.format(number(schema[key])) for key, text in words.items() if key in schema]


def body(holder: dict[str, Any] | None) -> str:
    """Say what a request or an answer holds."""
    kinds = (holder or {}).get("content", {})
    for kind, content in kinds.items():
        schema = content.get("itemSchema") or content.get("schema") or {}
        is_file = kind not in ("application/json", "application/jsonl")
        lines = {"application/jsonl": "lines of events", "text/event-stream": "server-sent events"}.get(kind)
        return lines or (f"`{kind}`" if is_file else kind_of(schema))
    return ""


def success(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a request that is done."""
    return next((answer for code, answer in operation["responses"].items() if code.startswith("2")), {})


def public_names() -> Iterator[str]:
    """Yield the lines about what programs in Python use: composing first, then data, model and operator."""
    import pianomuse
    from pianomuse.api import Muse, load
    from pianomuse.generate import options, session_events
    from pianomuse.generate.ghost import Ghost
    from pianomuse.generate.ideas import Candidate, Ideas
    from pianomuse.generate.session import Session
    from pianomuse.generate.stream import Stream
    from pianomuse.wkv import wkv7

    yield from name_and_text("load", load)
    yield from class_and_methods(Muse)
    yield from ("## Options", "", plain(options.Options.__doc__), "")
    yield from table("option", list(fields_with_texts(options)), "type")
    for kind in (Ideas, Candidate, Session, Stream, Ghost):
        yield from class_and_methods(kind)
    yield from ("## Events", "", *(session_events.__doc__ or "").strip().splitlines(), "")
    for kind in vars(session_events).values():
        if isinstance(kind, type) and kind.__module__ == session_events.__name__:
            yield from name_and_text(kind.__name__, kind, level=3)
    for name in (name for name in pianomuse.__all__ if name not in ("load", "__version__")):
        found = getattr(pianomuse, name)
        yield from class_and_methods(found) if isinstance(found, type) else name_and_text(name, found)
    yield from name_and_text("wkv.wkv7", wkv7)


def class_and_methods(kind: type) -> Iterator[str]:
    """Yield what is said of a class and of what it can do."""
    yield from name_and_text(kind.__name__, kind)
    for name, member in vars(kind).items():
        member = getattr(member, "func", member)  # a cached property
        if not name.startswith("_") and inspect.getdoc(member) and (callable(member) or isinstance(member, property)):
            yield from name_and_text(f"{kind.__name__}.{name}", member, level=3)


def name_and_text(name: str, member: Any, *, level: int = 2) -> Iterator[str]:
    """Yield a heading, and how it is called with its docstring."""
    called = ""
    if callable(member):
        parameters = [p.replace(annotation=p.empty) for p in inspect.signature(member).parameters.values()]
        parameters = [p for p in parameters if p.name not in ("self", "cls")]
        signature = re.sub(r"<[^<>]*(?:<\w+>[^<>]*)?>", "...", str(inspect.Signature(parameters)))
        called = f"{name.rsplit('.', 1)[-1]}{signature}\n\n"
    yield from (f"{'#' * level} {name}", "", "```text", f"{called}{inspect.getdoc(member)}", "```", "")


def fields_with_texts(module: Any) -> Iterator[Row]:
    """Yield the fields of `Options` with the texts that stand below them."""
    tree = ast.parse(inspect.getsource(module))
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Options")
    for one, two in itertools.pairwise(body):
        if isinstance(one, ast.AnnAssign) and isinstance(two, ast.Expr):
            text = ast.literal_eval(two.value)
            yield f"`{ast.unparse(one.target)}`", f"`{ast.unparse(one.annotation)}`", plain(text).replace("``", "`")


def table(first: str, lines: list[Row], second: str = "value") -> Iterator[str]:
    """Yield a table."""
    if not lines:
        return
    yield from (f"| {first} | {second} | |", "|---|---|---|")
    yield from (f"| {' | '.join(map(escaped, row))} |" for row in lines)
    yield ""


def plain(text: str | None) -> str:
    """Return a text on one line; what looks like HTML to a browser is put as it is meant."""
    return " ".join((text or "").split()).replace("<", "&lt;")


def values(text: str | None) -> str:
    """Return what stands for a value: `<calm|bold>` becomes words, a name stays."""
    if not text:
        return ""
    kind = re.fullmatch(r"<(\w+)>", text)
    if kind:
        return {"int": "whole number", "float": "number"}.get(kind[1], "text")
    choices = re.fullmatch(r"[\[<]([\w-]+(?:\|[\w-]+)+)[\]>]", text)
    return ", ".join(f"`{word}`" for word in choices[1].split("|")) if choices else f"`{text}`".replace("|", "` or `")


def joined(text: str, extra: str) -> str:
    """Return a help text with what else is to be said in brackets."""
    return plain(f"{text} ({extra})" if extra and text else text or extra)


def escaped(cell: str) -> str:
    """Return a cell that no bar of its own breaks."""
    return cell.replace("|", "&#124;")


def example(epilog: str | None) -> str:
    """Return the command of an epilog."""
    return " ".join((epilog or "").split()).removeprefix("Example: ").removeprefix("Examples: ")


def anchor(heading: str) -> str:
    """Return where a heading is found on its page."""
    return heading.lower().replace(" ", "-")


def said(value: object) -> str:
    """Return a default as JSON says it."""
    return {None: "null", True: "true", False: "false", "": "empty"}.get(value, str(value))  # type: ignore[call-overload]


def number(value: float) -> str:
    """Return a bound without needless digits."""
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


if __name__ == "__main__":
    sys.exit(main())
