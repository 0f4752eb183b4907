"""The index that names works: copies in any key are named, other music is not, and the file is strict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pianomuse.errors import CheckpointError
from pianomuse.measure.known_works import (
    LIMIT_NOTES,
    MOST_WORKS,
    RUN_STEPS,
    WINDOW,
    KnownWorks,
    index_works,
    known_works_bytes,
    load_known_works,
)
from pianomuse.measure.passage import Passage, passage

SURE_NOTES = LIMIT_NOTES + 2 * (WINDOW - 1) + 1


def walk(seed: int, n_notes: int = 400) -> Passage:
    """Return a random walk over the keyboard in sixteenths and eighths."""
    chance = np.random.default_rng(seed)
    onset = np.cumsum(chance.choice([6, 12], n_notes))
    pitch = 60 + np.cumsum(chance.integers(-3, 4, n_notes)) % 24
    return passage(onset, np.full(n_notes, 6), pitch, np.full(n_notes, 80), np.array([0, int(onset[-1]) + 96]))


def part(music: Passage, first: int, n_notes: int, up: int = 0) -> Passage:
    """Return some notes of a piece in a row, transposed."""
    chosen = slice(first, first + n_notes)
    onset = music.onset[chosen] - music.onset[first]
    lines = np.array([0, int(onset[-1]) + 96])
    return passage(onset, music.duration[chosen], music.pitch[chosen] + up, music.velocity[chosen], lines)


@pytest.fixture(scope="module")
def index() -> KnownWorks:
    """Return an index of twenty works."""
    return index_works((f"Anon: Walk {seed}", walk(seed)) for seed in range(20))


@pytest.mark.parametrize("first", [0, 1, 57, 400 - SURE_NOTES])
def test_a_copy_is_named_in_any_key(index: KnownWorks, first: int) -> None:
    found = index.find(part(walk(7), first, SURE_NOTES, up=5))
    assert found is not None
    assert found.work == "Anon: Walk 7"
    assert LIMIT_NOTES < found.n_notes <= SURE_NOTES
    assert found.first_note < WINDOW


def test_a_copy_in_the_middle_is_found_where_it_is(index: KnownWorks) -> None:
    music = part(walk(99), 0, 50).then(part(walk(3), 100, 60)).then(part(walk(98), 0, 50))
    found = index.find(music)
    assert found is not None
    assert found.work == "Anon: Walk 3"
    assert 50 <= found.first_note < 50 + WINDOW
    assert 60 - 2 * (WINDOW - 1) <= found.n_notes <= 60


def test_other_music_short_copies_and_changed_notes_are_not_named(index: KnownWorks) -> None:
    assert index.find(walk(99)) is None
    assert index.find(part(walk(7), 30, LIMIT_NOTES)) is None
    assert index.find(part(walk(7), 30, 3)) is None
    copy = part(walk(7), 30, 90)
    pitch = copy.pitch.copy()
    pitch[RUN_STEPS :: RUN_STEPS + 1] += 1
    changed = passage(copy.onset, copy.duration, pitch, copy.velocity, copy.bar_starts)
    assert index.find(changed) is None


def test_what_many_works_share_is_nobodys() -> None:
    shared = part(walk(50), 0, 60)
    few = index_works((f"Etude {n}", shared.then(walk(n))) for n in range(MOST_WORKS))
    many = index_works((f"Etude {n}", shared.then(walk(n))) for n in range(MOST_WORKS + 1))
    assert few.find(shared) is not None
    assert many.find(shared) is None
    assert many.find(part(walk(2), 50, 60)) is not None


@pytest.mark.parametrize("figure", [[60], [60, 67, 64, 67], [48, 60, 64, 67]], ids=["drum", "alberti", "chords"])
def test_a_figure_that_everybody_plays_is_nobodys(figure: list[int]) -> None:
    pitch = np.tile(figure, 20)
    music = passage(np.arange(len(pitch)) * 6, pitch * 0 + 6, pitch, pitch * 0 + 80, np.array([0, len(pitch) * 6]))
    assert index_works([("Etude", music)]).find(music) is None


def test_the_file_gives_the_index_back(index: KnownWorks, tmp_path: Path) -> None:
    path = tmp_path / "works.npz"
    path.write_bytes(known_works_bytes(index))
    found = load_known_works(path)
    np.testing.assert_array_equal(found.hashes, index.hashes)
    np.testing.assert_array_equal(found.works, index.works)
    assert found.names == index.names


@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "other"])
def test_a_damaged_file_is_one_clear_error(index: KnownWorks, tmp_path: Path, damage: str) -> None:
    path, content = tmp_path / "works.npz", known_works_bytes(index)
    if damage == "truncated":
        path.write_bytes(content[:-200])
    elif damage == "text":
        path.write_text("not an index")
    elif damage == "other":
        np.savez(path, differences=np.zeros(3))
    with pytest.raises(CheckpointError, match="install"):
        load_known_works(path)
