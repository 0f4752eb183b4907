"""The team of threads is kept between pieces of work and survives an interruption."""

import threading
import time

import pytest

from pianomuse.runtime.workers import Workers


def test_all_ranks_run_and_the_threads_are_kept():
    team, seen = Workers(), []
    before = threading.active_count()
    for _ in range(3):
        together = threading.Barrier(3)

        def part(rank: int, together: threading.Barrier = together) -> None:
            seen.append(rank)
            together.wait(10)

        team.run(part, 3, lambda: None)
    assert sorted(seen) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert threading.active_count() - before == 2


def test_an_interruption_ends_the_other_parts_before_it_goes_on():
    team, ended = Workers(), []
    leave = threading.Event()

    def part(rank: int) -> None:
        if rank == 0:
            raise KeyboardInterrupt
        assert leave.wait(10)
        time.sleep(0.05)
        ended.append(rank)

    with pytest.raises(KeyboardInterrupt):
        team.run(part, 3, leave.set)
    assert sorted(ended) == [1, 2]
    ran = []
    team.run(ran.append, 1, lambda: None)
    assert ran == [0]
