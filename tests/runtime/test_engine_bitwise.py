"""The same numbers to the last bit: at once, in pieces or step by step; in any company; on any number of threads."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pianomuse.runtime.engine import CpuEngine
from pianomuse.runtime.state import State


@pytest.fixture(scope="module", params=["float32", "int8"])
def engine(request, config, tensors) -> CpuEngine:
    return CpuEngine(config, tensors, precision=request.param, threads=1)


def ids_of(engine: CpuEngine, n: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, engine.vocab_size, n)


def assert_same(state: State, other: State) -> None:
    np.testing.assert_array_equal(state.shift, other.shift)
    np.testing.assert_array_equal(state.wkv, other.wkv)


def test_prefill_equals_steps(engine):
    ids = ids_of(engine, 150)
    logits, state = engine.prefill_all(ids)
    stepped = State.empty(engine.config)
    rows = [engine.step(ids[t : t + 1], stepped)[0] for t in range(len(ids))]
    np.testing.assert_array_equal(np.stack(rows), logits)
    assert_same(stepped, state)
    last, same = engine.prefill(ids)
    np.testing.assert_array_equal(last, logits[-1])
    assert_same(same, state)


@pytest.mark.parametrize("cuts", [[1], [2, 17], [16, 32, 129], [128], [127, 128, 129, 255, 256, 257]])
def test_pieces_with_a_carried_state_equal_the_whole(engine, cuts):
    ids = ids_of(engine, 300)
    logits, state = engine.prefill_all(ids)
    carried, rows = None, []
    for piece in np.split(ids, cuts):
        before = None if carried is None else carried.copy()
        out, after = engine.prefill_all(piece, carried)
        if before is not None:
            assert_same(carried, before)  # a state that is handed in is not changed
        rows.append(out)
        carried = after
    np.testing.assert_array_equal(np.concatenate(rows), logits)
    assert_same(carried, state)


@pytest.mark.parametrize("n_lanes", [2, 3, 4, 5, 7, 8, 9, 16, 17])
def test_a_lane_does_not_depend_on_the_others(engine, n_lanes):
    starts = [engine.prefill(ids_of(engine, 5 + lane, seed=lane))[1] for lane in range(n_lanes)]
    together = State(np.concatenate([s.shift for s in starts], axis=2), np.concatenate([s.wkv for s in starts], axis=1))
    tokens = ids_of(engine, 3 * n_lanes).reshape(3, n_lanes)
    rows = [engine.step(row, together) for row in tokens]
    for lane, alone in enumerate(starts):
        for row, logits in zip(tokens, rows, strict=True):
            np.testing.assert_array_equal(engine.step(row[lane : lane + 1], alone)[0], logits[lane])
        assert_same(alone, together.take([lane]))


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_the_number_of_threads_changes_nothing(engine, config, tensors, threads):
    team = CpuEngine(config, tensors, precision=engine.precision, threads=threads)
    ids = ids_of(engine, 20)
    logits, state = engine.prefill_all(ids)
    other_logits, other = team.prefill_all(ids)
    np.testing.assert_array_equal(other_logits, logits)
    assert_same(other, state)
    lanes, other_lanes = state.repeat(5), other.repeat(5)
    for token in range(3):
        row = ids[token : token + 5]
        np.testing.assert_array_equal(team.step(row, other_lanes), engine.step(row, lanes))
    assert_same(other_lanes, lanes)


def test_calls_from_several_python_threads_do_not_disturb_each_other(config, tensors):
    engine = CpuEngine(config, tensors, threads=2)
    sequences = [ids_of(engine, 30, seed=seed) for seed in range(4)]

    def write(ids: np.ndarray) -> np.ndarray:
        state = engine.prefill(ids[:10])[1]
        return np.stack([engine.step(ids[t : t + 1], state)[0] for t in range(10, 30)])

    expected = [write(ids) for ids in sequences]
    with ThreadPoolExecutor(4) as pool:
        for rows, truth in zip(pool.map(write, sequences), expected, strict=True):
            np.testing.assert_array_equal(rows, truth)


def test_an_interrupted_step_leaves_the_engine_usable(config, tensors, monkeypatch):
    engine = CpuEngine(config, tensors, threads=2)
    ids = ids_of(engine, 10)
    expected, _ = engine.prefill(ids)
    real = engine._run

    def interrupted(*args: object) -> None:
        real(*args)
        if args[-1].rank == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(engine, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.prefill(ids)
    monkeypatch.setattr(engine, "_run", real)
    np.testing.assert_array_equal(engine.prefill(ids)[0], expected)


def test_waiting_for_an_item_that_is_never_done_can_be_abandoned(config, tensors):
    """An interrupted thread may hold an item; the others must not wait for it for ever."""
    engine = CpuEngine(config, tensors, threads=2)
    entries = engine._compiled.new_ledger(config.n_layer)
    entries[2 * 8] = 1  # the first item of the first phase is taken, and nobody will do it
    state = State.empty(config)
    lanes = engine._compiled.Lanes(state.shift.reshape(-1), state.wkv.reshape(-1), 1)
    logits, ids = np.empty((1, engine.vocab_size), np.float32), np.array([1])
    team = engine._compiled.Team(0, entries, *engine._machine)
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(engine._run, engine._model, engine._plan, ids, False, lanes, engine._scratch, logits, team)
        time.sleep(0.05)
        assert not stuck.done()
        engine._compiled.abandon(entries)
        stuck.result(timeout=10)


def test_garbage_left_in_the_scratch_memory_is_never_read(engine):
    ids = ids_of(engine, 20)
    logits, state = engine.prefill_all(ids)
    engine._scratch[:] = np.nan
    other_logits, other = engine.prefill_all(ids)
    np.testing.assert_array_equal(other_logits, logits)
    assert_same(other, state)
