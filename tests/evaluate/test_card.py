"""The card's tables are written from measured documents, and the gallery from a seed."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pianomuse.evaluate.bootstrap import Estimate
from pianomuse.evaluate.comparison import Settings, compare
from pianomuse.evaluate.context import context_gain
from pianomuse.evaluate.dynamics import DynamicsKept
from pianomuse.evaluate.likelihood import measure_likelihood
from pianomuse.evaluate.markov import MarkovModel
from pianomuse.evaluate.markov_engine import MarkovEngine
from pianomuse.evaluate.motif import motif_recall
from pianomuse.evaluate.report import Report, to_json
from pianomuse.evaluate.tables import to_lines
from pianomuse.evaluate.tasks import CONTINUATION, ENDS
from pianomuse.evaluate.validity_rate import ValidityRate
from pianomuse.evaluate.works import WorkSet
from pianomuse.tokens.tokenizer import PianoTokenizer

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_script", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def report(works: WorkSet, markov: MarkovModel, tokenizer: PianoTokenizer) -> Report:
    def bits_of(ids):  # type: ignore[no-untyped-def]
        return markov.bits(ids)[1:]

    readers = {"model": bits_of, "markov": bits_of}
    engine = MarkovEngine(markov, tokenizer.vocabulary)
    writers = {"model": engine, "markov": engine}
    share = Estimate(0.875, 0.75, 1.0, 4)
    return Report(
        "m",
        works,
        {name: measure_likelihood(reader, works.works, tokenizer.vocabulary) for name, reader in readers.items()},
        {name: context_gain(reader, works.works, tokenizer, distances=(4, 8)) for name, reader in readers.items()},
        motif_recall(readers, works.works, tokenizer, distances=(1,)),
        [compare(task, works.works[:4], writers, tokenizer, Settings(1, 1)) for task in (CONTINUATION, ENDS)],
        DynamicsKept(share, share, share, share, share, 8, 9),
        ValidityRate({0.5: 4, 1.5: 4}, {0.5: {}, 1.5: {"no notes": 2}}),
        {"candidates": 1},
    )


def test_all_parts_of_a_report_reach_document_and_tables(report: Report) -> None:
    document = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert (
        document["motif_recall"]["markov"]["1"]["recalled"]["works"]
        == document["motif_recall"]["model"]["1"]["gain"]["works"]
    )
    assert document["context_gain_of_references"]["markov"]["4"]["gain"] == document["context_gain"]["4"]["gain"]
    assert document["references"]["markov"]["sources"].keys() == document["sources"].keys()
    assert document["validity"]["valid"] == 0.75
    assert document["dynamics"]["n_expressive"] == 8
    assert document["tasks"]["ends"]["divergence_bits"].keys() == document["tasks"]["ends"]["overlap_area"].keys()
    text = "\n".join(to_lines(report))
    for words in ("planted motif", "8 expressive places", "6 of 8 ideas", "2 invalid: no notes", "divergence_bits"):
        assert words in text


def test_the_card_has_whole_tables_of_the_measured_numbers(report: Report) -> None:
    module = script("write_card")
    document = to_json(report)
    text = "\n".join(module.card(document, document, ["first", "second"]))
    assert f"{document['bits_per_note']:.2f} (" in text
    assert "87.5%" in text
    assert "75.00% of 8 ideas" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({row.count("|") for row in block.strip().splitlines()}) == 1, block
    card = f"before\n{module.BEGIN}\nold 5.55\n{module.END}\nafter\n"
    new = module.put_between(card, text + "\n")
    assert new.startswith("before\n")
    assert new.endswith("after\n")
    assert "old 5.55" not in new
    assert module.put_between(new, text + "\n") == new
    with pytest.raises(SystemExit, match="the card needs"):
        module.put_between("no markers", text)
    assert module.BEGIN in (SCRIPTS.parent / "docs" / "model-card.md").read_text(encoding="utf-8")


def test_a_seed_chooses_the_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("make_gallery")
    for out in ("one", "two"):
        monkeypatch.setattr(sys, "argv", ["make_gallery", "--out", str(tmp_path / out), "--items", "2"])
        assert module.main() == 0
    pages = [(tmp_path / out / "README.md").read_text(encoding="utf-8") for out in ("one", "two")]
    assert pages[0] == pages[1]
    assert pages[0].count("> Comment:") == 2
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 5
    assert all(f"({name})" in pages[0] for name in names if name != "README.md")
    midi = next((tmp_path / "one").glob("*.mid"))
    assert midi.read_bytes() == (tmp_path / "two" / midi.name).read_bytes()
