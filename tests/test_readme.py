"""Every command in README.md and docs/ is run by a test, by `make report`, or by `make test-compose`."""

import re
import subprocess

import pytest
import yaml

from local_stack.settings import ROOT
from reports.rapport.template import commands

README = (ROOT / "README.md").read_text()
PAGES = [README, *(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))]
ALL_PAGES = "\n".join(PAGES)
REPORT, COMPOSE = "reports/rapport/template.md", "deploy/containers/check.py"
LAUNCHER = "tests/local_stack/mlflow_command/test_mlflow_launcher.py"
STACK, BACKUP = "tests/local_stack/test_stack.py", "tests/local_stack/backups/test_backup.py"
NEW_FEATURE = "tests/test_add_a_feature.py"

REAL_MONTH = "tests/steps/chain/test_month_of_real_data.py"
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]

# command -> the file that runs it, and a text in that file
RUN_BY = {
    "make run": (STACK, '"-m", "local_stack", "run"'),
    "make up": (REPORT, "$ make up"),
    "make down": ("reports/rapport/__main__.py", "make down"),
    "make test": (".ci/run", "make check"),
    ". .venv/bin/activate": (STACK, ". .venv/bin/activate"),
    "mlflow run . -e train -P as_of=2024-01-31": (REPORT, "$ mlflow run . -e train -P as_of=2024-01-31"),
    "mlflow run . -e train -P as_of=2024-01-31 -P model=hist_gradient_boosting -P feature_service=churn_v2": (
        REPORT,
        "-P model=hist_gradient_boosting -P feature_service=churn_v2",
    ),
    "mlflow run . -e train -P as_of=2024-01-31 -P feature_service=churn_v3": (NEW_FEATURE, '"churn_v3"'),
    "mlflow run . -e select_model -P as_of=2024-01-31": ("tests/steps/test_select_model.py", "select_model.main("),
    "mlflow run . -e ingest": (NEW_FEATURE, 'step(patched, "ingest"'),
    "mlflow run . -e materialize": (NEW_FEATURE, 'step(patched, "materialize"'),
    "mlflow run . -P month_dir=data/month_001 -P as_of=2024-02-29": (REAL_MONTH, "chain.main("),
    "mlflow run . -e catch_up -P months_dir=data": ("tests/steps/test_catch_up.py", "catch_up.main("),
    "mlflow run . -e score": ("tests/steps/test_score.py", "score.main("),
    "mlflow run . -e labels": ("tests/steps/test_labels.py", "labels.main("),
    "mlflow run . -e remove_month": ("tests/steps/test_remove_month.py", "remove_month.main("),
    "mlflow run . -e erase_user": ("tests/steps/runs/test_no_id_in_mlflow.py", '"erase_user"'),
    "mlflow models serve -m models:/streamflow_churn/Production": (LAUNCHER, "mlflow models serve -m models:/"),
    "curl -s http://127.0.0.1:5001/live": ("tests/rollout/conftest.py", 'requests.get(f"{self.url}/live"'),
    "curl --unix-socket": ("tests/rollout/test_serving.py", "watcher.socket()"),
    "curl -X POST": (REPORT, "curl -s -X POST"),
    "mlflow run . -e register -P as_of=2024-02-29": (REPORT, "$ mlflow run . -e register -P as_of=2024-02-29"),
    "mlflow run . -e register -P as_of=2024-01-31": (REPORT, "$ mlflow run . -e register -P as_of=2024-01-31"),
    "mlflow run . -e monitor -P as_of=2024-02-29": ("tests/steps/chain/test_monitored_months.py", "monitor.main("),
    "make lineage": (REPORT, "$ make lineage"),
    "make rollback VERSION=1": (REPORT, "$ make rollback"),
    "make approve VERSION=2 BY=Ann": ("tests/steps/test_approve.py", "approve.main("),
    "make approve VERSION=2 BY=Ann REFUSE=true": ("tests/steps/test_approve.py", 'refuse="true"'),
    "mlflow run . -e register -P as_of=2024-01-31 -P promote=ask": (
        "tests/steps/test_approve.py",
        '"promote": promote',
    ),
    "make history": (REPORT, "$ make history"),
    "make backup TO=backups/monday.tar": (BACKUP, "backup.backup("),
    "make restore FROM=backups/monday.tar": (BACKUP, "backup.restore("),
    "cp .env.example .env": ("deploy/containers/test-compose.sh", ".env.example"),
    "docker compose up -d": (COMPOSE, '"up", "-d"'),
    "docker compose run --rm pipeline": (COMPOSE, '"run", "--rm", "-T", "pipeline"'),
    "docker compose run --rm pipeline mlflow run . -e train": (COMPOSE, '"run", ".", "-e", "train"'),
    "docker compose run --rm pipeline mlflow run . -e register": (COMPOSE, '"run", ".", "-e", "register"'),
    "docker compose run --rm passwords --show": (
        "deploy/containers/outside.py",
        '"run", "--rm", "-T", "passwords", "--show"',
    ),
    "docker compose down": (COMPOSE, 'compose("down")'),
}
# make target -> a part of its command, as the tests run it
RECIPES = {
    "run": "-m local_stack run",
    "up": "-m local_stack up",
    "down": "-m local_stack down",
    "status": "-m local_stack status",
    "backup": "-m local_stack backup",
    "restore": "-m local_stack restore",
    "history": "mlflow run . -e history",
    "rollback": "mlflow run . -e rollback",
    "approve": "mlflow run . -e approve",
    "lineage": "mlflow run . -e lineage",
    "test": "-m pytest",
    "test-compose": "deploy/containers/test-compose.sh",
    "report": "-m reports.rapport",
}


def shown() -> list[str]:
    """Each command once, without its comment."""
    return sorted({re.sub(r"\s+#.*$", "", command) for command in commands(ALL_PAGES)})


def matches(command: str, name: str) -> bool:
    """Whether the command is `name`, with or without further arguments."""
    return command == name or command.startswith(f"{name} ")


@pytest.mark.parametrize("command", shown())
def test_every_documented_command_is_run_somewhere(command: str) -> None:
    listed = [name for name in RUN_BY if matches(command, name)]
    assert listed, f"RUN_BY names no file that runs {command}"
    file, text = RUN_BY[max(listed, key=len)]
    assert text in (ROOT / file).read_text()


@pytest.mark.parametrize("target", RECIPES)
def test_a_make_target_runs_the_tested_command(target: str) -> None:
    done = subprocess.run(
        ["make", "-n", target, "TO=x", "FROM=x"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert RECIPES[target] in done.stdout


def test_every_documented_make_target_exists_and_has_help() -> None:
    helped = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", ALL_PAGES))
    assert named
    assert named <= helped


def test_every_listed_command_is_documented() -> None:
    assert [name for name in RUN_BY if not any(matches(command, name) for command in shown())] == []


def test_the_readme_lists_the_entry_points_of_mlproject() -> None:
    table = README.split("## Entry points")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(listed) == sorted(ENTRY_POINTS)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"mlflow run \. -e [a-z][^`\n#]*", ALL_PAGES))))
def test_every_documented_run_uses_parameters_of_its_entry_point(command: str) -> None:
    name, parameters = command.split()[4], set(re.findall(r"-P (\w+)=", command))
    assert parameters <= set(ENTRY_POINTS[name]["parameters"])


def test_every_folder_of_the_project_has_its_line() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    folders = {path.split("/")[0] for path in listed.stdout.splitlines() if "/" in path} - {".ci"}
    tree = README.split("## Folders")[1].split("```")[1]
    assert {line.split("/ ")[0] for line in tree.strip().splitlines()} == folders
