"""What clients send: a project, and what is asked for it.

Units and limits stand at the fields, for the OpenAPI document. Ticks are counted in the project's own `ppq`; bars
count from 1.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pianomuse.server import bounds

Tick = Annotated[int, Field(ge=0, le=bounds.TICK, description="ticks from the start of the piece")]
Name = Annotated[str, Field(max_length=bounds.TEXT)]
Words = Annotated[str, Field(min_length=1, max_length=bounds.WORDS)]


class Strict(BaseModel):
    """A model that refuses numbers that are none, and leaves out what it does not know."""

    model_config = ConfigDict(allow_inf_nan=False)


class Place(Strict):
    """Where a note of the project is struck."""

    tick: Tick
    pitch: int = Field(ge=0, le=127)


class ProjectNote(Strict):
    """One note of the composer's."""

    tick: Tick
    duration: int = Field(ge=0, le=bounds.TICK, description="ticks; a note of 0 sounds as the shortest one")
    pitch: int = Field(ge=0, le=127, description="MIDI pitch, 60 is middle C")
    velocity: int = Field(ge=1, le=127, description="MIDI velocity")
    track: int = Field(default=0, ge=0, lt=bounds.TRACKS, description="index into `tracks`")


class ProjectPedal(Strict):
    """The sustain pedal goes down or up."""

    tick: Tick
    down: bool


class ProjectTempo(Strict):
    """A tempo from a tick on."""

    tick: Tick
    bpm: float = Field(ge=3.5, le=60_000_000, description="quarter notes per minute")


class ProjectMetre(Strict):
    """A time signature from a tick on."""

    tick: Tick
    numerator: int = Field(ge=1, le=65_535)
    denominator: Literal[1, 2, 4, 8, 16, 32, 64]


class ProjectTrack(Strict):
    """A part of the file: everything on one channel of one track."""

    name: Name = ""
    program: int = Field(default=0, ge=0, le=127, description="General MIDI program from 0; 0-7 are pianos")
    channel: int = Field(default=0, ge=0, le=15, description="MIDI channel from 0")


class Project(Strict):
    """A piece as the studio edits it."""

    title: Name = ""
    ppq: int = Field(default=480, ge=bounds.PPQ[0], le=bounds.PPQ[1], description="ticks per quarter note")
    notes: list[ProjectNote] = Field(default_factory=list, max_length=bounds.NOTES)
    pedals: list[ProjectPedal] = Field(default_factory=list, max_length=bounds.PEDALS)
    tempos: list[ProjectTempo] = Field(default_factory=list, max_length=bounds.TEMPOS)
    metres: list[ProjectMetre] = Field(default_factory=list, max_length=bounds.METRES)
    tracks: list[ProjectTrack] = Field(
        default_factory=list,
        max_length=bounds.TRACKS,
        description="those of an imported file keep their places and channels; more may follow",
    )
    key: str | None = Field(default=None, max_length=40, description="key signature at the start, such as F or F#m")
    source: str | None = Field(
        default=None,
        max_length=bounds.SOURCE_CHARS,
        description="the imported file in base64, opaque: give it back as it came; null for a new piece",
    )


class Limits(Strict):
    """What has to hold in the new bars; lists bar by bar have | between the bars."""

    key: Words | None = Field(default=None, description="such as Am")
    scale: Words | None = Field(default=None, description="such as D dorian")
    chromatic: Literal["passing"] | None = Field(default=None, description="semitone steps off the beat may leave it")
    chords: Words | None = Field(default=None, description="such as Am | F C/E | G7")
    chords_strict: bool = Field(default=False, description="only chord tones, nothing between them")
    range: Words | None = Field(default=None, description="lowest and highest note, such as C3-E5")
    hand: Literal["left", "right"] | None = Field(
        default=None, description="write this hand only; what the other one plays there stays"
    )
    notes_per_bar: Words | int | None = Field(default=None, description="notes struck in a bar, such as 4-8")
    keep: Literal["rhythm", "contour", "pitches", "harmony"] | None = Field(
        default=None,
        description="what is kept of the bars written over or, where nothing is, of those before; harmony by /vary",
    )
    keep_from: int | None = Field(default=None, ge=1, le=20_000, description="bar from which on it is kept")
    ending: Literal["open", "half", "close", "final"] | None = Field(default=None, description="how the phrase ends")
    to: Words | None = Field(default=None, description="what stands in a bar, such as bar 12: Am/E, melody C5")
    voices: Words | int | None = Field(default=None, description="notes sounding at once, such as 1-3")


class Wish(Strict):
    """What is asked beside the place."""

    project: Project
    candidates: int = Field(default=4, ge=1, le=bounds.CANDIDATES, description="ideas")
    seed: int | None = Field(default=None, ge=0, lt=2**53, description="the same seed gives the same ideas")
    adventure: Literal["calm", "balanced", "bold"] | None = None
    temperature: float | None = Field(default=None, ge=0, le=5, description="in place of the one `adventure` means")
    top_p: float | None = Field(default=None, gt=0, le=1, description="in place of the one `adventure` means")
    limits: Limits | None = None


class CompleteWish(Wish):
    """Go on after a bar."""

    at_bar: int | None = Field(
        default=None, ge=0, le=20_000, description="last bar kept; 0: before bar 1; null: where the music stops"
    )
    bars: int = Field(default=4, ge=1, le=bounds.BARS, description="whole bars to write")
    insert: bool | None = Field(
        default=None, description="what follows comes later instead of being replaced; null: only with at_bar 0"
    )


class FillWish(Wish):
    """Write bars anew from what stands on both sides."""

    from_bar: int = Field(ge=1, le=20_000, description="first bar written")
    to_bar: int = Field(ge=1, le=20_000, description="last bar written")


class VaryWish(FillWish):
    """Write bars anew and keep something of them."""

    keep: Literal["rhythm", "contour", "harmony"] = Field(
        description="every onset and length; these, and how the top line rises and falls; or the harmony of every beat"
    )


class HarmoniseWish(Wish):
    """Write the hand that is missing; the notes that stand there stay."""

    from_bar: int | None = Field(default=None, ge=1, le=20_000, description="first bar; null: the first")
    to_bar: int | None = Field(default=None, ge=1, le=20_000, description="last bar; null: where the music stops")


class LikeWish(Wish):
    """Write more like an idea that stands in the project."""

    start_tick: Tick = Field(description="where the idea starts")
    end_tick: Tick = Field(description="the bar line behind it; what starts in between is the idea")
    same: Literal["start", "rhythm", "harmony"] | None = Field(default=None, description="what stays of it")
    mood: Literal["calmer", "bolder"] | None = None
    beats: int = Field(default=2, ge=1, le=512, description="of its start; of one hand they have to be whole bars")
    hears_after: bool = Field(default=False, description="hear the bars behind it too, as `fill` does")
    stays: list[Place] | None = Field(
        default=None,
        max_length=bounds.NOTES,
        description="of one hand: what the other one plays there, as `start` named it; null: a rule tells",
    )


class IdeaFigures(Strict):
    """What an idea's place among the others rests on."""

    log_prob_per_note: float = Field(ge=-1e3, le=1e3, description="natural logarithm")
    following_log_prob_per_note: float | None = Field(default=None, ge=-1e3, le=1e3)
    nearness: float = Field(ge=0, le=1, description="to the bars before")
    fullness: float = Field(ge=-32, le=32, description="log2 of the notes a quarter against the bars before")
    difference: float = Field(default=1.0, ge=0, le=1, description="share of notes that those placed before lack")
    resembles: str | None = Field(default=None, max_length=bounds.WORDS, description="a work of the training music")
    resembling_notes: int = Field(default=0, ge=0, le=bounds.NOTES)
    ending: str = Field(default="", max_length=bounds.WORDS, description="how it ends, in words")


class Choice(Strict):
    """One idea was taken from among others."""

    chosen: IdeaFigures
    among: list[IdeaFigures] = Field(max_length=bounds.AMONG, description="those it was chosen from; it may be one")
