"""*My style* in the page: learnt from files that are chosen, with progress, used, kept as a file, switched off."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.web.studio_page import opened, served

FILES = Path(__file__).resolve().parents[1] / "files"
PIECES = [str(FILES / name) for name in ("cornelius-untreu.mid", "webern-im-morgentaun.mid")]


@pytest.fixture
def part(studio):
    studio.open("finished-phrase").until("!document.querySelector('#style-part').hidden")
    studio.page.click("#style-part summary")
    yield studio
    studio.page.evaluate("fetch('api/v1/style', { method: 'DELETE' })")


def words(studio) -> str:
    return studio.page.inner_text("#style-words")


def test_a_style_is_loaded_used_kept_and_switched_off(part, tmp_path):
    from pianomuse.api import WEIGHTS
    from pianomuse.checkpoint.store import load_checkpoint
    from pianomuse.checkpoint.style import Style, load_style, model_fingerprint, save_style

    model = load_checkpoint(WEIGHTS / "default")
    config = model.config
    import numpy as np

    shape = (config.n_layer, config.n_head, config.head_size, config.head_size)
    memory = np.zeros(shape, dtype=np.float32)
    fingerprint = model_fingerprint(config, model.tensors)
    path = save_style(tmp_path / "nocturnes.safetensors", Style(memory, fingerprint, model.vocabulary_fingerprint))
    part.page.set_input_files("#style-file", path)
    part.until("document.querySelector('#style-words').textContent.includes('nocturnes')")
    part.until("document.querySelector('#model').textContent.includes('default + nocturnes')")
    with part.page.expect_download() as download:
        part.page.click("#style-save")
    assert download.value.suggested_filename == "nocturnes.safetensors"
    kept = tmp_path / "kept.safetensors"
    kept.write_bytes(Path(download.value.path()).read_bytes())
    assert load_style(kept).model == fingerprint
    part.fill(bars=1, candidates=1, seed=7).ask().press("Tab")
    assert part.look("s.project.origins[0].model") == "default + nocturnes"
    part.page.click("#style-off")
    part.until("!document.querySelector('#model').textContent.includes('+')")
    assert not part.page.is_visible("#style-off")


def test_a_file_that_is_no_style_is_refused(part, tmp_path):
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    part.page.set_input_files("#style-file", tmp_path / "no.safetensors")
    part.until("!document.querySelector('#problem').hidden")
    assert "style" in part.problem


def test_learning_shows_how_far_it_is_and_can_be_stopped(part):
    pytest.importorskip("torch")
    part.page.set_input_files("#style-pieces", PIECES)
    part.until("!document.querySelector('#style-progress').hidden")
    part.until(r"/Learning: [1-9]\d* % · at most [\d.]+ minutes left/.test(document.body.innerText)")
    part.page.click("#style-stop")
    part.until("document.querySelector('#style-progress').hidden")
    assert "Stopped; nothing was changed." in words(part)
    part.page.click("#language")
    assert "已停止" in words(part)


def test_an_answer_from_before_the_stop_does_not_bring_the_learning_back(part):
    pytest.importorskip("torch")
    held = []

    def hold(route) -> None:
        """The first that the server says of the learning waits on its way."""
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    part.page.set_input_files("#style-pieces", PIECES)
    part.until("!document.querySelector('#style-progress').hidden")
    part.page.route("**/api/v1/style", hold)
    while not held:
        part.page.wait_for_timeout(20)
    part.page.click("#style-stop")
    part.until("document.querySelector('#style-progress').hidden")
    (route, answer) = held[0]
    late = answer.json()
    late["tuning"]["state"] = "learning"  # as it was, unless all was learnt meanwhile
    route.fulfill(json=late)
    part.page.evaluate("fetch('api/v1/style').then((answer) => answer.text())")  # behind it
    assert part.page.evaluate("document.querySelector('#style-progress').hidden")


def test_without_pytorch_the_page_says_what_to_install(browser, tmp_path, monkeypatch):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'torch' else find(name, package)\n"
    )
    monkeypatch.syspath_prepend(str(blocked))
    monkeypatch.setenv("PYTHONPATH", f"{blocked}:{__import__('os').environ.get('PYTHONPATH', '')}")
    with served(tmp_path) as (url, _), opened(browser, url) as studio:
        studio.open().until("!document.querySelector('#style-part').hidden")
        studio.page.click("#style-part summary")
        assert "pip install 'pianomuse[train]'" in words(studio)
        assert not studio.page.is_visible("#style-learn")
        assert studio.page.is_visible("#style-load")
