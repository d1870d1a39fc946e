"""The invented customers of the sample months: their attributes, their changes from month to month, their churn.

In: a seed and the number of a chunk. Out: month after month, a DataFrame with a row per user and every column
of the monthly files. Reads and writes nothing; the same arguments give the same rows.

Chunks are independent, so memory does not grow with the number of users. A chunk is always made in full, so the
first n users are the same for any total. Shares and effects are those of the real months, except for failed
payments, tickets and falling use, which count for more and can be learnt from.
"""

import math
from collections.abc import Iterator
from itertools import count

import numpy as np
import numpy.typing as npt
import pandas as pd

CHUNK_USERS = 50_000
MAX_USERS, MAX_MONTHS = 900_000_000, 120  # as many as there are ids
ID_LETTERS, ID_SPACE = 26**5, 10_000 * 26**5

MAX_TENURE_MONTHS = 72
TENURE_DECILES = (0.98, 2, 6, 12, 20, 29, 40, 50, 60, 69, 74)
CONTRACTS = ("Month-to-month", "One year", "Two year")
COMMITMENT_TO_SIGN = (0.0, 2.0)  # for one year, for two years
NET_SHARES = {"DSL": 0.344, "Fiber optic": 0.44, "No": 0.216}
COMMITMENT = {"DSL": 0.0, "Fiber optic": -1.4, "No": 1.4}
STREAMING = {"DSL": 0.15, "Fiber optic": 0.3, "No": -1.0}
SAME_TASTE = 0.33  # of users whose choice of movies copies that of tv
PAPERLESS = {"DSL": 0.55, "Fiber optic": 0.77, "No": 0.29}
SENIOR = {"DSL": 0.11, "Fiber optic": 0.27, "No": 0.03}
DEPENDENTS = {"DSL": 0.58, "Fiber optic": 0.47, "No": 0.69}

FEE_STEPS = 20  # per unit of money: prices are in steps of five cents, and whole steps add up exactly
BASE_FEE = {"DSL": 45.0, "Fiber optic": 70.0, "No": 20.0}
FEE_RANGE = (18.25, 118.75)
NO_PHONE_REBATE, NO_PHONE_SHARE = 20.0, 0.28

# as in the real files: one day, not one month, before the as_of for each active month
SIGNUP_AT_TENURE_0 = np.datetime64("2022-02-06", "D")
FIRST_SIGNUP = np.datetime64("2022-01-01", "D")

SESSION_MINUTES = 29.140625  # the same for every user, as in the real files
WATCH_SD, WATCH_RANGE = 5.0, (0.5, 60.0)
WATCH_MEMORY = 0.98  # share of the distance from the usual hours that remains next month

LEAVERS_AMONG_CHURNERS = 0.04
CONTRACT_EFFECT = {"Month-to-month": 0.85, "One year": 0.0, "Two year": -1.1}
NET_EFFECT = {"DSL": 0.0, "Fiber optic": 1.75, "No": -1.4}
MEAN_RISK = -1.78

Names = npt.NDArray[np.str_]
Whole = npt.NDArray[np.int64]
Random = np.random.Generator


def monthly_snapshots(seed: int, chunk: int) -> Iterator[pd.DataFrame]:
    """Months 0, 1, 2... without end. A user keeps their row until they leave; then a new user gets it."""
    rng = _random(seed, chunk, 0)
    people = _newcomers(rng, user_ids(seed, chunk, 0, np.arange(CHUNK_USERS)), 0)
    for month in count(1):
        snapshot = _observed(rng, people)
        yield snapshot
        rng = _random(seed, chunk, month)
        people = _one_month_on(snapshot[people.columns])
        left = np.flatnonzero(snapshot["churn_label"] & (rng.random(CHUNK_USERS) < LEAVERS_AMONG_CHURNERS))
        newcomers = _newcomers(rng, user_ids(seed, chunk, month, left), month).set_index(left)
        people = pd.concat([people.drop(left), newcomers]).sort_index()


def user_ids(seed: int, chunk: int, arrival: int, rows: Whole) -> Names:
    """A distinct id for each chunk, month of arrival and row: a permutation of the space of ids."""
    rng = np.random.default_rng(seed)
    stride, start = (int(number) for number in rng.integers(ID_SPACE // 4, ID_SPACE // 4 * 3, 2))
    while math.gcd(stride, ID_SPACE) > 1:
        stride += 1
    # Python's integers for the large product, which overflows 64 bits
    first = (start + stride * (arrival * MAX_USERS + chunk * CHUNK_USERS)) % ID_SPACE
    digits, letters = np.divmod((first + stride * rows) % ID_SPACE, ID_LETTERS)
    text = np.full((len(rows), 10), ord("-"), dtype=np.uint8)  # as in 1234-ABCDE
    text[:, :4] = ord("0") + digits[:, None] // 10 ** np.arange(3, -1, -1) % 10
    text[:, 5:] = ord("A") + letters[:, None] // 26 ** np.arange(4, -1, -1) % 26
    return text.view("S10").ravel().astype(str)


def _random(seed: int, chunk: int, month: int) -> Random:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(chunk, month)))


def _newcomers(rng: Random, ids: Names, month: int) -> pd.DataFrame:
    """New users. Those of month 0 have a tenure; later ones begin at 0 months."""
    n = len(ids)
    tenure = _tenure(rng, n) if month == 0 else np.zeros(n, dtype=np.int64)
    people = pd.DataFrame(
        {
            "user_id": ids,
            "signup_date": np.maximum(SIGNUP_AT_TENURE_0 + (month - tenure).astype("m8[D]"), FIRST_SIGNUP),
            "user_gender": rng.choice(("Female", "Male"), n),
            "months_active": tenure,
            "net_service": rng.choice(list(NET_SHARES), n, p=list(NET_SHARES.values())),
            "unique_devices_30d": rng.integers(1, 4, n),
        }
    )
    return _with_fees(rng, _with_contract(rng, _with_household(rng, people)))


def _tenure(rng: Random, n: int) -> Whole:
    months = np.interp(rng.random(n), np.linspace(0, 1, len(TENURE_DECILES)), TENURE_DECILES)
    return np.minimum(months.astype(np.int64), MAX_TENURE_MONTHS)


def _with_household(rng: Random, people: pd.DataFrame) -> pd.DataFrame:
    n, net = len(people), people["net_service"]
    senior = rng.random(n) < net.map(SENIOR)
    family = rng.random(n) < 0.24 + 0.54 * people["months_active"] / MAX_TENURE_MONTHS
    dependents = net.map(DEPENDENTS) * np.where(family, 1.0, 0.2) * np.where(senior, 0.25, 1.0)
    return people.assign(
        user_is_senior=senior,
        has_family=family,
        has_dependents=rng.random(n) < dependents,
        paperless_billing=rng.random(n) < net.map(PAPERLESS),
    )


def _with_contract(rng: Random, people: pd.DataFrame) -> pd.DataFrame:
    """Longer tenure means longer contracts and more plans."""
    n, net, tenure = len(people), people["net_service"], people["months_active"] / MAX_TENURE_MONTHS
    commitment = net.map(COMMITMENT) - 2.6 + 5.3 * tenure + 2 * tenure**8 + rng.logistic(size=n)
    likes = net.map(STREAMING) + 0.53 * tenure
    tv = rng.random(n) < likes
    return people.assign(
        contract_type=np.array(CONTRACTS)[np.searchsorted(COMMITMENT_TO_SIGN, commitment)],
        streams_tv=tv,
        streams_movies=np.where(rng.random(n) < SAME_TASTE, tv, rng.random(n) < likes),
    )


def _with_fees(rng: Random, people: pd.DataFrame) -> pd.DataFrame:
    n, net, tenure = len(people), people["net_service"], people["months_active"]
    plans = people["streams_tv"].astype(int) + people["streams_movies"]
    # extras: a second line, backup, support and the like
    likes = np.where(net == "No", 0.2, 0.1 + 0.5 * tenure / MAX_TENURE_MONTHS + 0.05 * plans)
    extras = rng.binomial(np.where(net == "No", 1, 5), likes)
    rebate = NO_PHONE_REBATE * ((net == "DSL") & (rng.random(n) < NO_PHONE_SHARE))
    fee = net.map(BASE_FEE) - rebate + 10 * plans + 5 * extras + 0.7 * rng.standard_normal(n)
    fee_steps = (fee.clip(*FEE_RANGE) * FEE_STEPS).round().astype(np.int64)
    # fees have changed over the years; in the first month only the fee has been paid
    past = 0.2 * np.sqrt(tenure) * rng.standard_normal(n).clip(-4, 4) * (tenure > 1)
    paid_steps = (fee_steps * (tenure + past)).round().astype(np.int64).clip(lower=fee_steps * (tenure > 0))
    usual = 19.9 + 0.15 * fee
    hours = usual + WATCH_SD * rng.standard_normal(n)
    return people.assign(fee_steps=fee_steps, paid_steps=paid_steps, usual_hours=usual, watch_hours_30d=hours)


def _one_month_on(people: pd.DataFrame) -> pd.DataFrame:
    return people.assign(
        months_active=(people["months_active"] + 1).clip(upper=MAX_TENURE_MONTHS),
        paid_steps=people["paid_steps"] + people["fee_steps"],
    )


def _observed(rng: Random, people: pd.DataFrame) -> pd.DataFrame:
    """The columns of the month's files for these users: usage drifts, events are drawn anew."""
    n, before, usual = len(people), people["watch_hours_30d"], people["usual_hours"]
    surprise = WATCH_SD * math.sqrt(1 - WATCH_MEMORY**2) * rng.standard_normal(n)
    snapshot = people.assign(
        monthly_fee=people["fee_steps"] / FEE_STEPS,
        total_paid=people["paid_steps"] / FEE_STEPS,
        plan_stream_tv=people["streams_tv"].astype("boolean").where(people["net_service"] != "No"),
        plan_stream_movies=people["streams_movies"].astype("boolean").where(people["net_service"] != "No"),
        watch_hours_30d=(usual + WATCH_MEMORY * (before - usual) + surprise).clip(*WATCH_RANGE),
        avg_session_mins_7d=SESSION_MINUTES,
        skips_7d=rng.poisson(5.05, n).clip(max=14),
        rebuffer_events_7d=rng.poisson(2.31, n).clip(max=9),
        failed_payments_90d=rng.poisson(0.166, n).clip(max=2),
        support_tickets_90d=rng.poisson(0.303, n).clip(max=4),
        ticket_avg_resolution_hrs_90d=rng.normal(10.0, 3.9, n).clip(1.0, 24.9).round(1),
    )
    chance = _churn_chance(snapshot, before - snapshot["watch_hours_30d"])
    return snapshot.assign(churn_label=rng.random(n) < chance)


def _churn_chance(people: pd.DataFrame, hours_lost: pd.Series) -> npt.NDArray[np.float64]:
    risk: pd.Series = (
        people["contract_type"].map(CONTRACT_EFFECT)
        + people["net_service"].map(NET_EFFECT)
        + 0.45 * people["paperless_billing"]
        + 0.3 * people["user_is_senior"]
        - 0.2 * people["has_dependents"]
        + 0.55 * (people["streams_tv"].astype(int) + people["streams_movies"])
        - 0.019 * people["monthly_fee"]
        - 0.76 * np.log1p(people["months_active"])
        + 0.25 * people["failed_payments_90d"]
        + 0.2 * people["support_tickets_90d"]
        + 0.3 * hours_lost
    )
    # relative to the mean: as all tenures grow together, the risk would otherwise vanish within a few years
    return np.asarray(1 / (1 + np.exp(risk.mean() - MEAN_RISK - risk)))
