"""Training examples are the requests a composer makes, with the true answer at the end (on real files)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pianomuse.data.batches import IGNORE, BatchMaker, BatchSettings, TargetMask, validation_batches
from pianomuse.data.examples import Example, ExampleMaker, ExampleMix
from pianomuse.data.store import PieceStore
from pianomuse.errors import ConfigError
from pianomuse.tokens.augment import Augmenter, Shift
from pianomuse.tokens.grammar import Grammar, Place
from pianomuse.tokens.notes import read_notes
from pianomuse.tokens.prompt import PromptWriter
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()
VOCABULARY = TOKENIZER.vocabulary
FILLS = ("fill_prefix_first", "fill_suffix_first", "fill_around")
KINDS = ("continuation", *FILLS, "hand", "melody", "accompany")
PROMPT = PromptWriter(VOCABULARY)


def only(kind: str) -> ExampleMix:
    return ExampleMix(**{name: float(name == kind) for name in KINDS}, drop_control=0.0)


def draw(dataset: Path, kind: str, n: int = 30, max_tokens: int = 512) -> list[tuple[str, Example]]:
    store = PieceStore(dataset, "train")
    maker, rng = ExampleMaker(VOCABULARY, max_tokens, only(kind)), np.random.default_rng(0)
    pieces = [store[int(index)] for index in rng.integers(len(store), size=n)]
    return [(piece.name, maker.draw(piece, rng)) for piece in pieces]


def written(example: Example) -> np.ndarray:
    """Return the answer without what was given beside it."""
    answer = example.ids[example.ctx_len :]
    return answer[~PROMPT.is_beside(answer)]


def section(ids: np.ndarray, begin: str, end: str) -> np.ndarray:
    first = int(np.flatnonzero(ids == VOCABULARY.id(begin))[0]) + 1
    return ids[first : int(np.flatnonzero(ids == VOCABULARY.id(end))[0])]


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_has_the_bars_that_were_asked_and_is_grammatical(dataset: Path, kind: str) -> None:
    grammar = Grammar(VOCABULARY)
    for name, example in draw(dataset, kind):
        answer = written(example)
        asked = VOCABULARY.token(int(example.ids[example.ctx_len - 1]))
        assert asked == f"Bars_{(answer == VOCABULARY.id('Bar_None')).sum()}", name
        first_pedal = [str(k) for k in VOCABULARY.kinds[answer] if str(k).startswith("Pedal")][:1]
        assert grammar.first_error(answer, start=Place(pedal=first_pedal == ["PedalOff"])) is None, name
        assert answer[-1] == VOCABULARY.id("EOS_None")
        assert len(example.ids) <= 512


def test_continuation_is_the_piece_itself(dataset: Path) -> None:
    pieces = {piece.name: piece for piece in PieceStore(dataset, "train")}
    for name, example in draw(dataset, "continuation"):
        task = np.flatnonzero(example.ids == VOCABULARY.id("Task_Continue"))[0]
        music = np.concatenate([example.ids[3:task], example.ids[example.ctx_len : -1]])
        found = [view.ids for view in pieces[name].views.values() if _contains(view.ids, music)]
        assert found, name


def _contains(whole: np.ndarray, part: np.ndarray) -> bool:
    return part.astype(np.int32).tobytes() in whole.astype(np.int32).tobytes()


@pytest.mark.parametrize("kind", FILLS)
def test_fill_gives_both_sides_and_at_most_eight_bars_after(dataset: Path, kind: str) -> None:
    pieces = {piece.name: piece for piece in PieceStore(dataset, "train")}
    for name, example in draw(dataset, kind):
        if VOCABULARY.id("Fill_Middle") not in example.ids:
            continue  # a piece too short to fill gave a continuation
        middle = example.ids[example.ctx_len : -1]
        if kind != "fill_prefix_first":
            suffix, prefix = (
                section(example.ids, "Fill_Suffix", "Fill_Prefix"),
                section(example.ids, "Fill_Prefix", "Fill_Middle"),
            )
            assert kind == "fill_suffix_first" or (prefix == VOCABULARY.id("Bar_None")).sum() <= 4
        else:
            prefix, suffix = (
                section(example.ids, "BOS_None", "Fill_Suffix"),
                section(example.ids, "Fill_Suffix", "Fill_Middle"),
            )
        assert 1 <= (suffix == VOCABULARY.id("Bar_None")).sum() <= 8
        assert _contains(pieces[name].views["full"].ids, np.concatenate([prefix[2:], middle, suffix[2:]])), name


def test_hand_examples_give_one_hand_and_ask_for_the_other(dataset: Path) -> None:
    pieces = {piece.name: piece for piece in PieceStore(dataset, "train")}
    seen = set()
    for name, example in draw(dataset, "hand"):
        if VOCABULARY.id("Task_Hand") not in example.ids:
            continue
        wanted = "left" if VOCABULARY.id("Hand_Left") in example.ids else "right"
        seen.add(wanted)
        other = "right" if wanted == "left" else "left"
        answer, view = example.ids[example.ctx_len : -1], pieces[name].views[other]
        is_head = np.isin(VOCABULARY.kinds[answer], ("Bar", "TimeSig"))
        given = answer[PROMPT.is_beside(answer) | is_head]
        given = given[~np.isin(given, [VOCABULARY.id("Fill_Given"), VOCABULARY.id("Fill_Middle")])]
        assert _contains(view.ids, given), name
        assert _contains(pieces[name].views[wanted].ids, written(example)[:-1]), name
    assert seen == {"left", "right"}


def test_controls_say_what_the_answer_is(dataset: Path) -> None:
    for _, example in draw(dataset, "continuation"):
        names = TOKENIZER.names(example.ids[: example.ctx_len])
        asked = {name.split("_")[0]: name.split("_")[1] for name in names[names.index("Task_Continue") :]}
        notes = read_notes(example.ids[example.ctx_len : -1], VOCABULARY)
        assert asked["Dynamics"] == "Unknown", "scores have one velocity"
        assert int(asked["Voices"]) >= min(1, len(notes.pitch))
        rate = len(notes.pitch) / (notes.total_units / 24)
        assert (int(asked["Density"]) == 7) == (rate >= 6.0)


def test_what_the_composer_decides_is_no_target(dataset: Path) -> None:
    (_, example), *_ = draw(dataset, "fill_suffix_first", n=1)
    targets = TargetMask(VOCABULARY)(example.ids, example.ctx_len, "all")
    predicted = {VOCABULARY.kind(int(target)) for target in targets if target != IGNORE}
    assert predicted <= {
        "Bar",
        "TimeSig",
        "Tempo",
        "Position",
        "Pitch",
        "Velocity",
        "Duration",
        "Pedal",
        "PedalOff",
        "EOS",
    }
    completion = TargetMask(VOCABULARY)(example.ids, example.ctx_len, "completion")
    assert (completion[: example.ctx_len - 1] == IGNORE).all()
    assert np.array_equal(completion[example.ctx_len - 1 :], example.ids[example.ctx_len :])


def test_batches_are_a_function_of_seed_and_number(dataset: Path) -> None:
    store = PieceStore(dataset, "train")

    def batch(seed: int, step: int) -> np.ndarray:
        return BatchMaker(store, BatchSettings(batch_size=3, max_tokens=256, seed=seed)).batch(step)["input_ids"]

    assert np.array_equal(batch(1, 11), batch(1, 11))
    assert not np.array_equal(batch(1, 11), batch(1, 12))
    assert not np.array_equal(batch(1, 11), batch(2, 11))
    running = BatchMaker(store, BatchSettings(batch_size=3, max_tokens=256, seed=1)).batches(first_step=9)
    next(running), next(running)
    assert np.array_equal(next(running)["input_ids"], batch(1, 11))


def test_folders_are_drawn_as_often_as_asked(dataset: Path) -> None:
    store = PieceStore(dataset, "train")

    def n_songs(weights: str) -> int:
        settings = BatchSettings(batch_size=8, max_tokens=256, folder_weights=weights)
        songs = {index for index, piece in enumerate(store) if piece.has_voice}
        maker = BatchMaker(store, settings)
        drawn = np.random.default_rng(0).choice(len(store), size=400, p=maker.probabilities)
        return sum(int(index) in songs for index in drawn)

    assert n_songs("lieder=0.1") * 3 < n_songs("") < n_songs("lieder=5, mutopia=0.5")
    for bad in ("lieder", "lieder=many", "lieder=-1"):
        with pytest.raises(ConfigError, match="folder_weights"):
            n_songs(bad)


def test_validation_batches_never_change(dataset: Path) -> None:
    store = PieceStore(dataset, "valid")
    first = validation_batches(store, n_examples=6, max_tokens=256, batch_size=4)
    second = validation_batches(store, n_examples=6, max_tokens=256, batch_size=4)
    assert [len(b["input_ids"]) for b in first] == [4, 2]
    assert all(np.array_equal(a["input_ids"], b["input_ids"]) for a, b in zip(first, second, strict=True))


def test_transposition_moves_every_note_and_the_key_and_stays_on_the_piano(dataset: Path) -> None:
    augmenter = Augmenter(VOCABULARY)
    for _, example in draw(dataset, "continuation", n=10):
        low, high = augmenter.semitone_range(example.ids)
        assert low <= 0 <= high
        before = read_notes(example.ids[example.ctx_len : -1], VOCABULARY)
        for semitones in (low, high):
            shifted = augmenter.apply(example.ids, Shift(semitones=semitones))
            after = read_notes(shifted[example.ctx_len : -1], VOCABULARY)
            assert np.array_equal(after.pitch, before.pitch + semitones)
            assert np.array_equal(after.onset, before.onset)
    with pytest.raises(ValueError, match="leaves the piano"):
        augmenter.apply(example.ids, Shift(semitones=80))


def test_tempo_and_velocity_stop_at_the_end_of_their_scales() -> None:
    ids = np.array(
        [VOCABULARY.id("Tempo_250.0"), VOCABULARY.id("Velocity_127"), VOCABULARY.id("Key_B")], dtype=np.int32
    )
    shifted = Augmenter(VOCABULARY).apply(ids, Shift(semitones=1, tempo_bins=3, velocity_bins=40))
    assert TOKENIZER.names(shifted) == ["Tempo_250.0", "Velocity_127", "Key_C"]
