"""Who computes next: what is ready, then whoever waits for a turn, in the order in which they came."""

import socket
from collections.abc import Iterator

import gevent
import pytest
from gevent.socket import socketpair

from feature_enricher.turns import Turns


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_turns_are_taken_in_the_order_in_which_they_were_asked_for(done: list[str]) -> None:
    turns = Turns()

    def ask_twice(name: str) -> None:
        for time in ("first", "second"):
            turns.take(share=1, at_least=0)
            done.append(f"{name} {time}")

    gevent.joinall([gevent.spawn(ask_twice, name) for name in "abc"], timeout=10, raise_error=True)
    assert done == ["a first", "b first", "c first", "a second", "b second", "c second"]


@pytest.mark.parametrize(
    ("share", "at_least", "before"),
    [(0, 0, ""), (0.5, 0, "abc"), (1, 0, "abcde"), (0, 2, "ab"), (0.5, 4, "abcd"), (0.5, 9, "abcde")],
)
def test_those_who_go_first_are_a_share_of_those_that_wait_already(
    done: list[str], share: float, at_least: int, before: str
) -> None:
    turns = Turns()

    def ask(name: str, share: float = 1, at_least: int = 0) -> None:
        turns.take(share=share, at_least=at_least)
        done.append(name)

    waiting = [*(gevent.spawn(ask, name) for name in "abcde"), gevent.spawn(ask, "I", share, at_least)]
    gevent.joinall(waiting, timeout=10, raise_error=True)
    assert "".join(done) == before + "I" + "abcde".removeprefix(before)


def test_what_has_heard_something_does_not_wait_for_those_in_line(
    done: list[str], pair: tuple[socket.socket, socket.socket]
) -> None:
    turns, (ours, theirs) = Turns(), pair

    def listen() -> None:
        assert ours.recv(1) == b"!"
        done.append("heard")

    def speak() -> None:
        turns.take(share=1, at_least=0)
        theirs.sendall(b"!")
        done.append("spoke")

    def ask(name: str) -> None:
        turns.take(share=1, at_least=0)
        done.append(name)

    everybody: list[gevent.Greenlet[..., None]] = [gevent.spawn(listen), gevent.spawn(speak)]
    everybody += [gevent.spawn(ask, name) for name in "abc"]
    gevent.joinall(everybody, timeout=10, raise_error=True)
    assert done == ["spoke", "heard", "a", "b", "c"]


def test_whoever_ends_while_it_waits_holds_up_nobody(done: list[str]) -> None:
    turns = Turns()

    def ask(name: str) -> None:
        turns.take(share=1, at_least=0)
        done.append(name)

    ended, lasting = gevent.spawn(ask, "ended"), gevent.spawn(ask, "lasting")
    gevent.spawn(ended.kill, block=False)
    gevent.joinall([ended, lasting], timeout=10, raise_error=True)
    assert done == ["lasting"]


def test_nothing_runs_while_nobody_waits() -> None:
    turns, loops = Turns(), gevent.get_hub().loop
    gevent.spawn(turns.take, share=1, at_least=0).join(timeout=10)
    before = loops.iteration
    gevent.sleep(0.2)
    assert loops.iteration - before < 20
