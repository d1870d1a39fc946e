"""How long the console takes for a page: python -m bench.scale.pages MONTH PAGE

The whole application answers, in this process. The gateway is replaced: what grows with the number of users is the
database. The call list is of a campaign with every user of the month: listed, or one in ten its control group.
"""

import csv
import random
import sys
import time
from pathlib import Path
from statistics import median
from unittest import mock

import pyarrow as pa
from flask.testing import FlaskClient

from configuration.months import day_of
from console.app import create_app
from console.settings import load_settings
from console.sources.gateway import Gateway
from console.sources.http import Answer
from steps import warehouse
from steps.warehouse.records.campaigns import CONTROL, LISTED, Campaign

TIMES, CONTROLS = 9, 0.1
NOWHERE = "http://127.0.0.1:9"
CAMPAIGN = "every user"
REASONS = '["months_active=2 (+0.9712)", "net_service=Fiber optic (+0.4310)", "monthly_fee=99.5 (-0.2001)"]'
PAGES = {
    "now": "/",
    "customer": "/customer?user_id={user}",
    "call list": f"/call-list?campaign={CAMPAIGN}",
    "call list, filtered": f"/call-list?campaign={CAMPAIGN}&part={{user}}",
    "call list, nobody left": f"/call-list?campaign={CAMPAIGN}&least=1&reason=months_active",
    "monitoring": "/monitoring",
    "decisions": "/decisions",
}
OK = 200


def main(month: str, page: str) -> None:
    """Prints the median in milliseconds."""
    with (Path(month) / "users.csv").open(newline="") as file:
        users = [row["user_id"] for row in csv.DictReader(file)]
    make_campaign(users)
    body = {"probability": 0.5, "prediction": 1, "threshold": 0.5, "features_used": {}, "model": {}}
    client = create_app(load_settings(dict.fromkeys(("GATEWAY_URL", "ROLLOUT_URL", "MLFLOW_URL"), NOWHERE)))
    with mock.patch.object(Gateway, "predict", return_value=Answer(OK, body)):
        print(f"figure={milliseconds(client.test_client(), PAGES[page].format(user=users[0])):.1f}")


def make_campaign(users: list[str]) -> None:
    """Unless there is one."""
    if any(campaign.name == CAMPAIGN for campaign in warehouse.campaign_summaries()):
        return
    chance = random.Random(1)  # noqa: S311 - repeatable, not secret
    rows = {
        "user_id": users,
        "role": [CONTROL if chance.random() < CONTROLS else LISTED for _ in users],
        "probability": [chance.random() for _ in users],
        "expected_gain": [chance.uniform(0.01, 100) for _ in users],
        "reasons": [REASONS] * len(users),
    }
    warehouse.record_campaign(Campaign(CAMPAIGN, day_of(0), "1", "0" * 32), pa.table(rows))


def milliseconds(client: FlaskClient, path: str) -> float:
    """Raises RuntimeError for a page that fails."""
    times = []
    for _ in range(TIMES):
        started = time.perf_counter()
        answer = client.get(path)
        times.append((time.perf_counter() - started) * 1000)
        if answer.status_code != OK:
            raise RuntimeError(f"{path} answers {answer.status_code}: {answer.text[:500]}")
    return median(times)


if __name__ == "__main__":
    main(*sys.argv[1:])
