"""Which Host headers a server accepts."""

import pytest

from configuration.hosts import AllowedHosts, _split


def allowed(header: str, names: str = "", *listens_on: str) -> bool:
    split = _split(names)
    assert isinstance(split, tuple)
    return AllowedHosts(split, listens_on or ("127.0.0.1",)).allow(header)


@pytest.mark.parametrize("port", ["", ":", ":8000"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "[::1]"])
def test_loopback_names_are_always_allowed(host: str, port: str) -> None:
    assert allowed(host + port, "churn.example", "10.1.2.3")


@pytest.mark.parametrize(
    "header",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "evil-localhost", "10.1.2.3", "[fe80::1]:80", "",
     "localhost:123456", "localhost:80:80", "a@localhost", "localhost/x", "127.0.0.1\u0660", "[::1", "::1", "*",
     " localhost"],
)  # fmt: skip
def test_other_hosts_are_not_allowed(header: str) -> None:
    assert not allowed(header)


def test_the_address_that_the_server_listens_on_is_allowed_and_no_other_address() -> None:
    assert allowed("10.1.2.3:8000", "", "10.1.2.3")
    assert not allowed("10.1.2.4:8000", "", "10.1.2.3")


@pytest.mark.parametrize("listens_on", ["0.0.0.0", "::"])  # noqa: S104 - nothing listens
def test_a_server_that_listens_on_every_address_answers_to_every_address_and_to_no_name(listens_on: str) -> None:
    assert allowed("10.244.3.17:8000", "", listens_on)
    assert allowed("[2001:db8::7]:8000", "", listens_on)
    assert not allowed("evil.example", "", listens_on)
    assert not allowed("127.0.0.1.evil.example", "", listens_on)
    assert not allowed("2130706433", "", listens_on)  # a browser sends 127.0.0.1 for this address


def test_further_names_are_allowed_whatever_their_case_and_port() -> None:
    assert allowed("Churn.Example:443", "other.example, churn.EXAMPLE.")
    assert allowed("[2001:DB8::7]", "2001:db8::7")
    assert not allowed("a.churn.example", "churn.example")


def test_a_star_and_a_dot_stand_for_all_names_below_one() -> None:
    assert allowed("a.b.example.com:1", "*.example.com")
    assert not allowed("example.com", "*.example.com")
    assert not allowed("evilexample.com", "*.example.com")


def test_a_star_allows_every_host() -> None:
    assert allowed("evil.example", "*")


@pytest.mark.parametrize("names", ["localhost:8000", "http://a", "a b", "*a", "*.*", "a.*", "-a", "a/b", "**"])
def test_an_invalid_name_is_refused(names: str) -> None:
    with pytest.raises(ValueError, match="not a host"):
        _split(names)
