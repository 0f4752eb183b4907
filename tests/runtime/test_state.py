"""A state is copied, repeated and taken apart without its parts sharing memory."""

import numpy as np
import pytest

from pianomuse.errors import RequestError
from pianomuse.runtime.state import State


def random_state(config, batch: int) -> State:
    state = State.empty(config, batch)
    rng = np.random.default_rng(batch)
    state.shift[:] = rng.standard_normal(state.shift.shape)
    state.wkv[:] = rng.standard_normal(state.wkv.shape)
    return state


def test_shapes_and_size(config):
    state = State.empty(config, 5)
    assert state.shift.shape == (3, 2, 5, 128)
    assert state.wkv.shape == (3, 5, 2, 64, 64)
    assert state.batch == 5
    assert state.size_bytes == 4 * (3 * 2 * 5 * 128 + 3 * 5 * 2 * 64 * 64)


def test_repeated_lanes_are_independent_copies(config):
    state = random_state(config, 1)
    lanes = state.repeat(3)
    assert lanes.batch == 3
    lanes.wkv[:, 1] += 1
    lanes.shift[:, :, 1] += 1
    for lane in (0, 2):
        np.testing.assert_array_equal(lanes.take([lane]).wkv, state.wkv)
        np.testing.assert_array_equal(lanes.take([lane]).shift, state.shift)
    with pytest.raises(RequestError, match="one lane"):
        lanes.repeat(2)
    with pytest.raises(RequestError):
        state.repeat(0)


def test_lanes_are_taken_in_the_order_asked_for(config):
    state = random_state(config, 4)
    some = state.take(np.array([2, 0, 2]))
    np.testing.assert_array_equal(some.wkv, state.wkv[:, [2, 0, 2]])
    np.testing.assert_array_equal(some.shift, state.shift[:, :, [2, 0, 2]])
    some.wkv[:] = 0
    assert state.wkv.any()
    for indices in ([], [4], [-1]):
        with pytest.raises(RequestError, match=r"0\.\.3"):
            state.take(indices)


def test_a_copy_is_independent(config):
    state = random_state(config, 2)
    copy = state.copy()
    copy.shift[:] = 0
    copy.wkv[:] = 0
    assert state.shift.any()
    assert state.wkv.any()


def test_arrays_that_do_not_belong_together_are_refused(config):
    state = State.empty(config, 2)
    with pytest.raises(RequestError, match="belong together"):
        State(state.shift, state.wkv[:, :1])
    with pytest.raises(RequestError, match="belong together"):
        State(state.shift[..., :64], state.wkv)
