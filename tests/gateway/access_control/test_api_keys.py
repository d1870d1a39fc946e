"""API keys: their names, and growing delays for addresses that send wrong ones."""

import logging
import re

import pytest

from feature_enricher.access_control import api_keys
from feature_enricher.access_control.api_keys import ApiKeys, network_of
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.errors.requests import Unauthorized
from feature_enricher.settings import load_settings

WEB, BATCH = "a-key-of-the-web-site-01", "a-key-of-the-batch-job-2"


class Keys:
    """Keys of two clients, and the number of wrong ones that were counted."""

    def __init__(self) -> None:
        self.wrong = 0
        self.keys = ApiKeys((("web", WEB), ("batch", BATCH)), self._count)

    def _count(self) -> None:
        self.wrong += 1

    def delay_s(self, key: str, address: str = "192.0.2.1") -> float:
        with pytest.raises(Unauthorized) as caught:
            self.keys.name_of(key, address)
        return caught.value.delay_s


def named(setting: str) -> tuple[tuple[str, str], ...]:
    return load_settings({"API_KEYS": setting}).api_keys


def test_a_key_belongs_to_its_name_and_a_plain_one_is_named_by_its_place() -> None:
    assert named(f"web:{WEB},{BATCH}") == (("web", WEB), ("key-2", BATCH))
    assert named(f" a : {WEB}:{BATCH} ,, ") == (("a", f"{WEB}:{BATCH}"),)
    assert named(f"web:{WEB},web:{BATCH}") == (("web", WEB), ("web", BATCH)), "one client while its key is replaced"


@pytest.mark.parametrize(
    "setting",
    [f":{WEB}", f"1a:{WEB}", f"a b:{WEB}", f"{'n' * 33}:{WEB}", f"none:{WEB}", f'a"b:{WEB}', f"é:{WEB}", "web:short",
     "a-long-enough-name:short", f"a:{WEB},b:{WEB}", f"{WEB},{WEB}", f"a:{WEB}\x07"],
)  # fmt: skip
def test_an_invalid_name_or_key_is_refused_without_showing_it(setting: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^ENRICHER_API_KEYS: must be keys of at least 16") as caught:
        named(setting)
    assert WEB not in str(caught.value)


def test_a_valid_key_has_the_name_of_its_client() -> None:
    keys = Keys()

    assert [keys.keys.name_of(key, "192.0.2.1") for key in (WEB, BATCH)] == ["web", "batch"]
    assert keys.wrong == 0


def test_every_wrong_key_is_counted_and_the_answers_of_its_address_take_ever_longer() -> None:
    keys = Keys()
    delays = [keys.delay_s(f"wrong-{number}") for number in range(8)]

    assert delays == [0.25, 0.5, 1, 2, 4, 5, 5, 5]
    assert keys.wrong == 8
    assert keys.delay_s("wrong", "192.0.2.2") == 0.25, "another address"
    assert keys.keys.name_of(WEB, "192.0.2.1") == "web", "a valid key from the same address, at once"


def test_a_missing_key_is_refused_without_delay_and_is_not_a_wrong_one() -> None:
    keys = Keys()

    assert (keys.delay_s(""), keys.wrong) == (0.0, 0)


@pytest.mark.parametrize("key", [WEB[:-1], WEB + "x", WEB.upper(), f"web:{WEB}", f"{WEB},{BATCH}", "é" * 24, "\udcff"])
def test_a_key_that_resembles_a_valid_one_is_wrong(key: str) -> None:
    assert Keys().delay_s(key) == 0.25


def test_wrong_keys_are_logged_with_the_address_and_never_the_key(caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys()
    for number in range(100):
        keys.delay_s(f"guess-{number}-hunter2", "192.0.2.7")

    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [int(re.findall(r": (\d+) within", message)[0]) for message in messages] == [1, 2, 4, 8, 16, 32, 64]
    assert all("192.0.2.7" in message for message in messages)
    assert "hunter2" not in caplog.text


def test_the_table_of_addresses_is_bounded() -> None:
    keys = Keys()
    for number in range(api_keys.MOST_ADDRESSES + 1000):
        keys.delay_s("wrong", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(keys.keys._wrong) == api_keys.MOST_ADDRESSES
    assert network_of.cache_info().maxsize == api_keys.MOST_ADDRESSES


def test_addresses_of_one_ipv6_network_count_together() -> None:
    keys = Keys()

    assert [keys.delay_s("wrong", f"2001:db8::{number:x}") for number in range(3)] == [0.25, 0.5, 1]
    assert keys.delay_s("wrong", "2001:db8:0:1::1") == 0.25
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"


def test_no_key_is_stored_as_text() -> None:
    keys = Keys().keys

    assert WEB not in repr(vars(keys))
    assert not any(WEB.encode() in digest for _name, digest in keys._digests)
