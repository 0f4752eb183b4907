"""Some bars as sheet music, for the page: the whole piece is laid out, and what is asked for is cut from it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from pianomuse.notation.excerpt import excerpt
from pianomuse.notation.musicxml import musicxml
from pianomuse.render.sheet import sheet_of
from pianomuse.server import bounds
from pianomuse.server.faults import Refusal
from pianomuse.server.project_file import file_of
from pianomuse.server.schema import Project, Strict
from pianomuse.server.state import Held

router = APIRouter()


class SheetWish(Strict):
    """Which bars."""

    project: Project
    from_bar: int = Field(ge=1, le=20_000, description="first bar")
    to_bar: int = Field(ge=1, le=20_000, description="last bar; bars behind the end of the piece are left out")


class SheetMusic(BaseModel):
    """Bars as they are printed."""

    musicxml: str = Field(description="a MusicXML document of these bars")
    from_bar: int = Field(description="first bar in it, as projects count: from 1")
    to_bar: int
    first_number: int = Field(description="its number on the page: 0 where it is a pickup")
    is_approximate: bool = Field(description="written down from a performance")
    n_left_out: int = Field(description="notes of the whole piece that cannot be printed")


@router.post("/sheet")
def sheet(wish: SheetWish, state: Held) -> SheetMusic:
    """Lay the piece out and return some of its bars; names and hands are as in an export of all of it."""
    if not 0 <= wish.to_bar - wish.from_bar < bounds.SHEET_BARS:
        raise Refusal(
            422, "sheet_bars", f"from_bar, to_bar: ask for 1 to {bounds.SHEET_BARS} bars, the first one first."
        )
    with state.converting():
        page = sheet_of(file_of(wish.project).read(), wish.project.title or "Piano")
        n_bars = len(page.measures)
        last = min(wish.to_bar, n_bars)
        first = min(wish.from_bar, last)
        return SheetMusic(
            musicxml=musicxml(excerpt(page, first - 1, last - 1)).decode(),
            from_bar=first,
            to_bar=last,
            first_number=page.measures[first - 1].number,
            is_approximate=page.is_approximate,
            n_left_out=page.n_left_out,
        )
