"""Results in order, got ready while the one before is used."""

import threading
from contextlib import closing

import pytest

from hcnet.ahead import ahead


def test_all_results_come_in_order() -> None:
    assert list(ahead(lambda n: n * n, range(7), 2)) == [n * n for n in range(7)]
    assert list(ahead(str, [])) == []


def test_the_next_is_got_ready_and_no_more_than_asked_for() -> None:
    asked: list[int] = []
    second = threading.Event()

    def work(number: int) -> int:
        asked.append(number)
        if number == 1:
            second.set()
        return number

    with closing(ahead(work, range(9))) as results:
        assert next(results) == 0
        assert second.wait(30)
        assert asked == [0, 1]


def test_an_error_comes_in_its_turn() -> None:
    results = ahead(lambda n: 1 // n, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_closing_early_ends_the_thread() -> None:
    before = threading.active_count()
    with closing(ahead(str, range(100), 3)) as results:
        next(results)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
