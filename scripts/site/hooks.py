"""What MkDocs calls while it builds: puts in the search that needs no server, and mends a script of the theme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def on_post_build(config: Any, **_: Any) -> None:
    """Write the index as a script, and our search in place of the one with a worker; let the colours be switched."""
    search = Path(config["site_dir"]) / "search"
    index = (search / "search_index.json").read_text("utf-8")
    (search / "search_index.js").write_text(f"window.SEARCH_INDEX = {index};\n", "utf-8")
    (search / "main.js").write_text((HERE / "search.js").read_text("utf-8"), "utf-8")
    for name in ("worker.js", "search_index.json"):
        (search / name).unlink()
    _let_colours_be_switched(Path(config["site_dir"]) / "js" / "darkmode.js")


def _let_colours_be_switched(script: Path) -> None:
    """The theme's script expects the style sheets of the code colours, which come from a CDN and are left out."""
    text = script.read_text("utf-8")
    for name in ("hljs-light", "hljs-dark"):
        lookup = f"document.getElementById('{name}')"
        if lookup not in text:
            raise RuntimeError(f"MkDocs' darkmode.js is another one than that of 1.6: look at {lookup}")
        text = text.replace(lookup, "{}")
    script.write_text(text, "utf-8")
