"""How many requests are worked on at once, and how long the others wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from feature_enricher.errors.parts import Overloaded

Result = TypeVar("Result")


class Admission:
    """`threads` calls at once; more wait for a free thread, first come, first served, and are refused after a while.

    A request that waits costs no thread and almost no processor time: with thousands of clients that ask again and
    again, the threads answer as many requests as with a few. Belongs to one event loop.
    """

    def __init__(self, threads: int, longest_wait_s: float) -> None:
        self._free = asyncio.Semaphore(threads)
        self._threads = ThreadPoolExecutor(threads)
        self._longest_wait_s = longest_wait_s
        self.in_flight = 0
        """Calls that have a thread"""
        self.waiting = 0

    async def run(self, call: Callable[[], Result]) -> Result:
        """The result of `call`, made in a thread. Raises Overloaded where none was free in time, and what it raises."""
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()  # at once
        self.in_flight += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        finally:
            self.in_flight -= 1
            self._free.release()

    async def _wait(self) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout(self._longest_wait_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise Overloaded("Too many requests in flight") from error
        finally:
            self.waiting -= 1
