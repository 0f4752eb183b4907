"""Build the documents as pages to read offline: `make docs`, then open build/site/index.html.

The documents lie where people look for them (README.md, docs/, examples/), and link each other and the code. So they
are laid out once more as they are, with every file that they link, and MkDocs builds that folder: strictly, so that a
link that leads nowhere is an error. The navigation is docs/README.md, an index by reader.

The theme is MkDocs' own. It is a few MB and brings fonts, icons and styles along; its one request to elsewhere, for
colours in code, is switched off. (Material for MkDocs is 95 MB installed with what it needs, and its offline search
loads a script from a CDN when pages are opened from disk.)
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOOKS = ROOT / "scripts" / "site" / "hooks.py"
STYLE = HOOKS.with_name("site.css")
LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
OUTSIDE = re.compile(
    r"""(?:<(?:script|img|iframe|audio|video|source|embed)[^>]*\ssrc|<link[^>]*\shref)=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//[^"')\s]+|url\(["']?(?:https?:)?//[^"')\s]+"""
)
"""What a browser would fetch from elsewhere by itself. A link to click is none."""


def main() -> int:
    """Lay out, build, and look for requests to elsewhere; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="folder for the pages")
    out: Path = parser.parse_args().out.resolve()
    source = out.with_name(f"{out.name}-source")
    for folder in (out, source):
        shutil.rmtree(folder, ignore_errors=True)
    lay_out(source)
    configuration = source.with_suffix(".json")
    configuration.write_text(json.dumps(settings(source, out)), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--config-file", str(configuration)]
    code = subprocess.run(command, check=False).returncode
    if code:
        return code
    outside = list(requests_to_elsewhere(out))
    for line in outside:
        print(line, file=sys.stderr)
    if not outside:
        print(out / "index.html")
    return 1 if outside else 0


def lay_out(folder: Path) -> None:
    """Copy all pages that can be reached from README.md, and every file they link, keeping their places."""
    waiting, done = [ROOT / "README.md"], set()
    while waiting:
        path = waiting.pop()
        if path in done or not path.is_file() or not path.is_relative_to(ROOT):
            continue
        done.add(path)
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        if path.suffix == ".md":
            text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
            waiting += [(path.parent / name).resolve() for name in LINK.findall(text) if ":" not in name]
    shutil.copyfile(STYLE, folder / STYLE.name)


def settings(source: Path, out: Path) -> dict[str, Any]:
    """Return the configuration of MkDocs; JSON is YAML."""
    return {
        "site_name": "PianoMuse",
        "docs_dir": str(source),
        "site_dir": str(out),
        "use_directory_urls": False,  # pages are opened from disk
        "theme": {
            "name": "mkdocs",
            "highlightjs": False,  # comes from a CDN
            "color_mode": "auto",
            "user_color_mode_toggle": True,
            "navigation_depth": 3,
        },
        "extra_css": [STYLE.name],
        "markdown_extensions": ["sane_lists"],
        "plugins": ["search"],
        "hooks": [str(HOOKS)],
        "nav": [{"Start": "README.md"}, {"中文": "README.zh.md"}, *navigation(source)],
        "validation": {
            "nav": {"not_found": "warn", "omitted_files": "ignore"},
            "links": {"not_found": "warn", "anchors": "warn", "absolute_links": "warn", "unrecognized_links": "warn"},
        },
    }


def navigation(source: Path) -> Iterator[dict[str, list[dict[str, str]]]]:
    """Yield the sections of docs/README.md: the reader, and the pages for that reader."""
    index = source / "docs" / "README.md"
    for section in index.read_text("utf-8").split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        pages = []
        for words, name in re.findall(r"\[([^\]]+)\]\(([^)#]+\.md)\)", text):
            path = (index.parent / name).resolve().relative_to(source.resolve())
            pages.append({" ".join(words.split()).capitalize(): path.as_posix()})
        yield {title: pages}


def requests_to_elsewhere(folder: Path) -> Iterator[str]:
    """Yield what a page would load from another machine."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".html", ".css"):
            for found in OUTSIDE.findall(path.read_text("utf-8")):
                yield f"{path.relative_to(folder)} asks elsewhere: {found}"


if __name__ == "__main__":
    sys.exit(main())
