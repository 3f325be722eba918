"""One worker does its work at once, several in threads of their own."""

import threading

import pytest

from micromet_path.threads import in_threads, threads


@pytest.mark.parametrize("workers", [1, 2])
def test_what_came_of_it_is_kept_for_whoever_asks(workers):
    with threads(workers) as pool:
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        failed = pool.submit(divmod, 7, 0)
        with pytest.raises(ZeroDivisionError):
            failed.result()


def test_one_worker_is_the_thread_that_asks():
    with threads(1) as pool:
        assert pool.submit(threading.get_ident).result() == threading.get_ident()
    with threads(2) as pool:
        assert pool.submit(threading.get_ident).result() != threading.get_ident()


def test_an_interrupt_is_not_put_off():
    def interrupted():
        raise KeyboardInterrupt

    with threads(1) as pool, pytest.raises(KeyboardInterrupt):
        pool.submit(interrupted)


@pytest.mark.parametrize("workers", [1, 3])
def test_all_that_was_made_comes(workers):
    assert sorted(in_threads(lambda job: job * job, range(50), workers)) == [job * job for job in range(50)]


def test_nobody_works_far_ahead_of_who_waits():
    begun = []
    made = in_threads(begun.append, range(100), 2)
    next(made)
    assert len(begun) <= 5
    made.close()
    assert len(begun) <= 5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_ends_the_work(workers):
    begun = []

    def work(job):
        begun.append(job)
        if job == 3:
            raise ValueError("three")

    with pytest.raises(ValueError, match="three"):
        list(in_threads(work, range(100), workers))
    assert len(begun) < 12
