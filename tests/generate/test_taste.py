"""The taste: choices move it, within bounds; it is kept whole, shown and forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pianomuse.cli import main
from pianomuse.generate.taste import FARTHEST, FEATURES, START, Taste, load_taste, taste_path


def features(**values: float) -> dict[str, float]:
    return {name: values.get(name, 0.0) for name in FEATURES}


def test_what_is_chosen_is_worth_more_afterwards() -> None:
    full, sparse = features(fuller=1.0), features(fuller=-1.0)
    before = Taste()
    after = before.after(full, [sparse, sparse])
    assert before.worth(full) == before.worth(sparse)
    assert after.worth(full) > after.worth(sparse)
    assert after.n_choices == 1
    assert {name: after.weights[name] for name in FEATURES if name != "fuller"} == {
        name: START[name] for name in FEATURES if name != "fuller"
    }


def test_expected_choices_move_less_than_surprises() -> None:
    near, far = features(near=2.0), features(near=-2.0)
    expected = Taste().after(near, [far]).weights["near"] - START["near"]
    surprise = START["near"] - Taste().after(far, [near]).weights["near"]
    assert 0 < expected < surprise


def test_ten_thousand_choices_stay_within_bounds() -> None:
    taste = Taste()
    for _ in range(10_000):
        taste = taste.after(features(fuller=3.0, near=-3.0), [features()])
    assert taste.weights["fuller"] <= START["fuller"] + FARTHEST
    assert taste.weights["near"] >= START["near"] - FARTHEST
    assert taste.worth(features(fuller=3.0)) > taste.worth(features())


def test_one_idea_alone_teaches_nothing() -> None:
    assert Taste().after(features(near=1.0), []) == Taste()


def test_a_taste_is_kept_and_forgotten(own_config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_taste() == Taste()
    assert main(["taste"]) == 0
    assert "Nothing was chosen yet" in capsys.readouterr().out
    taste = Taste()
    for _ in range(3):
        taste = taste.after(features(fuller=1.0), [features(fuller=-1.0)])
    assert taste.save() == own_config / "taste.json"
    assert load_taste() == taste
    assert main(["taste"]) == 0
    shown = capsys.readouterr().out
    assert "3 choices" in shown
    assert "more notes" in shown
    assert main(["taste", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["choices"] == 3
    assert main(["taste", "--reset"]) == 0
    assert load_taste() == Taste()
    assert not taste_path().exists()
