"""The project's links open MLflow's UI where things are, in a browser that was never there before."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import mlflow
import pytest
from playwright.sync_api import Page, expect

from configuration import mlflow_ui, names
from local_stack.settings import Settings
from steps.cli.settings import MODEL_NAME
from steps.runs import descriptions
from steps.runs.tracking import step_run
from tests.gateway.api.test_docs import chromium
from tests.tracking_server.conftest import TrackingServer

WAIT_MS = 60_000
HEADERS = ["Run Name", "Created", "Duration", "Description", "AUC", "as_of", "gate", "model_version", "streamflow.step"]
CLOSING = "[OK] Trained a_b on 8 users"


@dataclass(frozen=True)
class Recorded:
    experiment: str
    parent: str
    run: str
    dataset: str


@pytest.fixture(scope="module")
def recorded(server: Settings, tracking: str) -> Recorded:
    """A dataset's run, and a month's run with a training in it, as the steps record them."""
    with step_run("build_dataset", "build_dataset_2024-01-31", {"as_of": "2024-01-31"}) as dataset:
        descriptions.conclude("[OK] 8 rows")
    with step_run("main", "main_2024-01-31", {"as_of": "2024-01-31"}) as parent:
        with step_run("train", "train_2024-01-31", {"as_of": "2024-01-31"}) as run:
            mlflow.log_metric("AUC", 0.8412)
            mlflow.set_tags({names.DATASET_RUN_TAG: dataset.info.run_id, "model_version": "3", "gate": "passed"})
            descriptions.conclude(CLOSING)
        mlflow.set_tags({"model_version": "3", "gate": "passed"})
        descriptions.conclude("[OK] The month is done")
    return Recorded(tracking, parent.info.run_id, run.info.run_id, dataset.info.run_id)


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as opened:
        opened.set_default_timeout(WAIT_MS)
        opened.set_viewport_size({"width": 2600, "height": 900})
        yield opened


def opens_as_training(page: Page) -> None:
    """The UI shows the menu of model training: it has no traces and no prompts."""
    expect(page.get_by_role("link", name="Runs", exact=True).first).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("link", name="Prompts", exact=True)).to_have_count(0)


def test_the_runs_are_shown_as_model_training_with_the_columns_that_matter(
    recorded: Recorded, without_login: TrackingServer, page: Page
) -> None:
    page.goto(f"{without_login.url}/{mlflow_ui.runs_page(recorded.experiment)}")
    expect(page.get_by_role("link", name="main_2024-01-31")).to_be_visible(timeout=WAIT_MS)
    opens_as_training(page)
    for name in HEADERS:
        expect(page.get_by_role("columnheader", name=name, exact=True).first).to_be_visible(timeout=WAIT_MS)
    shown = page.get_by_role("columnheader").all_inner_texts()
    assert {"Source", "Models", "Dataset"}.isdisjoint(shown)
    row = page.get_by_role("row").filter(has_text=re.compile("The month is done"))
    assert all(text in row.first.inner_text() for text in ("2024-01-31", "main", "passed", "3"))


def test_a_run_s_page_says_what_it_did_and_links_parent_dataset_and_version(
    recorded: Recorded, without_login: TrackingServer, page: Page
) -> None:
    page.goto(f"{without_login.url}/{mlflow_ui.run_page(recorded.experiment, recorded.run)}")
    expect(page.get_by_text(CLOSING)).to_be_visible(timeout=WAIT_MS)
    opens_as_training(page)
    links = {name: page.get_by_role("link", name=name, exact=True) for name in ("parent", "dataset", "version 3")}
    addresses = {name: link.get_attribute("href") for name, link in links.items()}
    assert addresses == {
        "parent": mlflow_ui.run_page(recorded.experiment, recorded.parent),
        "dataset": mlflow_ui.run_page(recorded.experiment, recorded.dataset),
        "version 3": mlflow_ui.version_page(MODEL_NAME, "3"),
    }
    with page.expect_popup() as opened:  # MLflow opens a description's links in a new tab
        links["dataset"].click()
    expect(opened.value.get_by_text("[OK] 8 rows")).to_be_visible(timeout=WAIT_MS)
    opens_as_training(opened.value)


def test_an_experiment_of_before_gets_the_view_and_keeps_what_a_person_has_set() -> None:
    missing = mlflow_ui.missing_tags({"mlflow.experimentKind": "finetuning"})
    assert list(missing) == [f"mlflow.sharedViewState.{mlflow_ui.RUNS_VIEW}"]
    assert mlflow_ui.missing_tags(mlflow_ui.EXPERIMENT_TAGS) == {}
