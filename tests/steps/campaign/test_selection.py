"""Who is listed and who is control, for any users, gains and terms."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.campaign.selection import Selection, control_draw, select
from steps.campaign.terms import Terms

USER_IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
GAINS = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 1.5]) | st.floats(-100, 100)
USERS = st.dictionaries(USER_IDS, GAINS, max_size=60)
SHARES = st.sampled_from([0.0, 0.1, 0.3, 0.5])
CONTACTS = st.none() | st.integers(0, 70)


def terms(**changed: object) -> Terms:
    usual = Terms("january", 100, None, 0.1, 12, 5.0, 0.1)
    return Terms(**{**vars(usual), **changed})


def chosen(users: dict[str, float], contacts: int | None, share: float, campaign: str = "january") -> Selection:
    ids, gains = pa.chunked_array([list(users)], pa.string()), np.array(list(users.values()), dtype=np.float64)
    return select(ids, gains, contacts, control_draw(campaign, share))


def names(users: dict[str, float], positions: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[str]:
    return [list(users)[position] for position in positions]


@given(USERS, CONTACTS, SHARES, USER_IDS)
def test_a_control_user_is_never_listed(
    users: dict[str, float], contacts: int | None, share: float, campaign: str
) -> None:
    selection, is_control = chosen(users, contacts, share, campaign), control_draw(campaign, share)
    listed, control = names(users, selection.listed), names(users, selection.control)
    assert not any(map(is_control, listed))
    assert all(map(is_control, control))
    assert set(listed).isdisjoint(control)


@given(USERS, CONTACTS, SHARES)
def test_only_users_worth_a_contact_are_in_a_group(users: dict[str, float], contacts: int | None, share: float) -> None:
    selection = chosen(users, contacts, share)
    gains = np.array(list(users.values()))
    assert (gains[np.concatenate([selection.listed, selection.control])] > 0).all() if users else True
    assert contacts is None or len(selection.listed) <= contacts


@given(USERS, CONTACTS, SHARES)
def test_no_user_who_is_worth_more_is_left_out(users: dict[str, float], contacts: int | None, share: float) -> None:
    selection = chosen(users, contacts, share)
    rest = {user: gain for user, gain in users.items() if gain > 0}
    grouped = set(names(users, selection.listed)) | set(names(users, selection.control))
    left_out = [(-gain, user.encode()) for user, gain in rest.items() if user not in grouped]
    if left_out:
        assert contacts == len(selection.listed)
        assert max(((-users[user], user.encode()) for user in grouped), default=min(left_out)) <= min(left_out)


@given(USERS, CONTACTS, SHARES, st.randoms(use_true_random=False))
def test_the_order_of_the_users_does_not_matter(
    users: dict[str, float], contacts: int | None, share: float, chance: object
) -> None:
    mixed = list(users.items())
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    one_way, other_way = chosen(users, contacts, share), chosen(dict(mixed), contacts, share)
    assert names(users, one_way.listed) == names(dict(mixed), other_way.listed)
    assert names(users, one_way.control) == names(dict(mixed), other_way.control)


@given(USERS, USERS, SHARES)
def test_other_users_and_other_gains_change_nobodys_group(
    users: dict[str, float], added: dict[str, float], share: float
) -> None:
    changed = {**added, **dict.fromkeys(users, 7.0)}
    control = set(names(users, chosen(users, None, share).control))
    control_then = set(names(changed, chosen(changed, None, share).control))
    assert control <= control_then
    assert control_then.isdisjoint(names(users, chosen(users, None, share).listed))


@given(st.floats(0, 1e6), st.floats(0.01, 1e4), USERS)
def test_a_budget_is_never_exceeded(budget: float, cost: float, users: dict[str, float]) -> None:
    contacts = terms(budget=budget, contact_cost=cost).contacts
    assert contacts is not None
    listed = chosen(users, contacts, 0.1).listed
    assert len(listed) * Decimal(repr(cost)) <= Decimal(repr(budget))


def test_a_budget_pays_every_contact_that_it_can() -> None:
    assert terms(budget=10.0, contact_cost=0.1).contacts == 100
    assert terms(budget=4.99, contact_cost=5.0).contacts == 0
    assert terms(budget=5.0, contact_cost=0.0).contacts is None
    assert terms(top=7).contacts == 7


def test_the_share_of_control_is_the_one_asked_for_and_differs_by_campaign() -> None:
    january, february = control_draw("january", 0.1), control_draw("february", 0.1)
    users = [f"user-{number}" for number in range(50_000)]
    in_january, in_february = {user for user in users if january(user)}, {user for user in users if february(user)}
    assert len(in_january) == pytest.approx(5_000, abs=300)
    assert len(in_january & in_february) == pytest.approx(500, abs=100)  # independent draws


def test_the_draw_of_a_campaign_never_changes() -> None:
    draw = control_draw("2024-01-31", 0.5)
    assert [draw(user) for user in ("4686-GEFRM", "ann", "bob", "zoë", "")] == [True, True, True, False, True]


def test_the_gain_is_of_the_users_fee() -> None:
    given_terms = terms(response_rate=0.2, horizon_months=10, contact_cost=3.0)
    fee = np.array([50.0, 100.0])
    assert given_terms.expected_gain(np.array([0.5, 0.01]), fee) == pytest.approx([47.0, -1.0])
    assert given_terms.realised_gain(np.array([True, False]), fee) == pytest.approx([97.0, -3.0])
