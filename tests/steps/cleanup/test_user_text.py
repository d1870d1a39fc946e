"""Where texts mention a user: in every spelling of the id, and not in other users' ids or in counts."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.cleanup.user_text import Subject
from steps.cli import spreadsheet

IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(lambda text: text.strip())


def subject(user_id: str) -> Subject:
    return Subject(user_id, b"\x01\x02" + user_id.encode())


@settings(deadline=None)
@given(IDS)
def test_every_spelling_is_found_and_gone(user_id: str) -> None:
    user = subject(user_id)
    lines = [json.dumps({"user": user_id}), json.dumps({"user": user_id}, ensure_ascii=False), f"user_id={user_id!r}",
             f"GET /features/{quote(user_id, safe='')} 200", f'"{spreadsheet.escape(user_id)}"']  # fmt: skip
    for line in lines:
        assert user.count(line.encode()) >= 1, line
        assert not user.is_in(user.without(line)) or "[erased]" in user_id or user_id in "[erased]"


@pytest.mark.parametrize("text", ["amy-2", "samy", "amya", "amy_b", "éamy", "/features/amy-2", "amyé"])
def test_a_part_of_another_id_is_no_mention(text: str) -> None:
    assert subject("amy").count(text.encode()) == 0


@pytest.mark.parametrize("text", ["amy", "user amy.", "(amy)", "'amy'", r"error\namy", "%2Famy", "amy,amy"])
def test_a_whole_word_is_a_mention(text: str) -> None:
    assert subject("amy").count(text.encode()) >= 1


def test_the_key_of_the_online_store_in_an_error_is_a_mention() -> None:
    assert subject("amy").count(b"Key (entity_key)=(\\x0102616d79)") == 1


@pytest.mark.parametrize("text", ["rows 300", "300 users", "AUC=300", '"ms": 300', "status 300,", "1300", "300.5"])
def test_a_count_is_no_mention_of_an_id_that_is_a_number(text: str) -> None:
    assert subject("300").count(text.encode()) == 0


@pytest.mark.parametrize("text", ["'300'", '"300"', "/features/300", "user_id=300", "Key (user_id)=(300)"])
def test_a_number_that_is_an_id_is_a_mention(text: str) -> None:
    assert subject("300").count(text.encode()) == 1
