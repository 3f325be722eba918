"""One worker does its work at once, several in threads of their own."""

import threading

import pytest

from micromet_path.threads import threads


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
