"""`ideas.html`: whole, offline, and what it plays."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image

from pianomuse.errors import RequestError
from pianomuse.midi.read import Piece
from pianomuse.render.clip import clip_mp3, clip_of
from pianomuse.render.page import ideas_page
from pianomuse.render.picture import frame_of
from pianomuse.render.rows import IdeaRow

Cut = Callable[..., IdeaRow]
VOID = {"meta", "img", "source", "input", "br"}


class Page(HTMLParser):
    """Reads a page, checking that every element is closed, and keeps its elements and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def rows(row: Cut) -> list[IdeaRow]:
    return [
        row("expressive-pedal", 10, 12, number=1, reason="stays close"),
        row("expressive-pedal", 13, 15, number=2, reason="<b>bold</b> & “loud”"),
    ]


@pytest.fixture(scope="module")
def page(rows: list[IdeaRow]) -> str:
    names = [(f"a #b.completion-{k}.mid", f"a #b.with-completion-{k}.mid") for k in (1, 2)]
    return ideas_page(rows, title='</title><script>alert("x")</script>', lines=["16 bars & <more>"], files=names)


def test_is_well_formed_and_holds_every_idea(page: str) -> None:
    read = Page(page)
    assert len(read.all("article")) == len(read.all("audio")) == len(read.all("input")) == 2
    for wanted in ("stays close", "<b>bold</b> & “loud”", "16 bars & <more>", "seed 4117", "Alexander Holm, CC BY 3.0"):
        assert wanted in read.text
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for a in read.all("article")} <= set(ids)


def test_text_from_outside_stays_text(page: str) -> None:
    assert "alert(" not in re.sub(r"<title>.*</title>|<h1>.*</h1>", "", page)
    assert len(Page(page).all("script")) == 1
    assert Page(page).text.count('</title><script>alert("x")</script>') == 2


def test_asks_nothing_of_the_network(page: str) -> None:
    read = Page(page)
    links = [
        value
        for _, attributes in read.elements
        for name, value in attributes.items()
        if name in {"src", "srcset", "href", "action", "data", "poster"}
    ]
    assert len(links) >= 2 * (3 + 2)
    assert all(value.startswith(("data:image/png;base64,", "data:audio/mpeg;base64,", "./")) for value in links)
    assert "./a%20%23b.with-completion-2.mid" in links
    without_data = re.sub(r"data:[a-z/]+;base64,[A-Za-z0-9+/=]+", "", page)
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttpRequest|import\(", without_data)
    (policy,) = [meta["content"] for meta in read.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


def test_embedded_sound_plays_two_bars_and_then_the_idea(page: str, rows: list[IdeaRow]) -> None:
    read = Page(page)
    for audio, article, row in zip(read.all("audio"), read.all("article"), rows, strict=True):
        sound, sample_rate = soundfile.read(io.BytesIO(base64.b64decode(audio["src"].split(",")[1])))
        bar_s = row.seconds_at(row.bar_lines[1]) - row.seconds_at(row.bar_lines[0])
        assert float(article["data-idea"]) == pytest.approx(2 * bar_s, abs=0.01)
        assert len(sound) / sample_rate == pytest.approx(5 * bar_s + 1.2, abs=0.1)
        loudness = np.abs(sound).max(axis=1)
        assert loudness[: round(5 * bar_s * sample_rate)].max() > 0.02


def test_pictures_decode_in_both_colour_schemes_and_are_described(page: str) -> None:
    read = Page(page)
    assert len(read.all("img")) == len(read.all("source")) == 3
    for element in read.all("img"):
        image = Image.open(io.BytesIO(base64.b64decode(element["src"].split(",")[1])))
        assert image.size == (int(element["width"]), int(element["height"]))
        assert image.width == 1600
        assert len(element["alt"]) > 20
    assert "bars 13–15" in read.all("img")[1]["alt"]
    assert all(source["media"] == "(prefers-color-scheme: dark)" for source in read.all("source"))


def test_the_line_in_the_picture_follows_the_beats(page: str, rows: list[IdeaRow]) -> None:
    frame = frame_of(rows)
    for article, row in zip(Page(page).all("article"), rows, strict=True):
        path = json.loads(article["data-path"])
        assert path == sorted(path)
        assert len(path) == 5 * 3 + 1
        assert path[0] == [0.0, pytest.approx(frame.x_of(row, row.bar_lines[2]) / 1600, abs=1e-4)]
        idea_at = float(article["data-idea"])
        ((_, x),) = [point for point in path if abs(point[0] - idea_at) < 0.01]
        assert x == pytest.approx(frame.x_of(row, row.from_tick) / 1600, abs=1e-4)


def test_a_fill_is_heard_into_the_next_bar(row: Cut, piece: Callable[[str], Piece]) -> None:
    grid = piece("gap-of-four-bars").grid
    clip = clip_of(row("gap-of-four-bars", 9, 12, bars_after=2))
    assert (clip.begin_tick, clip.end_tick) == (grid.start_of(6), grid.start_of(13))


def test_an_idea_inside_a_bar_is_heard_from_two_bars_before_that_bar(row: Cut) -> None:
    cut = row("broken-off-on-beat-3", 6, 6, late_ticks=960)
    clip = clip_of(cut)
    assert clip.begin_tick == cut.bar_lines[-4]
    assert clip.idea_s == pytest.approx(cut.seconds_at(cut.from_tick) - cut.seconds_at(clip.begin_tick))
    assert max(note.onset_s for note in clip.notes) < clip.idea_s


def test_a_long_idea_stays_small(row: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = clip_of(row("expressive-pedal", 10, 12))
    sizes = [len(clip_mp3(clip))]
    for limit in (150_000, 100_000, 60_000):
        assert limit < sizes[-1]
        monkeypatch.setattr("pianomuse.render.clip.MAX_CLIP_BYTES", limit)
        sizes.append(len(clip_mp3(clip)))
        assert limit / 2 < sizes[-1] <= limit


def test_an_endless_idea_is_cut_and_the_page_says_so(row: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pianomuse.render.clip.MAX_CLIP_S", 9.0)
    cut = row("expressive-pedal", 10, 12)
    assert clip_of(cut).is_cut
    assert clip_of(cut).seconds == 9.0
    assert max(note.onset_s + note.duration_s for note in clip_of(cut).notes) <= 9.0
    assert "plays the first 9 seconds" in ideas_page([cut], title="slow")


def test_files_must_be_told_for_every_idea(rows: list[IdeaRow]) -> None:
    with pytest.raises(RequestError, match="one per idea"):
        ideas_page(rows, title="x", files=[("a.mid",)])
