"""Working ahead: the next result is got ready while the last one is used."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    function: Callable[[T], R], items: Iterable[T], count: int = 1
) -> Generator[R, None, None]:
    """Yield `function(item)` of each item in order; one other thread computes them.

    An error is raised in the turn of its item. Close the generator where it is not used up.

    Args:
        function: what is done; it should leave Python's lock to others for most of its time.
        items: what it is done to.
        count: results that wait at most while one is in use; each takes its memory.
    """
    with ThreadPoolExecutor(1) as worker:
        waiting: deque[Future[R]] = deque()
        left = iter(items)
        try:
            while True:
                waiting.extend(
                    worker.submit(function, item) for item in islice(left, 1 + count - len(waiting))
                )
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            worker.shutdown(cancel_futures=True)
