"""Pictures of the console's pages, of a stack with made-up customers. One version serves, and one waits.

python -m bench.pictures --to docs/pictures --state .streamflow-pictures
"""

import argparse
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from bench.testbed.testbed import Testbed, open_testbed
from configuration.months import day_of
from local_stack.settings import ROOT
from steps import main as month
from steps import register, sample_months, train, warehouse
from steps.runs.entry_points import arguments

USERS, MONTHS, SEED = 3000, 2, 7
KEY, PERSON = "a-key-of-the-pictures-only", "Ann"
DESK, TELEPHONE = 1280, 390
TALLEST = {DESK: 1500, TELEPHONE: 1700}
COLOURS = 96
"""Of a picture: pages are plain, and so it is small"""


@dataclass(frozen=True)
class Shot:
    name: str
    path: str
    width: int
    scheme: str = "light"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.pictures", description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--state", required=True, help="state folder, used by nothing else; it is emptied")
    options = parser.parse_args()
    state = ROOT / options.state
    shutil.rmtree(state, ignore_errors=True)
    months = state / "months"
    sizes = ["--users", str(USERS), "--months", str(MONTHS), "--seed", str(SEED)]
    sample_months.main(["--out-dir", str(months), *sizes])
    with mock.patch.dict(os.environ, {"CONSOLE_KEYS": f"{PERSON}:{KEY}"}), open_testbed(months, options.state) as stack:
        second_month(months)
        take(stack, options.to)


def second_month(months: Path) -> None:
    """Scored and monitored. A version of another kind waits for a person."""
    as_of = str(day_of(1))
    month.main(arguments("main", {"month_dir": str(months / "month_001"), "as_of": as_of, "retrain": "never"}))
    train.main(arguments("train", {"as_of": as_of, "model": "hist_gradient_boosting"}))
    register.main(arguments("register", {"as_of": as_of, "promote": "ask", "rule": "not_worse", "margin": "0.1"}))


def take(stack: Testbed, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    address = stack.settings.address("CONSOLE_PORT")
    with opened() as browser:
        for shot in shots():
            with browser.new_context(viewport={"width": shot.width, "height": 900}) as context:
                page = context.new_page()
                sign_in(page, address)
                page.emulate_media(color_scheme="dark" if shot.scheme == "dark" else "light")
                page.goto(f"{address}{shot.path}")
                save(page, shot, folder / f"{shot.name}.png")


def shots() -> Sequence[Shot]:
    campaign = warehouse.campaign_summaries()[0].name
    [user] = warehouse.listed_users(campaign, warehouse.ListFilter(), limit=1)
    customer = f"/customer?user_id={user.user_id}"
    pages = {"now": "/", "customer": customer, "call-list": "/call-list", "monitoring": "/monitoring",
             "decisions": "/decisions"}  # fmt: skip
    wide = [Shot(name, path, DESK) for name, path in pages.items()]
    small = [Shot(f"{name}-390", path, TELEPHONE) for name, path in pages.items()]
    other = Shot("other-values", f"{customer}&feature.months_active=60#other", DESK)
    return [*wide, *small, Shot("customer-dark", customer, DESK, "dark"), other]


@contextmanager
def opened() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # root cannot have a sandbox; the pages are this project's own
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        try:
            yield browser
        finally:
            browser.close()


def sign_in(page: Page, address: str) -> None:
    page.goto(f"{address}/sign-in")
    page.get_by_label("Your key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()


def save(page: Page, shot: Shot, path: Path) -> None:
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    height = min(picture.height, TALLEST[shot.width])
    small = picture.crop((0, 0, picture.width, height)).quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"  {path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
