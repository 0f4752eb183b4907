"""The ideas picture: one piano roll per idea, all at the same scale.

A row shows the last bars of the piece, then the idea on tinted paper and, for `fill`, the bars after it. The pitch
range is cropped to what sounds in any of the rows; a keyboard at the left names the octaves (C4 is middle C). Bar
numbers are the file's, loudness is shade, hands are colours (`theme`), the pedal lies below, idea number and seed
stand in the corner.

    image = ideas_picture(rows, title="waltz.mid")          # rows: Sequence[IdeaRow] from rows.idea_row(...)
    image.save("waltz.ideas.png", optimize=True)

    ideas_picture(rows, *, title="", width=1600, theme=LIGHT) -> PIL.Image.Image

The page draws its rows one by one: `frame_of(rows)` fixes the scale, `row_picture(row, frame, theme)` draws one row,
`legend_picture(rows, frame, theme)` what the colours mean, and `frame.x_of(row, tick)` says where a tick is in a row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from pianomuse.errors import RequestError
from pianomuse.render.rows import Hand, IdeaRow, RollNote
from pianomuse.render.theme import LIGHT, Colour, Theme

MARGIN = 20  # pixels around everything
KEYBOARD = 62  # width of the keyboard at the left
HEADER = 66  # reason, corner and bar numbers above a roll
PEDAL_LANE = 16  # below a roll
ROW_GAP = 14
LEGEND = 36  # the line at the bottom
TITLE, LABEL, SMALL = 24, 18, 15  # font sizes
MIN_BAR = 64  # a bar is never narrower; with more than 24 bars the picture grows wider than asked
MIN_KEY, MAX_KEY = 5, 12  # height of a semitone
WISHED_HEIGHT = 1100  # of all rows together; semitones get lower until MIN_KEY
MIN_SEMITONES = 24
BLACK_KEYS = {1, 3, 6, 8, 10}


@dataclass(frozen=True)
class Frame:
    """The scale that all rows share."""

    width: int
    key_height: int
    low: int  # lowest pitch drawn
    high: int  # highest pitch drawn
    pixels_per_tick: float

    @property
    def roll_height(self) -> int:
        """Height of the notes' area."""
        return (self.high - self.low + 1) * self.key_height

    @property
    def row_height(self) -> int:
        """Height of a whole row."""
        return HEADER + self.roll_height + PEDAL_LANE + ROW_GAP

    def x_of(self, row: IdeaRow, tick: int) -> float:
        """Return the horizontal position of a tick, kept inside the roll."""
        inside = min(max(tick, row.bar_lines[0]), row.bar_lines[-1])
        return MARGIN + KEYBOARD + (inside - row.bar_lines[0]) * self.pixels_per_tick

    def y_of(self, pitch: int) -> int:
        """Return the upper edge of a pitch within a row."""
        return HEADER + (self.high - pitch) * self.key_height


def ideas_picture(rows: Sequence[IdeaRow], *, title: str = "", width: int = 1600, theme: Theme = LIGHT) -> Image.Image:
    """Draw all ideas, one below the other.

    Args:
        rows: at least one, from `idea_row`.
        title: stands above; characters the built-in font lacks are left out.
        width: in pixels; the picture is wider only when its bars would be too narrow to read.
        theme: colours.
    """
    frame = frame_of(rows, width)
    top = MARGIN + (TITLE + 18 if drawable(title) else 0)
    image = Image.new("RGB", (frame.width, top + len(rows) * frame.row_height + LEGEND), theme.background)
    draw = ImageDraw.Draw(image)
    _text(draw, (MARGIN, MARGIN), title, TITLE, theme.text, bold=True)
    for i, row in enumerate(rows):
        image.paste(row_picture(row, frame, theme), (0, top + i * frame.row_height))
    image.paste(legend_picture(rows, frame, theme), (0, image.height - LEGEND))
    return image


def frame_of(rows: Sequence[IdeaRow], width: int = 1600) -> Frame:
    """Choose the scale: all rows fit into the width, all pitches into the height."""
    if not rows:
        raise RequestError("there is no idea to draw; give at least one row")
    pitches = [note.pitch for row in rows for note in row.notes] or [60]
    low, high = min(pitches) - 1, max(pitches) + 1
    missing = max(MIN_SEMITONES - (high - low + 1), 0)
    low, high = max(low - missing // 2, 0), min(high + missing - missing // 2, 127)
    around = HEADER + PEDAL_LANE + ROW_GAP
    key_height = (WISHED_HEIGHT // len(rows) - around) // (high - low + 1)
    width = max(width, max(row.n_bars for row in rows) * MIN_BAR + KEYBOARD + 2 * MARGIN)
    longest = max(row.bar_lines[-1] - row.bar_lines[0] for row in rows)
    return Frame(
        width=width,
        key_height=min(max(key_height, MIN_KEY), MAX_KEY),
        low=low,
        high=high,
        pixels_per_tick=(width - KEYBOARD - 2 * MARGIN) / longest,
    )


def row_picture(row: IdeaRow, frame: Frame, theme: Theme = LIGHT) -> Image.Image:
    """Draw one idea with the bars around it."""
    image = Image.new("RGB", (frame.width, frame.row_height), theme.background)
    draw = ImageDraw.Draw(image)
    _paper(draw, row, frame, theme)
    _lines(draw, row, frame, theme)
    _keyboard(draw, frame, theme)
    _pedal(draw, row, frame, theme)
    for note in row.notes:
        _note(draw, note, row, frame, theme)
    _idea_edges(draw, row, frame, theme)
    _header(draw, row, frame, theme)
    return image


def legend_picture(rows: Sequence[IdeaRow], frame: Frame, theme: Theme = LIGHT) -> Image.Image:
    """Draw one line that explains the colours that occur in the rows."""
    image = Image.new("RGB", (frame.width, LEGEND), theme.background)
    draw = ImageDraw.Draw(image)
    x = float(MARGIN + KEYBOARD)
    hands = {note.hand for row in rows for note in row.notes}
    others = "other notes" if hands - {""} else "notes"
    names: tuple[tuple[Hand, str], ...] = (("right", "right hand"), ("left", "left hand"), ("", others))
    for hand, name in names:
        if hand in hands:
            for velocity in (32, 56, 80, 104):
                draw.rectangle((x, 4, x + 15, 14), fill=theme.note(hand, velocity))
                x += 16
            x = _text(draw, (x + 8, 0), f"{name}, soft to loud", SMALL, theme.muted) + 32
    if any(row.pedals for row in rows):
        draw.rectangle((x, 6, x + 40, 11), fill=theme.pedal)
        x = _text(draw, (x + 48, 0), "pedal", SMALL, theme.muted) + 32
    draw.rectangle((x, 2, x + 24, 16), fill=theme.idea, outline=theme.accent)
    _text(draw, (x + 32, 0), "new bars", SMALL, theme.muted)
    return image


_SPELLED: dict[str, str | int | None] = {
    **dict(zip("–—−♯♭’łŁøØđĐ", "---#b'lLoOdD", strict=True)),
    "ß": "ss",
    "æ": "ae",
    "Æ": "Ae",
    "œ": "oe",
    "Œ": "Oe",
}  # what has no accent to lose


def drawable(text: str) -> str:
    """Return what the built-in font can draw of a text: accents go, dashes become hyphens, other scripts are lost.

    >>> drawable("Władysław – Grüße")
    'Wladyslaw - Grusse'
    """
    flat = text.translate(str.maketrans(_SPELLED))
    letters = unicodedata.normalize("NFKD", flat)
    return " ".join("".join(c for c in letters if " " <= c <= "~" or c in "·…“”").split())


def _paper(draw: ImageDraw.ImageDraw, row: IdeaRow, frame: Frame, theme: Theme) -> None:
    """Fill the roll, black keys darker, the idea's bars tinted, and the pedal lane."""
    stretches = (
        (row.bar_lines[0], row.bar_lines[-1], theme.paper, theme.paper_black),
        (row.from_tick, row.to_tick, theme.idea, theme.idea_black),
    )
    for begin, end, white, black in stretches:
        x0, x1 = round(frame.x_of(row, begin)), round(frame.x_of(row, end)) - 1
        for pitch in range(frame.low, frame.high + 1):
            y = frame.y_of(pitch)
            colour = black if pitch % 12 in BLACK_KEYS else white
            draw.rectangle((x0, y, x1, y + frame.key_height - 1), fill=colour)
        y = HEADER + frame.roll_height
        draw.rectangle((x0, y + 3, x1, y + PEDAL_LANE - 1), fill=white)


def _lines(draw: ImageDraw.ImageDraw, row: IdeaRow, frame: Frame, theme: Theme) -> None:
    """Draw octave, beat and bar lines."""
    top, bottom = HEADER, HEADER + frame.roll_height - 1
    left, right = frame.x_of(row, row.bar_lines[0]), frame.x_of(row, row.bar_lines[-1])
    for pitch in range(frame.low, frame.high + 1):
        if pitch % 12 == 0 and pitch > frame.low:
            y = frame.y_of(pitch) + frame.key_height - 1
            draw.line((left, y, right, y), fill=theme.octave_line)
    for tick in row.beats:
        x = round(frame.x_of(row, tick))
        draw.line((x, top, x, bottom), fill=theme.beat_line)
    for tick in row.bar_lines:
        x = round(frame.x_of(row, tick))
        draw.line((x, top - 6, x, bottom + PEDAL_LANE), fill=theme.bar_line)


def _keyboard(draw: ImageDraw.ImageDraw, frame: Frame, theme: Theme) -> None:
    """Draw the keys at the left and name every C."""
    left, right = MARGIN, MARGIN + KEYBOARD - 4
    draw.rectangle((left, HEADER, right, HEADER + frame.roll_height - 1), fill=theme.white_key, outline=theme.bar_line)
    for pitch in range(frame.low, frame.high + 1):
        y = frame.y_of(pitch)
        if pitch % 12 in BLACK_KEYS:
            draw.rectangle((left, y, left + KEYBOARD * 2 // 5, y + frame.key_height - 1), fill=theme.black_key)
        elif pitch % 12 in (0, 5) and pitch > frame.low:
            draw.line((left, y + frame.key_height - 1, right, y + frame.key_height - 1), fill=theme.bar_line)
        if pitch % 12 == 0:
            label = (right - 3, y + frame.key_height - 3)
            _text(draw, label, f"C{pitch // 12 - 1}", SMALL, theme.black_key, anchor="rs", bold=pitch == 60)


def _pedal(draw: ImageDraw.ImageDraw, row: IdeaRow, frame: Frame, theme: Theme) -> None:
    """Draw where the pedal is down."""
    y = HEADER + frame.roll_height + PEDAL_LANE // 2 - 1
    for down, up in row.pedals:
        x0, x1 = frame.x_of(row, down), frame.x_of(row, up)
        draw.rectangle((round(x0) + 1, y, max(round(x1) - 2, round(x0) + 2), y + 5), fill=theme.pedal)


def _note(draw: ImageDraw.ImageDraw, note: RollNote, row: IdeaRow, frame: Frame, theme: Theme) -> None:
    """Draw one note; a pixel of paper parts it from a repetition."""
    x0 = round(frame.x_of(row, note.onset_ticks))
    x1 = max(round(frame.x_of(row, note.onset_ticks + note.duration_ticks)) - 2, x0 + 2)
    y = frame.y_of(note.pitch)
    colour = theme.note(note.hand, note.velocity)
    draw.rectangle((x0 + 1, y, x1, y + frame.key_height - 1), fill=colour)


def _idea_edges(draw: ImageDraw.ImageDraw, row: IdeaRow, frame: Frame, theme: Theme) -> None:
    """Mark where the idea begins and, when bars follow, where it ends."""
    bottom = HEADER + frame.roll_height + PEDAL_LANE
    x0, x1 = round(frame.x_of(row, row.from_tick)), round(frame.x_of(row, row.to_tick))
    draw.rectangle((x0 - 1, HEADER - 8, x1, HEADER - 5), fill=theme.accent)
    draw.rectangle((x0 - 1, HEADER - 8, x0, bottom), fill=theme.accent)
    if row.to_tick < row.bar_lines[-1]:
        draw.rectangle((x1 - 1, HEADER - 8, x1, bottom), fill=theme.accent)


def _header(draw: ImageDraw.ImageDraw, row: IdeaRow, frame: Frame, theme: Theme) -> None:
    """Write the reason, the corner with idea and seed, and the bar numbers."""
    x = _text(draw, (MARGIN, 4), str(row.number), LABEL + 3, theme.accent, bold=True)
    _text(draw, (x + 12, 4), row.reason, LABEL + 3, theme.text, bold=True)
    corner = f"idea {row.number} · seed {row.seed}"
    _text(draw, (frame.width - MARGIN, 6), corner, LABEL, theme.muted, anchor="ra")
    free_from = 0.0
    for i, tick in enumerate(row.bar_lines[:-1]):
        x = frame.x_of(row, tick) + 4
        if x >= free_from:  # a short bar, a pickup perhaps, may leave no room for the next number
            is_new = row.from_tick < row.bar_lines[i + 1] and tick < row.to_tick
            colour = theme.accent if is_new else theme.muted
            free_from = _text(draw, (x, HEADER - 29), str(row.first_bar + i), LABEL, colour) + 6


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own scalable font (Aileron; ASCII and little more)."""
    return ImageFont.load_default(size)


def _text(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    *,
    anchor: str = "la",
    bold: bool = False,
) -> float:
    """Write a text and return where it ends; bold is drawn twice, as the font has one weight."""
    plain, font = drawable(text), _font(size)
    for shift in (0.0, 0.7) if bold else (0.0,):
        draw.text((at[0] + shift, at[1]), plain, font=font, fill=colour, anchor=anchor)
    return at[0] + font.getlength(plain)
