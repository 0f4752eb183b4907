"""What cannot be done is refused in words; what numba needs is found or done without."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import CheckpointError, RequestError
from pianomuse.runtime.engine import CpuEngine
from pianomuse.runtime.state import State


@pytest.fixture(scope="module")
def engine(config, tensors) -> CpuEngine:
    return CpuEngine(config, tensors, threads=1)


@pytest.mark.parametrize(
    "ids", [np.array([], int), np.array([211]), np.array([-1]), np.array([[1]]), np.array([1.0])], ids=str
)
def test_ids_outside_the_vocabulary_are_refused(engine, ids):
    with pytest.raises(RequestError, match=r"ids"):
        engine.prefill(ids)
    with pytest.raises(RequestError, match=r"ids"):
        engine.step(ids, State.empty(engine.config, max(len(ids), 1)))


def test_states_that_do_not_fit_are_refused(engine, config):
    with pytest.raises(RequestError, match="one token per lane"):
        engine.step(np.array([1, 2]), State.empty(config, 3))
    with pytest.raises(RequestError, match="one lane"):
        engine.prefill(np.array([1]), State.empty(config, 2))
    with pytest.raises(RequestError, match="another model"):
        engine.prefill(np.array([1]), State.empty(ModelConfig(vocab_size=211, n_layer=2, n_embd=128)))
    with pytest.raises(RequestError, match="at most 128"):
        engine.step(np.zeros(129, int), State.empty(config, 129))


def test_settings_that_cannot_be_are_refused(config, tensors):
    with pytest.raises(RequestError, match="float32 or int8"):
        CpuEngine(config, tensors, precision="int4")
    with pytest.raises(RequestError, match=r"1\.\.64"):
        CpuEngine(config, tensors, threads=0)


def test_weights_that_do_not_fit_are_refused(config, tensors):
    missing = {name: value for name, value in tensors.items() if name != "blocks.1.att.w2"}
    with pytest.raises(CheckpointError, match=r"blocks.1.att.w2 is missing"):
        CpuEngine(config, missing)
    with pytest.raises(CheckpointError, match=r"ln_out.bias is \(3,\)"):
        CpuEngine(config, tensors | {"ln_out.bias": np.zeros(3, np.float32)})
    odd = ModelConfig(vocab_size=8, n_layer=1, n_embd=48, head_size=16)
    with pytest.raises(CheckpointError, match="head size 16"):
        CpuEngine(odd, {})


def test_unused_tensors_of_layer_0_are_ignored(engine, config, tensors):
    more = tensors | {f"blocks.0.att.v{i}": np.full((3, 3), np.nan, np.float32) for i in range(3)}
    ids = np.arange(5)
    np.testing.assert_array_equal(CpuEngine(config, more, threads=1).prefill(ids)[0], engine.prefill(ids)[0])


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    return done.stdout


def test_importing_the_engine_loads_neither_numba_nor_torch():
    assert run("import sys, pianomuse.runtime.engine; print({'numba', 'torch'} & set(sys.modules))") == "set()\n"


def test_works_where_compiled_code_cannot_be_kept():
    out = run("""
        import logging, numba.core.caching as caching
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=__import__("sys").stdout)
        for kind in vars(caching).values():
            if hasattr(kind, "_locator_classes"):
                kind._locator_classes = []
        from pianomuse.runtime.forward import compiled_forward
        print(type(compiled_forward()._cache).__name__)
    """)
    assert "set NUMBA_CACHE_DIR" in out
    assert out.endswith("NullCache\n")
