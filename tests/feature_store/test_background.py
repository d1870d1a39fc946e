"""Work that may block without limit runs in a background thread."""

import threading

import pytest

from feature_store import background


def test_work_runs_in_another_thread_and_its_result_arrives_later() -> None:
    may_end = threading.Event()

    future = background.begin(lambda: (may_end.wait(5), threading.get_ident()))

    assert not future.done()
    may_end.set()
    assert future.result(5)[1] != threading.get_ident()


def test_an_error_is_raised_where_the_result_is_awaited() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        background.begin(fail).result(5)
