"""Work that waits without a limit runs beside the request that needs it."""

import threading

import pytest

from feature_enricher import background


def test_work_begins_at_once_in_a_thread_of_its_own_and_its_result_comes_later() -> None:
    may_end = threading.Event()

    begun = background.begin(lambda: (may_end.wait(5), threading.get_ident()))

    assert not begun.done()
    may_end.set()
    assert begun.result(5)[1] != threading.get_ident()


def test_an_error_reaches_those_who_wait() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        background.begin(fail).result(5)
