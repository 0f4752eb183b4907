"""What was learnt on this machine from the ideas that were taken or starred: moved, shown, forgotten."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from pianomuse.generate.ideas import Figures
from pianomuse.generate.ranking import features
from pianomuse.generate.taste import FEATURES, Taste, load_taste, taste_path
from pianomuse.server.schema import Choice, IdeaFigures
from pianomuse.server.state import Held

router = APIRouter()


class Learnt(BaseModel):
    """What the order of ideas has learnt. It stands in one file on this machine, and nowhere else."""

    choices: int = Field(description="ideas taken or starred so far")
    moved: dict[str, float] = Field(description="how far each feature's weight is from where it started")
    words: list[str] = Field(description="the same as sentences, strongest first; empty while nothing is noticed")


@router.get("/taste")
def taste(state: Held) -> Learnt:
    """Say what was learnt."""
    with state.slot:
        return _learnt(load_taste())


@router.delete("/taste", status_code=204)
def forget(state: Held) -> None:
    """Forget all choices."""
    with state.slot:
        taste_path().unlink(missing_ok=True)


@router.post("/prefer")
def prefer(choice: Choice, state: Held) -> Learnt:
    """Remember on this machine which idea was taken or starred; later ideas are put in order by that."""
    chosen = _features(choice.chosen)
    others = [_features(idea) for idea in choice.among if idea != choice.chosen]
    with state.slot:
        found = load_taste().after(chosen, others)
        found.save()
    return _learnt(found)


def _learnt(found: Taste) -> Learnt:
    moved = {name: round(found.weights[name] - Taste().weights[name], 4) for name in FEATURES}
    return Learnt(choices=found.n_choices, moved=moved, words=found.in_words())


def _features(idea: IdeaFigures) -> dict[str, float]:
    values = idea.model_dump()
    ending = values.pop("ending")
    return features(Figures(**values), ending)
