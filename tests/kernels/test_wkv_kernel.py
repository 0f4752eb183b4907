"""The compiled recurrence on NumPy arrays, without PyTorch."""

import numpy as np
import pytest

from pianomuse.kernels import wkv as kernel
from pianomuse.kernels.share import share


def inputs(B: int, T: int, H: int, N: int) -> list[kernel.Floats]:
    rng = np.random.default_rng(0)
    r, k, v, removal = rng.standard_normal((4, B, T, H, N), dtype=np.float32)
    removal /= np.linalg.norm(removal, axis=-1, keepdims=True)
    log_decay = -0.6 * rng.random((B, T, H, N), dtype=np.float32)
    return [r, log_decay, k, v, -removal, removal * rng.random((B, T, H, N), dtype=np.float32)]


def plain(r, log_decay, k, v, a, b, state):  # type: ignore[no-untyped-def]
    y, S = np.empty(r.shape), state.astype(np.float64)
    for t in range(r.shape[1]):
        u = np.einsum("bhij,bhj->bhi", S, a[:, t])
        S = (
            S * np.exp(log_decay[:, t])[:, :, None]
            + u[..., None] * b[:, t, :, None]
            + v[:, t, ..., None] * k[:, t, :, None]
        )
        y[:, t] = np.einsum("bhij,bhj->bhi", S, r[:, t])
    return y, S


@pytest.mark.parametrize("T", [1, 16, 50])
@pytest.mark.parametrize("keep", [True, False])
def test_forward_is_the_recurrence(T: int, keep: bool) -> None:
    arrays = inputs(2, T, 3, 64)
    state = np.random.default_rng(1).standard_normal((2, 3, 64, 64), dtype=np.float32)
    y, final, kept = kernel.forward(*arrays, state, keep=keep)
    y_plain, final_plain = plain(*arrays, state)
    np.testing.assert_allclose(y, y_plain, rtol=0, atol=5e-6 * np.abs(y_plain).max())
    np.testing.assert_allclose(final, final_plain, rtol=0, atol=5e-6 * np.abs(final_plain).max())
    assert (kept is not None) == keep


def test_the_number_of_threads_changes_no_bit() -> None:
    arrays = inputs(2, 37, 3, 64)
    results = []
    for threads in (1, 2, 5):
        y, final, kept = kernel.forward(*arrays, threads=threads)
        assert kept is not None
        results.append([y, final, *kernel.backward(*arrays, kept, y, final, threads=threads)])
    for other in results[1:]:
        for x, z in zip(results[0], other, strict=True):
            assert np.array_equal(x, z)


def test_what_fails_in_a_thread_fails_in_the_caller() -> None:
    def piece(index: int, work: kernel.Floats) -> None:
        raise ValueError(f"piece {index}")

    with pytest.raises(ValueError, match="piece"):
        share(piece, 8, 16, threads=2)


def test_a_decay_of_almost_nothing_is_no_accident() -> None:
    arrays = inputs(1, 20, 1, 32)
    arrays[1] = np.full_like(arrays[1], -200.0)  # forward takes any decay: nothing is left of the state
    y, _, _ = kernel.forward(*arrays, np.zeros((1, 1, 32, 32), np.float32), keep=False)
    r, _, k, v, _, _ = arrays
    kr = (k * r).sum(-1, keepdims=True)
    u_part = y - v * kr
    assert np.isfinite(y).all()
    assert np.abs(u_part[:, 0]).max() < 1e-5  # the first step has no state to read
