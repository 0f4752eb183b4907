"""`ideas.html`: one self-contained page that shows every idea and plays it.

Pictures (for light and dark surroundings) and sound (MP3, which every browser plays) are embedded; the page asks the
network for nothing and forbids itself to. A row's play button plays the last two bars of the piece, then the idea.
Without scripts the browser's own audio controls remain.

    html = ideas_page(rows, title="waltz.mid", lines=["16 bars · 3/4", "Wrote 4 ideas for bars 17–20"],
                      files=[("waltz.completion-1.mid", "waltz.with-completion-1.mid"), ...])
    write_atomically(folder / "ideas.html", html.encode())

Per idea: about 25 kB of pictures and at most 400 kB of sound. Encoding the sound takes most of the time (measured on
a busy 2-core machine: 0.03 s per second of stereo sound), so ideas are made side by side.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from importlib.resources import files as package_files
from urllib.parse import quote

from PIL import Image

from pianomuse.errors import RequestError
from pianomuse.render.clip import Clip, clip_mp3, clip_of
from pianomuse.render.picture import HEADER, ROW_GAP, Frame, frame_of, legend_picture, row_picture
from pianomuse.render.rows import IdeaRow
from pianomuse.render.theme import DARK, LIGHT

PAGE_WIDTH = 1600  # pixels of the embedded pictures
BAR_NUMBERS = 32  # height of the header's part with bar numbers; the page writes the rest of the header itself
N_COLOURS = 64  # of an embedded picture
FILE_NAMES = ("the idea", "whole piece with it", "as a score")
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def ideas_page(
    rows: Sequence[IdeaRow],
    *,
    title: str,
    lines: Sequence[str] = (),
    files: Sequence[Sequence[str]] = (),
) -> str:
    """Make the page.

    Args:
        rows: at least one, from `idea_row`.
        title: the heading, usually the input's file name.
        lines: the sentences below it; any text, it is escaped.
        files: per idea the names of its files beside the page: the idea, then the whole piece; may be empty.

    Returns:
        HTML, to be written as UTF-8.
    """
    if files and len(files) != len(rows):
        raise RequestError(f"{len(files)} lists of files for {len(rows)} ideas; give one per idea, or none at all")
    frame = frame_of(rows, PAGE_WIDTH)
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        articles = "\n".join(pool.map(_article, rows, files or [()] * len(rows), [frame] * len(rows)))
    finally:  # after Ctrl-C only those are waited for that are being made: with sound each takes seconds
        pool.shutdown(cancel_futures=True)
    legend = _pictures([legend_picture(rows, frame, theme) for theme in (LIGHT, DARK)], _legend_in_words(rows))
    source = package_files("pianomuse.render")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>Ideas for {escape(title)}</title>
<style>
{source.joinpath("page.css").read_text("utf-8")}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
{"".join(f'<p class="lines">{escape(line)}</p>' for line in lines)}
</header>
<main>
{articles}
<p class="legend">{legend}</p>
</main>
<footer>
<p class="needs-script">Keys: <kbd>1</kbd>–<kbd>9</kbd> play an idea, <kbd>Space</kbd> pause and go on,
<kbd>Esc</kbd> stop. A click in a picture plays from there.</p>
<p>Piano: Salamander Grand by Alexander Holm, CC BY 3.0. Made with PianoMuse.</p>
</footer>
<script>
{source.joinpath("page.js").read_text("utf-8")}</script>
</body>
</html>
"""


def _article(row: IdeaRow, names: Sequence[str], frame: Frame) -> str:
    """Write one idea: heading, buttons, picture, slider, sound."""
    clip = clip_of(row)
    label = f"idea-{row.number}"
    pictures = [_without_heading(row_picture(row, frame, theme)) for theme in (LIGHT, DARK)]
    links = "".join(
        f'<a href="./{escape(quote(name))}" download>{escape(text)} (MIDI)</a>'
        for name, text in zip(names, FILE_NAMES, strict=False)
    )
    cut = f" · plays the first {clip.seconds:.0f} seconds" if clip.is_cut else ""
    return f"""<article aria-labelledby="{label}" data-idea="{clip.idea_s:.3f}" data-seconds="{clip.seconds:.3f}"
 data-path="{escape(json.dumps(_path(row, clip, frame)))}">
<div class="bar">
<button type="button" class="play needs-script" aria-describedby="{label}">▶ Play</button>
<button type="button" class="join needs-script" aria-describedby="{label}">From the new bars</button>
<button type="button" class="stop needs-script" aria-describedby="{label}">Stop</button>
<h2 id="{label}"><b>{row.number}</b>{escape(row.reason) or f"idea {row.number}"}</h2>
<span class="facts">{escape(_facts(row))}{cut}</span>
<span class="links">{links}</span>
</div>
<div class="roll">{_pictures(pictures, _row_in_words(row))}<div class="head" hidden></div></div>
<div class="seek needs-script"><input type="range" min="0" max="{clip.seconds:.3f}" step="0.01" value="0"
 aria-label="position in idea {row.number}"><output>0:00</output></div>
<audio controls preload="auto" src="data:audio/mpeg;base64,{base64.b64encode(clip_mp3(clip)).decode()}"></audio>
</article>"""


def _path(row: IdeaRow, clip: Clip, frame: Frame) -> list[tuple[float, float]]:
    """Return (seconds, share of the picture's width) at every beat of the clip, for the line that follows the sound."""
    begin_s = row.seconds_at(clip.begin_tick)
    ticks = [tick for tick in row.beats if clip.begin_tick <= tick < clip.end_tick]
    return [
        (round(row.seconds_at(tick) - begin_s, 3), round(frame.x_of(row, tick) / frame.width, 5))
        for tick in [*ticks, clip.end_tick]
    ]


def _without_heading(picture: Image.Image) -> Image.Image:
    """Cut off the part of a row that the page says in text."""
    return picture.crop((0, HEADER - BAR_NUMBERS, picture.width, picture.height - ROW_GAP))


def _pictures(light_and_dark: Sequence[Image.Image], words: str) -> str:
    """Embed a picture in both colour schemes."""
    light, dark = (f"data:image/png;base64,{base64.b64encode(_png(image)).decode()}" for image in light_and_dark)
    width, height = light_and_dark[0].size
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" width="{width}" height="{height}" alt="{escape(words)}"></picture>'
    )


def _png(image: Image.Image) -> bytes:
    """Encode a picture with few colours."""
    buffer = io.BytesIO()
    image.quantize(N_COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _facts(row: IdeaRow) -> str:
    """Say how many notes, in which range, and the seed."""
    pitches = [note.pitch for note in row.notes if note.is_new]
    span = f" · {_name(min(pitches))}–{_name(max(pitches))}" if pitches else ""
    return f"{len(pitches)} notes{span} · seed {row.seed}"


def _row_in_words(row: IdeaRow) -> str:
    """Describe a row for those who do not see it."""
    new = [
        row.first_bar + i
        for i in range(row.n_bars)
        if row.from_tick < row.bar_lines[i + 1] and row.bar_lines[i] < row.to_tick
    ]
    last = row.first_bar + row.n_bars - 1
    where = f"bar {new[0]}" if len(new) == 1 else f"bars {new[0]}–{new[-1]}"
    return f"Piano roll of bars {row.first_bar}–{last}; idea {row.number} is in {where}: {_facts(row)}"


def _legend_in_words(rows: Sequence[IdeaRow]) -> str:
    """Describe the legend."""
    hands = {note.hand for row in rows for note in row.notes}
    colours = "right hand blue, left hand orange; " if {"right", "left"} & hands else ""
    return f"{colours}loud notes stand out more than soft ones; new bars are tinted; the pedal lies below"


def _name(pitch: int) -> str:
    """Name a pitch; C4 is middle C."""
    return f"{('C', 'C♯', 'D', 'E♭', 'E', 'F', 'F♯', 'G', 'A♭', 'A', 'B♭', 'B')[pitch % 12]}{pitch // 12 - 1}"
