"""Colours of the picture and the page, for light and dark surroundings.

Right hand blue, left hand vermilion: the pair of Okabe and Ito's palette ("Color Universal Design", 2008) that stays
apart in every common kind of colour blindness. Loudness is lightness: each hand has a ramp from soft to loud whose
middle is the palette's colour, and soft is always nearer to the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

from pianomuse.render.rows import Hand

Colour = tuple[int, int, int]
Ramp = tuple[Colour, Colour, Colour]  # soft, middle, loud

SOFT_VELOCITY, LOUD_VELOCITY = 24, 112  # the ends of a ramp; most piano music lies between


@dataclass(frozen=True)
class Theme:
    """Every colour that is drawn."""

    background: Colour
    paper: Colour  # the composer's bars
    paper_black: Colour  # rows of black keys there
    idea: Colour  # the idea's bars
    idea_black: Colour
    bar_line: Colour
    beat_line: Colour
    octave_line: Colour
    text: Colour
    muted: Colour
    accent: Colour  # where the idea begins and ends
    white_key: Colour
    black_key: Colour
    pedal: Colour
    right: Ramp
    left: Ramp
    either: Ramp  # hands not told apart

    def note(self, hand: Hand, velocity: int) -> Colour:
        """Return the colour of a note: hue from the hand, lightness from the velocity."""
        soft, middle, loud = {"right": self.right, "left": self.left, "": self.either}[hand]
        share = min(max((velocity - SOFT_VELOCITY) / (LOUD_VELOCITY - SOFT_VELOCITY), 0.0), 1.0)
        if share < 0.5:
            return blend(soft, middle, 2 * share)
        return blend(middle, loud, 2 * share - 1)


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour `share` of the way from the first to the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


LIGHT = Theme(
    background=(255, 255, 255),
    paper=(244, 244, 242),
    paper_black=(236, 236, 233),
    idea=(255, 251, 235),
    idea_black=(250, 243, 218),
    bar_line=(140, 140, 136),
    beat_line=(221, 221, 216),
    octave_line=(205, 205, 200),
    text=(28, 28, 30),
    muted=(105, 105, 108),
    accent=(190, 132, 0),
    white_key=(255, 255, 255),
    black_key=(64, 64, 68),
    pedal=(120, 124, 130),
    right=((158, 205, 238), (0, 114, 178), (0, 46, 84)),
    left=((246, 196, 160), (213, 94, 0), (104, 38, 0)),
    either=((168, 214, 197), (0, 135, 100), (0, 56, 44)),
)

DARK = Theme(
    background=(24, 25, 28),
    paper=(36, 37, 41),
    paper_black=(30, 31, 34),
    idea=(50, 46, 34),
    idea_black=(43, 39, 28),
    bar_line=(120, 120, 124),
    beat_line=(58, 59, 62),
    octave_line=(76, 77, 80),
    text=(236, 236, 238),
    muted=(160, 160, 165),
    accent=(240, 185, 60),
    white_key=(214, 214, 216),
    black_key=(40, 40, 44),
    pedal=(140, 144, 150),
    right=((24, 84, 130), (62, 158, 222), (186, 226, 255)),
    left=((128, 60, 12), (232, 122, 40), (255, 208, 170)),
    either=((14, 92, 72), (46, 174, 136), (182, 240, 220)),
)
