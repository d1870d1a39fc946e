"""The house rules, read off the source: who imports whom, where SQL, settings and defaults are, how long things get."""

import ast
import hashlib
import platform
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from mlflow.utils.environment import _PythonEnv

from tests.conftest import LONGEST, TESTS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "configuration",
    "steps",
    "feature_repo",
    "feature_store",
    "feature_enricher",
    "rollout",
    "local_stack",
    "deploy",
    "reports",
    "bench",
)
ENTRY_POINTS = tuple(yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"])
MAX_FUNCTION_LINES, MAX_FILE_LINES = 40, 200

Finding = Callable[[ast.AST], bool]


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(), str(path)))


def found(paths: list[Path], is_wrong: Finding) -> list[str]:
    """file:line of every node that is wrong."""
    return [f"{name_of(path)}:{node.lineno}" for path in paths for node in nodes(path) if is_wrong(node)]  # type: ignore[attr-defined]


def imports(path: Path) -> set[str]:
    """Full names: `from steps.training import split` is steps.training.split."""
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def importing(paths: list[Path], *modules: str) -> list[str]:
    """Which of the files import one of these modules or something in them."""
    return [
        f"{name_of(path)} imports {name}"
        for path in paths
        for name in sorted(imports(path))
        if any(name == module or name.startswith(f"{module}.") for module in modules)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_rules_see_every_package(package: str) -> None:
    assert sources(package)


def test_nothing_in_steps_imports_an_entry_point() -> None:
    assert importing(sources("steps"), *(f"steps.{name}" for name in ENTRY_POINTS)) == []


def test_the_configuration_knows_none_of_the_programs() -> None:
    programs = set(PACKAGES) - {"configuration"}
    assert importing([path for path in sources("configuration") if path.name != "__main__.py"], *programs) == []
    assert importing(sources(*programs), "configuration.__main__") == []


def test_what_programs_agree_on_is_named_once() -> None:
    agreed = {"streamflow_churn", "Production"}

    def spells_it(node: ast.AST) -> bool:
        return isinstance(node, ast.Constant) and node.value in agreed

    others = [path for path in sources(*PACKAGES) if name_of(path) != "configuration/names.py"]
    assert found(others, spells_it) == []


def test_steps_know_neither_the_stack_nor_the_gateway() -> None:
    assert importing(sources("steps"), "local_stack", "feature_enricher", "rollout", "tests") == []


def test_only_main_looks_up_a_step_by_its_name() -> None:
    users = [name_of(path) for path in sources("steps") if "importlib.import_module" in path.read_text()]
    assert users == ["steps/main.py"]


def test_the_gateway_knows_neither_the_steps_nor_mlflow() -> None:
    assert (
        importing(
            sources("feature_enricher"),
            *("steps", "local_stack", "rollout", "mlflow", "sklearn", "psycopg2", "feast.infra"),
        )
        == []
    )


# Each room imports from those after it, and from itself. The entry points come first: they are no room's.
ROOMS = {
    "feature_enricher": (
        "__main__", "server", "app", "api", "wiring", "prediction", "upstream", "metrics", "background", "deadline",
        "settings", "version", "errors",
    ),
    "steps": (
        *ENTRY_POINTS, "cleanup", "scoring", "registry", "training", "features", "runs", "warehouse", "month", "cli",
    ),
    "feature_store": (
        "plans", "readers", "online_views", "store", "lake", "spark", "postgres", "redis", "reading", "pool",
        "deadline", "settings", "plain_feast", "__init__",
    ),
    "rollout": (
        "__main__", "watcher", "model_server", "backoff", "control", "recorder", "registry", "processes", "settings",
        "loopback", "errors",
    ),
    "local_stack": (
        "__main__", "mlflow_command", "stack", "services", "supervisor", "backups", "month_choice", "chain",
        "lifecycle", "database", "processes", "disk", "settings", "own_server", "variables", "other_programs",
    ),
    "bench": (
        "__main__", "chaos", "swap", "speed", "kills", "any_request", "client_report", "client_scenarios", "scenarios",
        "speed_report", "gate_rates", "scale", "testbed", "checker", "report", "load",
    ),
}  # fmt: skip
MOST_MODULES_IN_A_ROOM = 14


def dotted(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(name: str, rooms: tuple[str, ...]) -> str:
    """What a package's own __init__ has is imported by the package's name."""
    room = name.split(".")[1]
    return room if room in rooms else "__init__"


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_one_way(package: str) -> None:
    rooms = ROOMS[package]
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in sources(package)
        for name in sorted(imports(path))
        if name.startswith(f"{package}.") and dotted(path) != package
        if rooms.index(room_of(name, rooms)) < rooms.index(room_of(dotted(path), rooms))
    ]
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_room_is_crowded(package: str) -> None:
    rooms = {path.parent for path in sources(package)}
    modules = {name_of(room): len([path for path in room.glob("*.py") if path.stem != "__init__"]) for room in rooms}
    assert {room: count for room, count in modules.items() if count > MOST_MODULES_IN_A_ROOM} == {}


def test_beside_the_rooms_of_the_steps_are_the_entry_points_alone() -> None:
    assert {path.stem for path in (ROOT / "steps").glob("*.py")} == {*ENTRY_POINTS, "__init__"}


def test_the_watcher_takes_nothing_from_the_steps_but_the_warehouse() -> None:
    taken = {name for path in sources("rollout") for name in imports(path) if name.startswith("steps")}
    assert {name for name in taken if not name.startswith("steps.warehouse")} == set()
    assert importing(sources("rollout"), "feature_enricher", "feature_repo", "feature_store", "local_stack") == []


def test_the_stack_takes_nothing_from_the_steps_but_the_digest_of_a_month() -> None:
    taken = {name for path in sources("local_stack") for name in imports(path) if name.startswith("steps")}
    assert {name.rsplit(".", 1)[0] for name in taken} == {"steps.month.digest"}
    assert importing(sources("local_stack"), "feature_enricher", "feature_repo", "feature_store") == []


def test_the_definitions_import_feast_alone_and_nothing_else_lies_beside_them() -> None:
    assert {path.name for path in sources("feature_repo")} == {"__init__.py", "features.py"}
    roots = {name.split(".")[0] for path in sources("feature_repo") for name in imports(path)}
    assert roots - set(sys.stdlib_module_names) == {"feast"}


def test_the_feature_store_imports_the_definitions_feast_and_its_drivers_alone() -> None:
    allowed = {
        *sys.stdlib_module_names,
        "feast",
        "google",
        "psycopg",
        "psycopg_pool",
        "pydantic",  # Feast's way of describing a store's settings
        "pyarrow",
        "pandas",
        "redis",
        "typeguard",  # whose instrumentation of Feast plain_feast.py avoids
        "pydantic_settings",
        "configuration",
        "feature_repo",
        "feature_store",
    }
    roots = {name.split(".")[0] for path in sources("feature_store") for name in imports(path)}
    assert roots - allowed == set()


def test_the_served_model_and_the_digest_stand_alone() -> None:
    alone = [
        ROOT / "steps" / f"{name}.py"
        for name in ("training/served_model", "training/fast_path", "training/packed_forest", "month/digest")
    ]
    assert importing(alone, *PACKAGES) == []


def reads_the_environment(node: ast.AST) -> bool:
    """Not `request.environ`, which is a WSGI request's."""
    names = {"os.environ", "os.getenv", "os.environb"}
    return isinstance(node, ast.Attribute) and ast.unparse(node) in names


def test_in_the_steps_the_feature_store_and_the_gateway_nothing_but_settings_reads_the_environment() -> None:
    others = [
        path
        for path in sources("steps", "feature_repo", "feature_store", "feature_enricher")
        if path.name != "settings.py"
    ]
    assert found(others, reads_the_environment) == []


def replaced(path: Path) -> list[str]:
    """Attributes of imported modules and classes that the file assigns to; `mock` and `monkeypatch` count as well."""
    imported = {name.split(".")[0] for name in imports(path)} | {name.rsplit(".", 1)[-1] for name in imports(path)}
    local = {
        node.target.id
        for node in nodes(path)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Call)
        if ast.unparse(node.value.func) == "importlib.import_module"
    }
    assigned = [
        ast.unparse(target)
        for node in nodes(path)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and ast.unparse(target).split(".")[0] in imported | local
    ]
    return [*assigned, *sorted(name for name in imported if name in {"unittest", "mock"})]


def test_others_classes_are_replaced_in_two_places_and_given_back() -> None:
    """Each has a test that fails when what it replaces is no longer there, or no longer called."""
    ours = ("steps", "feature_store", "feature_enricher", "rollout", "local_stack", "deploy")
    places = {name_of(path): names for path in sources(*ours) if (names := replaced(path))}
    # a value of one request; what a program was called with
    assert places.pop("feature_enricher/api/request_ids.py", None) in (None, ["g.request_id"])
    assert places.pop("feature_enricher/app.py", None) in (None, ["g.code", "g.cause"])
    assert places.pop("feature_enricher/api/routes.py", None) in (None, ["g.code"])
    assert places.pop("local_stack/mlflow_command/launcher.py", None) in (None, ["sys.argv"])
    assert places == {
        "feature_store/plain_feast.py": ["typeguard.typechecked", "typeguard.typechecked"],
        "local_stack/mlflow_command/made_runs.py": ["MlflowClient.create_run", "MlflowClient.create_run"],
    }


def test_functions_are_short() -> None:
    def is_long(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
        )

    assert found(sources(*PACKAGES), is_long) == []


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in sources(*PACKAGES)}
    assert {name: length for name, length in lengths.items() if length >= MAX_FILE_LINES} == {}


def catches_everything(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in caught)


def test_a_broad_except_raises_again_or_says_why_not() -> None:
    silent = []
    for path in sources(*PACKAGES):
        lines = path.read_text().splitlines()
        for node in nodes(path):
            if isinstance(node, ast.ExceptHandler) and catches_everything(node):
                raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                if not raises and not re.search(r"#( noqa: BLE001 -)? \w+ \w+", lines[node.lineno - 1]):
                    silent.append(f"{name_of(path)}:{node.lineno}")
    assert silent == []


def test_nothing_is_left_to_do() -> None:
    texts = [*sources(*PACKAGES), *sorted((ROOT / "steps" / "warehouse" / "sql").rglob("*.sql")), ROOT / "MLproject"]
    assert [name_of(path) for path in texts if re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text())] == []


SQL = re.compile(
    r"\b(SELECT\s+[\w*({%]|INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+\S+\s+SET"
    r"|(CREATE|DROP|ALTER)\s+(OR\s+REPLACE\s+)?(TEMP\s+)?(TABLE|SCHEMA|VIEW|ROLE|DATABASE|INDEX)|COPY\s+\S+\s+(FROM|TO))\b"
)
SPEAK_SQL = (
    "feature_store/postgres/", "feature_store/plans.py", "steps/warehouse/", "local_stack/database/",
)  # fmt: skip


def test_sql_is_spoken_in_three_places() -> None:
    def is_sql(node: ast.AST) -> bool:
        return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(SQL.search(node.value))

    places = {place.split(":")[0] for place in found(sources(*PACKAGES), is_sql)}
    assert {place for place in places if not place.startswith(SPEAK_SQL)} == set()


def test_the_steps_long_statements_are_files() -> None:
    def is_long_sql(node: ast.AST) -> bool:
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        return bool(SQL.search(text)) and "\n" in text.strip()

    assert found(sources("steps"), is_long_sql) == []
    used = {match for path in sources("steps") for match in re.findall(r'"(\w+)"', path.read_text())}
    assert {path.stem for path in (ROOT / "steps" / "warehouse" / "sql").glob("*.sql")} <= used


def test_defaults_of_parameters_are_in_mlproject_alone() -> None:
    def has_default(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"add_argument", "set_defaults"}
            and (node.func.attr == "set_defaults" or any(keyword.arg == "default" for keyword in node.keywords))
        )

    assert found(sources("steps"), has_default) == []


def test_every_call_over_the_network_has_a_timeout() -> None:
    verbs = {"get", "post", "put", "patch", "delete", "head", "options", "request"}

    def waits_for_ever(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in verbs
            and bool(re.search(r"requests$|session$", ast.unparse(node.func.value)))
            and not any(keyword.arg == "timeout" for keyword in node.keywords)
        )

    assert (
        found(sources("feature_enricher", "rollout", "local_stack", "deploy", "reports", "bench"), waits_for_ever) == []
    )


def test_the_files_that_begin_first_are_there() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []


def test_conda_knows_the_lock_by_its_hash() -> None:
    recorded = re.findall(r"^# requirements\.txt sha256: (\w+)$", (ROOT / "conda.yaml").read_text(), re.MULTILINE)
    assert recorded == [hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()]


REQUIRES_PYTHON = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]


def test_conda_takes_the_pythons_of_pyproject() -> None:
    assert f"python{REQUIRES_PYTHON}" in yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]


def test_mlflow_takes_its_own_python_where_it_makes_an_environment_without_conda() -> None:
    assert _PythonEnv.from_conda_yaml(ROOT / "conda.yaml").python == platform.python_version()


def test_the_version_stands_in_pyproject_alone() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    texts = [
        *sources(*PACKAGES),
        *ROOT.glob("*.y*ml"),
        *ROOT.glob("deploy/**/*"),
    ]
    assert [name_of(path) for path in texts if path.is_file() and version in path.read_text()] == []
    assert f"## {version}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_types_are_checked_for_the_oldest_python_and_images_are_made_from_it() -> None:
    oldest = REQUIRES_PYTHON.removeprefix(">=").split(",")[0]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["python_version"] == oldest
    for dockerfile in (ROOT / "Dockerfile", ROOT / "deploy" / "kubernetes" / "Dockerfile"):
        assert f"FROM python:{oldest}-slim" in dockerfile.read_text()


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_is_pinned(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    pinned = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,._-]+\])?==[0-9][\w.!+-]*( ; .+)?")
    assert lines
    assert [line for line in lines if not pinned.fullmatch(line)] == []


def test_no_package_is_locked_twice() -> None:
    names = [
        line.split("==")[0]
        for lock in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / lock).read_text().splitlines()
    ]
    assert sorted(names) == sorted(set(names))


def test_in_the_watcher_only_settings_reads_the_environment() -> None:
    others = [path for path in sources("rollout") if path.name != "settings.py"]
    assert found(others, reads_the_environment) == []


def test_importing_reads_no_environment_and_opens_nothing() -> None:
    def at_top_level(path: Path) -> list[ast.stmt]:
        return [
            node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr)
        ]

    early = [
        name_of(path)
        for path in sources("steps", "feature_repo", "feature_store")
        for statement in at_top_level(path)
        for node in ast.walk(statement)
        if reads_the_environment(node) or (isinstance(node, ast.Attribute) and node.attr == "connect")
    ]
    assert early == []
