"""Likelihood, tasks and tables on real scores, with the Markov model in the place of a model."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pianomuse.errors import DatasetError, RequestError
from pianomuse.evaluate.bootstrap import mean, ratio, relative_difference
from pianomuse.evaluate.comparison import Comparison, Settings, compare
from pianomuse.evaluate.context import context_gain
from pianomuse.evaluate.judge import chosen_measures
from pianomuse.evaluate.likelihood import (
    bits_per_bar,
    bits_per_note,
    by_bar,
    by_bar_against_own,
    by_part,
    engine_bits,
    measure_likelihood,
)
from pianomuse.evaluate.listening import score_answers, write_listening_test
from pianomuse.evaluate.markov import MarkovModel
from pianomuse.evaluate.markov_engine import MarkovEngine
from pianomuse.evaluate.report import Report, to_json
from pianomuse.evaluate.tables import to_lines
from pianomuse.evaluate.tasks import CONTINUATION, INFILLS, another_piece, copy_last_bars, find_place, write_ideas
from pianomuse.evaluate.validity import fault
from pianomuse.evaluate.works import WorkSet, load_works
from pianomuse.measure.agreement import note_f1
from pianomuse.measure.originality import MatchIndex
from pianomuse.render.clip import Clip
from pianomuse.tokens.tokenizer import PianoTokenizer


@pytest.fixture(scope="module")
def compared(works: WorkSet, markov: MarkovModel, tokenizer: PianoTokenizer) -> Comparison:
    engine = MarkovEngine(markov, tokenizer.vocabulary)
    index = MatchIndex([works.works[0].music])
    return compare(CONTINUATION, works.works[2:5], {"model": engine}, tokenizer, Settings(2, 1), training=index)


def test_bootstrap_draws_works_and_not_items() -> None:
    estimate = ratio([1.0, 3.0], [1.0, 1.0], ["a", "b"])
    assert (estimate.value, estimate.low, estimate.high, estimate.n_works) == (2, 1, 3, 2)
    one_work = ratio([1.0, 3.0], [1.0, 1.0], ["a", "a"])
    assert (one_work.low, one_work.high) == (2, 2)
    assert mean([1.0, float("nan"), 3.0], ["a", "b", "c"]).value == 2
    assert relative_difference([1.0, 1.0], [2.0, 2.0], ["a", "b"]).value == 0.5
    assert math.isnan(mean([float("nan")], ["a"]).value)


def test_bits_of_a_model_that_knows_nothing_are_log2_of_the_vocabulary(
    works: WorkSet, tokenizer: PianoTokenizer
) -> None:
    def uniform(ids: np.ndarray) -> tuple[np.ndarray, object]:
        return np.zeros((len(ids), 761), dtype=np.float32), None

    found = measure_likelihood(engine_bits(uniform), works.works[:3], tokenizer.vocabulary)
    n_tokens = sum(len(work.ids) - 2 for work in works.works[:3])
    n_notes = sum(work.music.n_notes for work in works.works[:3])
    n_bars = sum(work.music.n_bars for work in works.works[:3])
    assert bits_per_note(found).value == pytest.approx(math.log2(761) * n_tokens / n_notes)
    assert bits_per_bar(found).value == pytest.approx(math.log2(761) * n_tokens / n_bars)
    parts = by_part(found)
    assert sum(part.value for part in parts.values()) == pytest.approx(bits_per_note(found).value)
    assert parts["pitch"].value == pytest.approx(math.log2(761))
    assert all(place.value == pytest.approx(1, abs=0.4) for place in by_bar_against_own(found).values())
    assert min(by_bar(found)) == 1


def test_true_context_helps_a_model_that_reads_it(works: WorkSet, tokenizer: PianoTokenizer) -> None:
    def remembers(ids: np.ndarray) -> np.ndarray:
        """Give each token its share in what was read so far."""
        seen, bits = np.ones(761), []
        for token, following in pairwise(ids):
            seen[token] += 1
            bits.append(-np.log2(seen[following] / seen.sum()))
        return np.array(bits)

    found = context_gain(remembers, works.works, tokenizer, distances=(4, 8))
    assert found[4].gain.value > 0.05
    assert found[4].far is None
    assert found[8].far is not None
    assert found[8].gain.n_works >= 3


def test_places_lie_in_the_middle_and_references_are_what_they_say(works: WorkSet) -> None:
    places = [place for place in (find_place(work, CONTINUATION) for work in works.works) if place is not None]
    assert len(places) >= 4
    for index, place in enumerate(places):
        assert abs(place.first_bar + 2 - place.work.music.n_bars / 2) <= 2.5
        assert place.truth.n_bars == copy_last_bars(place).n_bars == 4
        assert note_f1(copy_last_bars(place), place.work.music.bars(place.first_bar - 4, place.first_bar)) == 1
        assert note_f1(another_piece(places, index), place.truth) < 0.8
    fills = [find_place(work, INFILLS[0]) for work in works.works]
    assert any(fill is not None and fill.n_bars == 1 for fill in fills)


def test_a_table_holds_the_model_and_every_reference(compared: Comparison) -> None:
    assert set(compared.table) == {"model", "copy", "another piece", "truth"}
    truth, copy = compared.table["truth"], compared.table["copy"]
    assert truth["f1"].value == 1
    assert truth["belongs"].value >= copy["belongs"].value - 1
    assert 0.2 < truth["join_roughness"].value < 0.8
    assert copy["likeness_4_bars_back"].value == 1
    model = compared.table["model"]
    assert model["best_f1"].value >= model["f1"].value
    assert model["diversity"].value > 0
    assert model["valid"].value == 1, compared.faults
    assert model["longest_match_notes"].value >= 2
    assert set(compared.overlaps) == {"model", "copy", "another piece", "half of the truth"}


def test_an_idea_as_loud_as_its_context_is_read_as_loud(
    works: WorkSet, markov: MarkovModel, tokenizer: PianoTokenizer
) -> None:
    work = next(work for work in works.works if len(set(work.music.velocity.tolist())) == 1)
    place = find_place(work, CONTINUATION)
    assert place is not None
    engine = MarkovEngine(markov, tokenizer.vocabulary)
    for idea in write_ideas(engine, tokenizer, place, CONTINUATION, n_ideas=2, seed=1):
        assert set(idea.music.velocity.tolist()) == set(work.music.velocity.tolist())


def test_filling_goes_through_the_same_table(works: WorkSet, markov: MarkovModel, tokenizer: PianoTokenizer) -> None:
    engine = MarkovEngine(markov, tokenizer.vocabulary)
    found = compare(INFILLS[0], works.works, {"markov": engine}, tokenizer, Settings(1, 1))
    assert found.table["markov"]["valid"].value == 1
    assert found.table["truth"]["f1"].value == 1
    assert not math.isnan(found.table["markov"]["join_roughness"].value)


def test_a_fill_stands_beside_the_same_bars_written_without_hearing_what_follows(
    works: WorkSet, markov: MarkovModel, tokenizer: PianoTokenizer
) -> None:
    engine = MarkovEngine(markov, tokenizer.vocabulary)
    found = compare(INFILLS[0], works.works[:4], {"model": engine}, tokenizer, Settings(2, 1))
    model, blind = found.table["model"], found.table["blind"]
    assert model["join_less_blind"].value == pytest.approx(
        model["join_roughness"].value - blind["join_roughness"].value, abs=1e-12
    )
    joins = (model["join_before"].value + model["join_behind"].value) / 2
    assert joins == pytest.approx(model["join_roughness"].value, abs=1e-12)
    assert "join_less_blind" not in blind
    assert any(
        not np.array_equal(one[0].pitch, other[0].pitch)
        for one, other in zip(found.ideas["model"], found.ideas["blind"], strict=True)
    )
    copied = found.table["copy"]["best_f1"].value
    assert model["best_f1_less_copy"].value == pytest.approx(model["best_f1"].value - copied, abs=1e-12)


def test_a_report_is_strict_json_and_has_the_promised_names(
    works: WorkSet, compared: Comparison, markov: MarkovModel, tokenizer: PianoTokenizer
) -> None:
    found = measure_likelihood(lambda ids: markov.bits(ids)[1:], works.works, tokenizer.vocabulary)
    report = Report("m", works, {"model": found, "markov": found}, comparisons=[compared])
    document = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert {"files", "bars", "notes", "tokens", "bits_per_note", "bits_per_bar", "references"} <= document.keys()
    assert document["references"]["markov"]["bits_per_note"] == document["bits_per_note"] > 0
    assert document["references"]["markov"]["model_is_below_by"]["value"] == 0
    assert document["tasks"]["continuation"]["measures"]["truth"]["f1"]["value"] == 1
    text = "\n".join(to_lines(report))
    assert "bits per note" in text
    assert "another piece" in text
    assert max(map(len, text.splitlines())) < 170


def test_an_invalid_idea_is_called_so(works: WorkSet, tokenizer: PianoTokenizer) -> None:
    whole = works.works[0]
    assert fault(whole.data, whole.piece.grid.n_bars, tokenizer) == ""
    assert "behind bar 2" in fault(whole.data, 2, tokenizer)
    assert "cannot be read" in fault(b"MThd", 2, tokenizer)


def test_works_come_from_files_and_from_datasets_alike(corpus: Path, dataset: Path) -> None:
    from_files, from_data = load_works(corpus), load_works(dataset)
    assert from_files.split == from_data.split == "valid"
    assert [work.name for work in from_files.works] == sorted(work.name for work in from_data.works)
    by_name = {work.name: work for work in from_data.works}
    for work in from_files.works:
        assert np.array_equal(by_name[work.name].ids, work.ids)
        assert by_name[work.name].piece.grid.n_bars == work.piece.grid.n_bars
    assert load_works(corpus / "lieder", n_pieces=2).split == "all"
    with pytest.raises(DatasetError, match="not a folder"):
        load_works(corpus / "nowhere")


def test_a_listening_test_tells_nothing_and_scores_its_answers(
    compared: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips: list[Clip] = []
    monkeypatch.setattr("pianomuse.evaluate.listening.clip_mp3", lambda clip: clips.append(clip) or b"sound")
    page, key_path = write_listening_test(compared, tmp_path, n_places=1)
    html, key = page.read_text("utf-8"), json.loads(key_path.read_text("utf-8"))
    assert sorted(key["key"].values()) == sorted(compared.ideas)
    assert all(f'name="{label}"' in html for label in key["key"])
    for word in ("truth", "markov", "another piece", "model"):
        assert word not in html.split("<form>")[1]
    assert len({len(clip.notes) for clip in clips}) > 1
    assert all(
        0 < clip.idea_s < clip.seconds and max(note.onset_s for note in clip.notes) < clip.seconds for clip in clips
    )
    marks = {label: 5 if who == "truth" else 2 for label, who in key["key"].items()}
    found = score_answers(key, [{"marks": marks, "known": []}])
    assert (found["truth"].value, found["copy"].value) == (5, 2)
    with pytest.raises(RequestError, match="no ratings"):
        score_answers(key, [{"marks": marks, "known": [1]}])
    with pytest.raises(RequestError, match="no rating of an item"):
        score_answers(key, [{"marks": {"9Z": 3}}])


def test_measures_are_chosen_by_name() -> None:
    assert chosen_measures("mirex, likelihood") == ("likelihood", "mirex")
    assert len(chosen_measures("all")) == 11
    with pytest.raises(RequestError, match="choose from all"):
        chosen_measures("beauty")
