"""The team of threads: it survives interruptions and stands aside on a crowded machine."""

import threading
import time

import pytest

from pianomuse.runtime import workers
from pianomuse.runtime.workers import Crowd, Workers


def test_all_ranks_run_and_the_threads_are_kept():
    team, seen = Workers(), []
    before = threading.active_count()
    for _ in range(3):
        meeting = threading.Barrier(3)

        def part(rank: int, n: int, meeting: threading.Barrier = meeting) -> None:
            seen.append((rank, n))
            meeting.wait(10)

        team.run(part, 3, lambda: None)
    assert sorted(seen) == sorted([(0, 3), (1, 3), (2, 3)] * 3)
    assert threading.active_count() - before == 2


def test_an_interruption_ends_the_other_parts_before_it_goes_on():
    team, ended = Workers(), []
    leave = threading.Event()

    def part(rank: int, n: int) -> None:
        if rank == 0:
            raise KeyboardInterrupt
        assert leave.wait(10)
        time.sleep(0.05)
        ended.append(rank)

    with pytest.raises(KeyboardInterrupt):
        team.run(part, 3, leave.set)
    assert sorted(ended) == [1, 2]
    ran = []
    team.run(lambda rank, n: ran.append(rank), 1, lambda: None)
    assert ran == [0]


def test_a_crowded_machine_is_worked_on_alone_for_a_while(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(workers, "monotonic", lambda: now[0])
    crowd = Crowd()
    assert not crowd.is_there()
    crowd.note(0, 0.1, 0.1)
    crowd.note(1, 0.04, 0.1)
    assert crowd.is_there()
    now[0] += 0.9
    assert crowd.is_there()
    now[0] += 0.2
    assert not crowd.is_there()
    crowd.note(0, 0.02, 0.1)
    assert crowd.is_there()
    now[0] += 1.5  # the second time it is twice as long
    assert crowd.is_there()
    now[0] += 1.0
    crowd.note(0, 0.1, 0.1)
    crowd.note(1, 0.1, 0.1)
    assert not crowd.is_there()


def test_a_moment_is_too_short_to_judge():
    crowd = Crowd()
    crowd.note(0, 0.0, 0.001)
    assert not crowd.is_there()
