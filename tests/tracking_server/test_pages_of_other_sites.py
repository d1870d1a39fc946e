"""Pages of other ports and hosts in a real browser, against MLflow's server: before (plain MLflow), and now."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from mlflow.tracking import MlflowClient
from playwright.sync_api import Browser, Error, HttpCredentials, Page

from local_stack.settings import Settings
from tests.gateway.api.test_docs import browser, needs_chromium, served
from tests.tracking_server.conftest import TrackingServer
from tests.waiting import wait_until

pytestmark = needs_chromium
MODEL = "attacked_model"
# an attacker's name, which the browser finds at this machine; MLflow takes it for a private address
REBOUND = "10.evil.example"
PUBLISHED = "published.example"  # in MLFLOW_ALLOWED_HOSTS
RESOLVER = f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1, MAP {PUBLISHED} 127.0.0.1"
TRANSITION = "/api/2.0/mlflow/model-versions/transition-stage"
ARTIFACT = "stolen.txt"


@dataclass(frozen=True)
class Victim:
    """A version, a run, and where the server keeps artifacts."""

    client: MlflowClient
    run_id: str
    artifacts: Path
    run_artifacts: Path

    def stage(self) -> str:
        return str(self.client.get_model_version(MODEL, "1").current_stage)

    def restore(self) -> None:
        self.client.transition_model_version_stage(MODEL, "1", "None")
        for folder in (self.artifacts, self.run_artifacts):
            (folder / ARTIFACT).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def model(server: Settings, tracking: str) -> Victim:
    client = MlflowClient()
    run = client.create_run(tracking)
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, run.info.artifact_uri, run.info.run_id)
    return Victim(client, run.info.run_id, server.artifacts, Path(run.info.artifact_uri.removeprefix("file://")))


@pytest.fixture
def victim(model: Victim) -> Victim:
    model.restore()
    return model


@pytest.fixture(scope="module")
def attackers_port() -> Iterator[str]:
    """Serves an empty page, for every host."""
    app = Flask("attacker")
    app.add_url_rule("/", view_func=lambda: "<!doctype html><title>attacker</title>")
    with served(app) as address:
        yield address.rpartition(":")[2]


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    with browser(RESOLVER) as launched:
        yield launched


@pytest.fixture
def page(shared_browser: Browser, with_login: TrackingServer) -> Iterator[Page]:
    """A page of somebody who has logged in at MLflow, where it asks for that."""
    login: HttpCredentials = {"username": "admin", "password": with_login.password("admin")}
    with shared_browser.new_context(http_credentials=login) as context:
        yield context.new_page()


Attack = Callable[[Page, str, Victim], object]
BODY = f'{{"name": "{MODEL}", "version": "1", "stage": "Production", "archive_existing_versions": true}}'


def run_script(page: Page, script: str, *values: str) -> object:
    """The script's value; None if the browser did not let the page read the answer."""
    try:
        return page.evaluate(script, list(values))
    except Error as error:
        if "Failed to fetch" not in str(error):
            raise
        return None


def promote(page: Page, url: str, victim: Victim) -> object:
    options = "{method: 'POST', headers: {'Content-Type': 'application/json'}, credentials: 'include', body}"
    return run_script(page, f"async ([url, body]) => (await fetch(url, {options})).status", url + TRANSITION, BODY)


def write_artifact(page: Page, url: str, victim: Victim) -> object:
    address = f"{url}/api/2.0/mlflow-artifacts/artifacts/{ARTIFACT}"
    options = "{method: 'PUT', credentials: 'include', body: 'attack'}"
    return run_script(page, f"async ([url]) => (await fetch(url, {options})).status", address)


def upload_without_preflight(page: Page, url: str, victim: Victim) -> object:
    """The page cannot read the answer, and does not have to."""
    options = "{method: 'POST', mode: 'no-cors', credentials: 'include', body: 'attack'}"
    return run_script(page, f"async ([url]) => (await fetch(url, {options})).type", upload_address(url, victim))


def upload_by_form(page: Page, url: str, victim: Victim) -> object:
    script = """([url]) => {
        const form = document.createElement('form'), field = document.createElement('input');
        Object.assign(form, {action: url, method: 'POST', enctype: 'text/plain'});
        Object.assign(field, {name: 'attack', value: 'attack'});
        form.append(field); document.body.append(form); form.submit();
    }"""
    with page.expect_navigation():
        page.evaluate(script, [upload_address(url, victim)])
    return page.url


def upload_address(url: str, victim: Victim) -> str:
    return f"{url}/ajax-api/2.0/mlflow/upload-artifact?run_uuid={victim.run_id}&path={ARTIFACT}"


def is_promoted(victim: Victim) -> bool:
    return victim.stage() == "Production"


def is_written(victim: Victim) -> bool:
    return any((folder / ARTIFACT).exists() for folder in (victim.artifacts, victim.run_artifacts))


ATTACKS: dict[Attack, Callable[[Victim], bool]] = {
    promote: is_promoted,
    write_artifact: is_written,
    upload_without_preflight: is_written,
    upload_by_form: is_written,
}
REQUEST_S = 2  # a navigation ends before the request is through


def succeeds_when_repeated(attack: Attack, page: Page, url: str, victim: Victim) -> bool:
    """An attacker's page tries again after a request that was lost."""
    address = page.url
    for _ in range(20):
        attack(page, url, victim)
        time.sleep(REQUEST_S)
        if ATTACKS[attack](victim):
            return True
        page.goto(address)
    return False


READ = "async ([url]) => await (await fetch(url, {credentials: 'include'})).text()"
SEARCH = "/ajax-api/2.0/mlflow/registered-models/search"
kinds = pytest.mark.parametrize("kind", ["plain_mlflow", "without_login", "with_login"])


@pytest.fixture
def target(kind: str, request: pytest.FixtureRequest) -> TrackingServer:
    running: TrackingServer = request.getfixturevalue(kind)
    return running


@pytest.fixture(params=["127.0.0.1", "localhost"])
def attackers_page(page: Page, attackers_port: str, request: pytest.FixtureRequest) -> Page:
    page.goto(f"http://{request.param}:{attackers_port}")
    return page


@pytest.mark.parametrize("attack", ATTACKS)
@kinds
def test_a_page_on_another_port_changes_nothing(
    attackers_page: Page, victim: Victim, target: TrackingServer, attack: Attack, kind: str
) -> None:
    if kind == "plain_mlflow":
        assert succeeds_when_repeated(attack, attackers_page, target.url, victim)
        return
    attack(attackers_page, target.url, victim)
    assert not ATTACKS[attack](victim)


@kinds
def test_a_page_on_another_port_reads_nothing(
    page: Page, attackers_port: str, victim: Victim, target: TrackingServer, kind: str
) -> None:
    page.goto(f"http://localhost:{attackers_port}")

    text = run_script(page, READ, target.url + SEARCH)

    assert (MODEL in str(text)) is (kind == "plain_mlflow")


@kinds
def test_a_name_pointed_at_this_machine_is_refused(
    page: Page, victim: Victim, target: TrackingServer, kind: str
) -> None:
    """DNS rebinding: for the browser, page and server have the same origin."""
    rebound = target.url.replace("127.0.0.1", REBOUND)
    page.goto(f"{rebound}/health")

    promote(page, rebound, victim)
    write_artifact(page, rebound, victim)

    assert (is_promoted(victim), is_written(victim)) == (False, False)
    assert (MODEL in str(run_script(page, READ, rebound + SEARCH))) is (kind == "plain_mlflow")


@pytest.mark.parametrize("attack", [promote, write_artifact])
def test_a_page_on_another_port_of_the_published_name_changes_nothing(
    page: Page, attackers_port: str, victim: Victim, with_login: TrackingServer, attack: Attack
) -> None:
    """Over http:// and a name, browsers do not send Sec-Fetch-Site."""
    page.goto(f"http://{PUBLISHED}:{attackers_port}")

    attack(page, with_login.url.replace("127.0.0.1", PUBLISHED), victim)

    assert not ATTACKS[attack](victim)


@pytest.mark.parametrize("attack", [promote, write_artifact, upload_without_preflight])
def test_a_page_without_an_origin_changes_nothing(
    page: Page, attackers_port: str, victim: Victim, without_login: TrackingServer, attack: Attack
) -> None:
    """In a sandboxed frame, as of an HTML artifact, the origin is null."""
    page.goto(f"http://localhost:{attackers_port}")
    page.evaluate("() => { document.body.innerHTML = '<iframe sandbox=allow-scripts srcdoc=attack>'; }")
    frame = page.frame_locator("iframe")
    frame.get_by_text("attack").wait_for()

    attack(page.frames[-1], without_login.url, victim)  # type: ignore[arg-type]

    assert not ATTACKS[attack](victim)
    assert "Refused a request from a page of another origin: 'null'" in without_login.log.read_text()


@pytest.mark.parametrize(
    ("kind", "host"), [("without_login", "127.0.0.1"), ("with_login", "127.0.0.1"), ("with_login", PUBLISHED)]
)
def test_a_link_on_another_site_opens_the_ui_and_its_clicks_promote(
    attackers_page: Page, victim: Victim, target: TrackingServer, host: str
) -> None:
    page, url = attackers_page, target.url.replace("127.0.0.1", host)
    page.set_default_timeout(60_000)

    page.evaluate("(url) => { location.href = url; }", f"{url}/#/models/{MODEL}/versions/1")
    page.get_by_role("switch", name="New model registry UI").click()
    page.get_by_role("button", name="Disable").click()
    page.get_by_text("None", exact=True).first.click()
    page.get_by_role("menuitem").filter(has_text="Production").click()
    page.get_by_role("dialog").get_by_role("button", name="OK").click()

    wait_until(lambda: is_promoted(victim), 30, 0.2)
