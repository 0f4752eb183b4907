"""Everything that the Python sources can say to a composer has words in both languages of the page."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "pianomuse"
SAID = PACKAGE / "web" / "said"
SPOKEN_ROOMS = ("generate", "midi", "notation", "performance", "server")
ERRORS = {"RequestError", "MidiError", "CheckpointError", "StorageError", "PianoMuseError", "DatasetError"}
ROW = re.compile(r'^  "?([\w-]+)"?: \[\s*("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*"),?\s*\],$', re.MULTILINE)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def rows(path: Path) -> dict[str, tuple[str, str]]:
    found = {name: (json.loads(one), json.loads(two)) for name, one, two in ROW.findall(path.read_text("utf-8"))}
    assert found, path
    return found


def sentences() -> dict[str, tuple[str, str]]:
    tables = [rows(SAID / f"{name}.js") for name in ("ideas", "files", "wishes", "programs")]
    assert sum(map(len, tables)) == len(set().union(*tables)), "a code stands in two tables"
    return {code: texts for table in tables for code, texts in table.items()}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def codes() -> dict[str, set[frozenset[str]]]:
    """Every code, with the names of the values at each place where it is made."""
    found: dict[str, set[frozenset[str]]] = defaultdict(set)
    for place, call in calls():
        name = call.func.id
        if (name == "coded" or name in ERRORS) and len(call.args) == 2 and not place.startswith("errors.py"):
            assert isinstance(call.args[1], ast.Constant), f"{place}: the code has to stand there"
            found[call.args[1].value].add(frozenset(str(keyword.arg) for keyword in call.keywords))
    for call in (node for place, node in calls() if place.startswith("errors.py") and node.func.id == "coded"):
        if isinstance(call.args[1], ast.Constant):
            found[call.args[1].value].add(frozenset(str(keyword.arg) for keyword in call.keywords))
    return found


def test_every_code_that_is_made_has_both_languages_and_no_other_has():
    made, said = codes(), sentences()
    assert len(made) > 200
    assert made.keys() - said.keys() == set()
    assert said.keys() - made.keys() == set()


def test_texts_name_only_values_that_are_there():
    said = sentences()
    for code, places in codes().items():
        for text in said[code]:
            assert text.strip()
            named = set(re.findall(r"\{(\w+)\}", text))
            for values in places:
                assert named <= values, (code, text)


def test_the_chinese_is_chinese():
    own = {"range", "in_file", "limit_said"}  # nothing but names and numbers
    for code, (_, chinese) in sentences().items():
        assert CHINESE.search(chinese) or code in own, code
        assert not re.search(r"[\u4e00-\u9fff][,:;?!(]|[,:;?!)][\u4e00-\u9fff]", chinese), f"{code}: {chinese}"


def test_every_error_that_the_page_can_meet_has_a_code():
    bare = []
    for place, call in calls():
        is_spoken = place.split("/")[0] in SPOKEN_ROOMS or place.startswith("checkpoint/style.py")
        if is_spoken and call.func.id in ERRORS and len(call.args) < 2 and not isinstance(call.args[0], ast.Name):
            bare.append(place)
    assert bare == []


def test_words_among_the_values_have_both_languages():
    from pianomuse.generate.asked import read_asked

    known = rows(SAID / "value_words.js")
    limits = read_asked(
        key="Am", scale="D dorian", chords="Am", chromatic="passing", chords_strict=True, range="C3-E5", voices=1,
        notes_per_bar=4, hand="left", keep="rhythm", keep_from=1, ending="open", to="bar 1: C",
    ).said  # fmt: skip
    others = {"right", "contour", "pitches", "harmony", "melody", "bass", "half", "close", "final"}
    assert (limits.keys() | others) - known.keys() == set()


def test_every_word_for_an_answer_that_is_refused_has_a_chinese_text():
    texts = (PACKAGE / "web" / "page" / "fault_texts.js").read_text("utf-8")
    known = set(re.findall(r'^  (\w+): "[^"]*[\u4e00-\u9fff]', texts, re.MULTILINE))
    sources = "".join(path.read_text("utf-8") for path in (PACKAGE / "server").glob("*.py"))
    said = set(re.findall(r'(?:Refusal|answer)\(\s*\d{3},\s*"(\w+)"', sources))
    said |= set(re.findall(r'\d{3}: \("(\w+)", ', sources)) | {"midi", "model", "storage", "request", "invalid"}
    assert len(said) > 15
    assert said - known == set()
