"""Long work over many images: on several cores, with few images in memory."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

__all__ = ["n_workers", "over"]

T = TypeVar("T")
R = TypeVar("R")

_MOST_WORKERS = 8
"""Each holds an image and its tiles; the disk is the limit before that."""


def n_workers() -> int:
    """Return how many images are worked on at once."""
    return max(1, min(_MOST_WORKERS, os.cpu_count() or 1))


def over(items: Iterable[T], body: Callable[[T], R], workers: int) -> Generator[R]:
    """Yield ``body(item)`` in the order of `items`, computed by threads that run a few items ahead and no farther.

    Raises
    ------
    BaseException
        Whatever `body` raises, at its turn. The threads have then ended, as they have when the caller closes this.
    """
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="hcc-images")
    try:
        for item in items:
            waiting.append(pool.submit(body, item))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
