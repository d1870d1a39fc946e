"""Screenshots of MLflow's UI and of the gateway's /docs, taken with a real browser by clicks."""

import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import requests
from playwright.sync_api import FloatRect, Locator, Page, sync_playwright

from configuration import names
from reports.rapport.shell import CommandFailed, Shell

WINDOW = {"width": 1280, "height": 900}
SHARPNESS = 1.5  # pixels of the picture per pixel of the page
WAIT_MS = 30_000
SETTLE_MS = 1500  # the page still draws for a while after its texts appear
ANSWER_TIMEOUT_S, SWAP_TIMEOUT_S = 10.0, 60.0
USER, MODEL = "4686-GEFRM", names.MODEL_NAME


class Pictures:
    """One method per picture. Clicks have lasting effects: promotion() promotes version 2."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self._shell, self._folder = shell, folder
        self.first_answer: dict[str, Any] = {}
        self.swap_s = 0.0
        self.swap_requests = 0

    def __enter__(self) -> "Pictures":
        chromium = shutil.which("chromium")
        if chromium is None:
            raise CommandFailed("chromium is not on PATH: apt-get install chromium")
        self._playwright = sync_playwright().start()
        # root cannot have a sandbox; the pages are this project's own
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = self._playwright.chromium.launch(executable_path=chromium, args=options)
        self._browser = browser
        context = browser.new_context(viewport=WINDOW, device_scale_factor=SHARPNESS, locale="en-GB")  # type: ignore[arg-type]
        self._page: Page = context.new_page()
        self._page.set_default_timeout(WAIT_MS)
        self._is_tidy = False
        return self

    def __exit__(self, *_how: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._browser.close()
        self._playwright.stop()

    def take(self, name: str) -> None:
        """Takes the picture of that name. Raises CommandFailed."""
        print(f"  picture {name}", flush=True)
        getattr(self, name)()

    def run_metrics(self) -> None:
        self.first_answer = self._predict()
        self._open(f"experiments/{self._run('experiment_id')}/runs/{self._run('run_id')}")
        self._page.get_by_text("training_time_s").wait_for()
        self._save("run_metrics", height=640)

    def run_artifacts(self) -> None:
        self._open(f"experiments/{self._run('experiment_id')}/runs/{self._run('run_id')}/artifacts")
        self._page.get_by_text("feature_schema.json").click()
        self._page.get_by_text("categorical_cols").wait_for()
        # the path of the folder on this machine is hidden
        self._save("run_artifacts", height=560, hidden=[self._page.get_by_text("Path: ", exact=False).last])

    def baseline_in_production(self) -> None:
        self._open(f"models/{MODEL}/versions/1")
        self._page.get_by_text("dataset_sha256").wait_for()
        self._save("baseline_in_production", height=640)

    def promotion(self) -> None:
        """Promotes version 2 by clicks. The gateway receives requests meanwhile; every answer must be a 200."""
        page = self._page
        self._open(f"models/{MODEL}/versions/2")
        page.get_by_role("switch", name="New model registry UI").click()
        page.get_by_role("button", name="Disable").click()
        page.get_by_text("None", exact=True).first.click()
        page.get_by_role("menuitem").filter(has_text=names.PRODUCTION).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("checkbox").click()
        self._save("promotion", height=620)
        dialog.get_by_role("button", name="OK").click()
        self.swap_s = self._await_version("2")

    def challenger_in_production(self) -> None:
        self._page.get_by_text(names.PRODUCTION, exact=True).first.wait_for()
        self._save("challenger_in_production", height=620)

    def versions(self) -> None:
        self._open(f"models/{MODEL}")
        self._page.get_by_text("Version 2").wait_for()
        self._save("versions", height=480)

    def docs(self) -> None:
        page = self._page
        page.goto(f"{self._shell.address('GATEWAY_PORT')}/docs")
        page.locator(".opblock-post").first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        answer = page.locator(".live-responses-table")
        answer.wait_for()
        page.wait_for_timeout(SETTLE_MS)
        page.evaluate("window.scrollTo(0, 0)")  # the picture is measured from the top of the page
        top, bottom = _box(page.locator(".opblock-post").first), _box(answer)
        height = bottom["y"] + bottom["height"] - top["y"]
        area: FloatRect = {"x": 0, "y": top["y"], "width": WINDOW["width"], "height": height}
        page.screenshot(path=self._folder / "docs.png", full_page=True, clip=area)

    def _open(self, route: str) -> None:
        """A page of MLflow's UI; the first time also closes the assistant's panel and chooses model training."""
        self._page.goto(f"{self._shell.address('MLFLOW_PORT')}/#/{route}")
        if not self._is_tidy:
            self._page.get_by_role("button", name="Close").first.click()
            self._page.get_by_text("Model training", exact=True).click()
            self._page.goto(f"{self._shell.address('MLFLOW_PORT')}/#/{route}")
            self._is_tidy = True

    def _save(self, name: str, height: int, hidden: Sequence[Locator] = ()) -> None:
        self._page.wait_for_timeout(SETTLE_MS)
        area: FloatRect = {"x": 0, "y": 0, "width": WINDOW["width"], "height": height}
        self._page.screenshot(path=self._folder / f"{name}.png", clip=area, mask=hidden, mask_color="#ffffff")

    def _run(self, field: str) -> str:
        """A field of version 1's training run, such as its experiment_id."""
        api = f"{self._shell.address('MLFLOW_PORT')}/api/2.0/mlflow"
        parameters = {"run_id": self.first_answer["model"]["run_id"]}
        answer = requests.get(f"{api}/runs/get", params=parameters, timeout=ANSWER_TIMEOUT_S)
        return str(answer.json()["run"]["info"][field])

    def _predict(self) -> dict[str, Any]:
        address = f"{self._shell.address('GATEWAY_PORT')}/predict"
        answer = requests.post(address, json={"user_id": USER}, timeout=ANSWER_TIMEOUT_S)
        if not answer.ok:
            raise CommandFailed(f"The gateway answered {answer.status_code}: {answer.text}")
        prediction: dict[str, Any] = answer.json()
        return prediction

    def _await_version(self, version: str) -> float:
        """Seconds until the gateway answers with this version. Raises CommandFailed after SWAP_TIMEOUT_S."""
        started = time.monotonic()
        while True:
            answered = self._predict()["model"]["version"]
            self.swap_requests += 1
            if answered == version:
                return time.monotonic() - started
            if time.monotonic() - started > SWAP_TIMEOUT_S:
                raise CommandFailed(
                    f"The gateway still answers with version {answered} after {SWAP_TIMEOUT_S:g} s, not with {version}"
                )
            threading.Event().wait(0.02)


def _box(element: Locator) -> FloatRect:
    box = element.bounding_box()
    if box is None:
        raise CommandFailed(f"{element} is not visible on /docs")
    return box
