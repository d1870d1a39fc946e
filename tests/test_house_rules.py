"""The project's rules, checked on its source: imports, places of SQL, settings and defaults, lengths, names."""

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

from steps.training.model.logged_model import SERVING_MODULES
from tests.conftest import LONGEST, TESTS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "configuration",
    "sealing",
    "steps",
    "feature_repo",
    "feature_store",
    "feature_enricher",
    "rollout",
    "console",
    "tracking_server",
    "local_stack",
    "deploy",
    "reports",
    "bench",
)
ENTRY_POINTS = tuple(yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"])
MAX_FUNCTION_LINES, MAX_FILE_LINES = 40, 200

Predicate = Callable[[ast.AST], bool]


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(), str(path)))


def violations(paths: list[Path], is_wrong: Predicate) -> list[str]:
    """file:line of every node for which `is_wrong` is true."""
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
    """The imports of these modules, or of names in them, in the files."""
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


def test_the_configuration_imports_none_of_the_programs() -> None:
    programs = set(PACKAGES) - {"configuration"}
    assert importing([path for path in sources("configuration") if path.name != "__main__.py"], *programs) == []
    assert importing(sources(*programs), "configuration.__main__") == []


def test_the_seals_import_nothing_of_the_project_except_the_configuration() -> None:
    assert importing(sources("sealing"), *(set(PACKAGES) - {"configuration", "sealing"})) == []


def test_the_watcher_and_the_gateway_cannot_sign() -> None:
    signing = ("sealing.keys.make_pair", "sealing.keys.load_private", "sealing.statement.sign")
    assert importing(sources("rollout", "feature_enricher"), *signing) == []
    texts = "".join(path.read_text() for path in sources("rollout", "feature_enricher"))
    assert re.findall(r"make_pair|load_private|statement\.sign|private_seal_key", texts) == []


def test_names_that_programs_share_are_defined_once() -> None:
    shared = {"streamflow_churn", "Production"}

    def is_shared(node: ast.AST) -> bool:
        return isinstance(node, ast.Constant) and node.value in shared

    users = [path for path in sources(*PACKAGES) if name_of(path) != "configuration/names.py"]
    assert violations(users, is_shared) == []


def test_steps_import_neither_the_stack_nor_the_gateway() -> None:
    assert importing(sources("steps"), "local_stack", "feature_enricher", "rollout", "tests") == []


def test_steps_reach_the_warehouse_with_one_driver() -> None:
    # psycopg2 is MLflow's: a full disk under its tables has to be recognized
    assert importing(sources("steps"), "psycopg2") == ["steps/cli/disk.py imports psycopg2.errors"]


def test_steps_are_imported_by_name_in_one_place() -> None:
    users = [name_of(path) for path in sources("steps") if "importlib.import_module" in path.read_text()]
    assert users == ["steps/runs/child_runs.py"]


def test_the_gateway_imports_neither_the_steps_nor_mlflow() -> None:
    assert (
        importing(
            sources("feature_enricher"),
            *("steps", "local_stack", "rollout", "mlflow", "sklearn", "psycopg2", "feast.infra"),
        )
        == []
    )


# The modules and subpackages of each package. Each imports only from itself and from those after it.
LAYERS = {
    "sealing": ("__main__", "statement", "files", "keys"),
    "feature_enricher": (
        "__main__", "server", "app", "api", "wiring", "access_control", "prediction", "upstream", "metrics",
        "metric_series", "process_metrics", "deadline", "settings", "version", "errors",
    ),
    "steps": (
        *ENTRY_POINTS, "cleanup", "chain", "campaign", "monitoring", "scoring", "registry", "candidates", "training",
        "features", "runs", "warehouse", "month", "cli",
    ),
    "feature_store": (
        "plans", "readers", "online_views", "store", "lake", "spark", "postgres", "redis", "reading", "pool",
        "background", "deadline", "settings", "plain_feast", "__init__",
    ),
    "rollout": (
        "__main__", "metrics", "watcher", "servers", "probation", "model_server", "backoff", "control", "recorder",
        "registry", "processes", "settings", "loopback", "errors",
    ),
    "tracking_server": ("__main__", "app", "users", "logins", "same_origin", "settings"),
    "console": ("__main__", "server", "app", "pages", "charts", "sources", "access", "settings", "errors"),
    "local_stack": (
        "__main__", "mlflow_command", "stack", "services", "supervisor", "monitoring", "backups", "month_choice",
        "mlflow_login", "chain", "lifecycle", "database", "processes", "disk", "settings", "environment",
    ),
    "bench": (
        "__main__", "pictures", "reasons", "chaos", "prediction_log", "swap", "speed", "kills", "any_request",
        "clients", "scenarios", "speed_report", "gate_rates", "campaign_rates", "monitor_rates", "scale", "testbed",
        "checker", "report", "load",
    ),
}  # fmt: skip
MOST_MODULES_IN_A_FOLDER = 13


def dotted(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def layer_of(name: str, layers: tuple[str, ...]) -> str:
    """The module or subpackage of a dotted name; `__init__` for a name in the package itself."""
    layer = name.split(".")[1]
    return layer if layer in layers else "__init__"


@pytest.mark.parametrize("package", LAYERS)
def test_layers_import_in_one_direction(package: str) -> None:
    layers = LAYERS[package]
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in sources(package)
        for name in sorted(imports(path))
        if name.startswith(f"{package}.") and dotted(path) != package
        if layers.index(layer_of(name, layers)) < layers.index(layer_of(dotted(path), layers))
    ]
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_has_too_many_modules(package: str) -> None:
    folders = {path.parent for path in sources(package)}
    # the modules directly in steps are the entry points, as another rule says
    counted = {folder for folder in folders if name_of(folder) != "steps"}
    modules = {name_of(folder): len({path.stem for path in folder.glob("*.py")} - {"__init__"}) for folder in counted}
    assert {folder: count for folder, count in modules.items() if count > MOST_MODULES_IN_A_FOLDER} == {}


def test_the_modules_directly_in_steps_are_the_entry_points() -> None:
    assert {path.stem for path in (ROOT / "steps").glob("*.py")} == {*ENTRY_POINTS}


def test_the_watcher_imports_only_the_warehouse_of_the_steps() -> None:
    imported = {name for path in sources("rollout") for name in imports(path) if name.startswith("steps")}
    assert {name for name in imported if not name.startswith("steps.warehouse")} == set()
    assert importing(sources("rollout"), "feature_enricher", "feature_repo", "feature_store", "local_stack") == []


def test_the_console_imports_only_what_reads_of_the_steps() -> None:
    reading = (
        "warehouse",
        "registry",
        "monitoring.rows",
        "monitoring.verdict",
        "cli.errors",
        "cli.settings",
        "cli.spreadsheet",
    )
    imported = {name for path in sources("console") for name in imports(path) if name.startswith("steps")}
    assert {name for name in imported if not name.startswith(tuple(f"steps.{part}" for part in reading))} == set()
    assert importing(sources("console"), "feature_enricher", "feature_repo", "feature_store", "local_stack") == []
    assert importing(sources("console"), "rollout") == []


def test_the_stack_imports_only_the_digest_of_a_month_of_the_steps() -> None:
    imported = {name for path in sources("local_stack") for name in imports(path) if name.startswith("steps")}
    assert {name.rsplit(".", 1)[0] for name in imported} == {"steps.month.digest"}
    assert importing(sources("local_stack"), "feature_enricher", "feature_repo", "feature_store") == []


def test_the_feature_repo_holds_only_definitions_that_import_only_feast() -> None:
    assert {path.name for path in sources("feature_repo")} == {"__init__.py", "features.py"}
    roots = {name.split(".")[0] for path in sources("feature_repo") for name in imports(path)}
    assert roots - set(sys.stdlib_module_names) == {"feast"}


def test_the_feature_store_imports_only_definitions_feast_and_drivers() -> None:
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
        "yaml",
        "typeguard",  # a dependency of Feast, whose effect plain_feast.py switches off
        "pydantic_settings",
        "configuration",
        "feature_repo",
        "feature_store",
    }
    roots = {name.split(".")[0] for path in sources("feature_store") for name in imports(path)}
    assert roots - allowed == set()


def test_the_served_model_and_the_digest_import_no_package_of_the_project() -> None:
    standalone = [
        ROOT / "steps" / f"{name}.py"
        for name in (
            *(f"training/model/{name}" for name in ("served_model", *SERVING_MODULES)),
            "month/digest",
        )
    ]
    assert importing(standalone, *PACKAGES) == []


def reads_the_environment(node: ast.AST) -> bool:
    """`request.environ` is a WSGI request's and does not count."""
    names = {"os.environ", "os.getenv", "os.environb"}
    return isinstance(node, ast.Attribute) and ast.unparse(node) in names


def test_only_settings_read_the_environment() -> None:
    modules = [
        path
        for path in sources(
            "steps",
            "sealing",
            "feature_repo",
            "feature_store",
            "feature_enricher",
            "rollout",
            "tracking_server",
            "console",
        )
        if path.name != "settings.py"
    ]
    assert violations(modules, reads_the_environment) == []


def replaced(path: Path) -> list[str]:
    """Attributes of imported modules and classes that the file assigns to, and imports of `mock`."""
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


def test_attributes_of_other_packages_are_replaced_in_two_files() -> None:
    """Each replacement has a test that fails when the replaced attribute is gone or no longer called."""
    packages = ("steps", "feature_store", "feature_enricher", "rollout", "local_stack", "deploy")
    files = {name_of(path): names for path in sources(*packages) if (names := replaced(path))}
    # values of a request, and a program's arguments
    assert files.pop("feature_enricher/api/request_ids.py", None) in (None, ["g.request_id"])
    assert files.pop("feature_enricher/api/auth.py", None) in (None, ["g.client"])
    assert files.pop("feature_enricher/app.py", None) in (None, ["g.code", "g.cause"])
    assert files.pop("feature_enricher/api/routes.py", None) in (None, ["g.code"])
    assert files.pop("console/access.py", None) in (None, ["g.name"])
    assert files.pop("local_stack/mlflow_command/launcher.py", None) in (None, ["sys.argv"])
    switch = "sys.dont_write_bytecode"  # Python's own, and set back
    assert files.pop("steps/training/model/logged_model.py", None) in (None, [switch, switch])
    assert files == {
        "feature_store/plain_feast.py": ["typeguard.typechecked", "typeguard.typechecked"],
        "local_stack/mlflow_command/created_runs.py": ["MlflowClient.create_run", "MlflowClient.create_run"],
    }


def test_functions_are_short() -> None:
    def is_long(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
        )

    assert violations(sources(*PACKAGES), is_long) == []


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in sources(*PACKAGES)}
    assert {name: length for name, length in lengths.items() if length >= MAX_FILE_LINES} == {}


FILLER_WORDS = {
    "one", "its", "found", "known", "wanted", "each", "there", "given", "said", "told", "word", "here", "ours",
    "theirs", "what", "others", "asked", "ask",
}  # fmt: skip
FREE_OF_FILLER_WORDS = (*PACKAGES, "tests")


def names_defined(node: ast.AST) -> str:
    """The name that the node gives to a variable, attribute, parameter, function or class; '' for other nodes."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
            return name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
    return ""


@pytest.mark.parametrize("package", FREE_OF_FILLER_WORDS)
def test_a_filler_word_is_no_name(package: str) -> None:
    def is_filler(node: ast.AST) -> bool:
        return names_defined(node).strip("_").lower() in FILLER_WORDS

    assert violations(sources(package), is_filler) == []


def test_filler_words_are_noticed() -> None:
    code = "def ask(its): self._told = [each for each in its]; found: int = 1"
    defined = {names_defined(node) for node in ast.walk(ast.parse(code))}
    assert defined == {"ask", "its", "_told", "each", "found", ""}


def catches_everything(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in caught)


def test_a_broad_except_raises_again_or_gives_a_reason() -> None:
    silent = []
    for path in sources(*PACKAGES):
        lines = path.read_text().splitlines()
        for node in nodes(path):
            if isinstance(node, ast.ExceptHandler) and catches_everything(node):
                raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                if not raises and not re.search(r"#( noqa: BLE001 -)? \w+ \w+", lines[node.lineno - 1]):
                    silent.append(f"{name_of(path)}:{node.lineno}")
    assert silent == []


def test_no_file_has_a_todo() -> None:
    texts = [*sources(*PACKAGES), *sorted((ROOT / "steps" / "warehouse" / "sql").rglob("*.sql")), ROOT / "MLproject"]
    assert [name_of(path) for path in texts if re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text())] == []


SQL = re.compile(
    r"\b(SELECT\s+[\w*({%]|INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+\S+\s+SET"
    r"|(CREATE|DROP|ALTER)\s+(OR\s+REPLACE\s+)?(TEMP\s+)?(TABLE|SCHEMA|VIEW|ROLE|DATABASE|INDEX)|COPY\s+\S+\s+(FROM|TO))\b"
)
WITH_SQL = (
    "feature_store/postgres/", "feature_store/plans.py", "steps/warehouse/", "local_stack/database/",
)  # fmt: skip


def test_sql_is_in_three_places() -> None:
    def is_sql(node: ast.AST) -> bool:
        return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(SQL.search(node.value))

    files = {line.split(":")[0] for line in violations(sources(*PACKAGES), is_sql)}
    assert {file for file in files if not file.startswith(WITH_SQL)} == set()


def test_long_statements_of_the_steps_are_sql_files() -> None:
    def is_long_sql(node: ast.AST) -> bool:
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        return bool(SQL.search(text)) and "\n" in text.strip()

    assert violations(sources("steps"), is_long_sql) == []
    used = {match for path in sources("steps") for match in re.findall(r'"(\w+)"', path.read_text())}
    assert {path.stem for path in (ROOT / "steps" / "warehouse" / "sql").glob("*.sql")} <= used


def test_defaults_of_parameters_are_only_in_mlproject() -> None:
    def has_default(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"add_argument", "set_defaults"}
            and (node.func.attr == "set_defaults" or any(keyword.arg == "default" for keyword in node.keywords))
        )

    assert violations(sources("steps"), has_default) == []


def test_every_call_over_the_network_has_a_timeout() -> None:
    verbs = {"get", "post", "put", "patch", "delete", "head", "options", "request"}

    def has_no_timeout(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in verbs
            and bool(re.search(r"requests$|session$", ast.unparse(node.func.value)))
            and not any(keyword.arg == "timeout" for keyword in node.keywords)
        )

    assert (
        violations(sources("feature_enricher", "rollout", "local_stack", "deploy", "reports", "bench"), has_no_timeout)
        == []
    )


def test_the_longest_test_files_exist() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []


def test_conda_yaml_names_the_hash_of_the_lock() -> None:
    recorded = re.findall(r"^# requirements\.txt sha256: (\w+)$", (ROOT / "conda.yaml").read_text(), re.MULTILINE)
    assert recorded == [hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()]


LOCKS = sorted(path.name for path in ROOT.glob("requirements*.txt"))
REQUIRES_PYTHON = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]


def test_conda_yaml_allows_the_pythons_of_pyproject() -> None:
    assert f"python{REQUIRES_PYTHON}" in yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]


def test_mlflow_without_conda_makes_environments_with_its_own_python() -> None:
    assert _PythonEnv.from_conda_yaml(ROOT / "conda.yaml").python == platform.python_version()


def test_the_version_is_only_in_pyproject() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    texts = [
        *sources(*PACKAGES),
        *ROOT.glob("*.y*ml"),
        *(path for path in ROOT.glob("deploy/**/*") if path.is_file() and path.suffix != ".pyc"),
    ]
    assert [name_of(path) for path in texts if version in path.read_text()] == []
    assert f"## {version}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_types_are_checked_for_the_oldest_python_and_images_use_it() -> None:
    oldest = REQUIRES_PYTHON.removeprefix(">=").split(",")[0]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["python_version"] == oldest
    for dockerfile in (ROOT / "Dockerfile", ROOT / "deploy" / "kubernetes" / "Dockerfile"):
        assert re.search(
            rf"^(FROM |ARG PYTHON_IMAGE=)python:{re.escape(oldest)}-slim$", dockerfile.read_text(), re.MULTILINE
        )


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_pinned_with_the_hashes_of_its_files(lock: str) -> None:
    packages = re.split(r"\n(?=\S)", (ROOT / lock).read_text().rstrip())
    version = r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,._-]+\])?==[0-9][\w.!+-]*( ; .+?)?"
    pinned = re.compile(version + r"( \\\n    --hash=sha256:[0-9a-f]{64})+")
    assert packages
    assert [package for package in packages if not pinned.fullmatch(package)] == []


def test_no_package_is_locked_twice() -> None:
    names = [
        line.split("==")[0]
        for lock in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / lock).read_text().splitlines()
        if not line.startswith(" ")
    ]
    assert sorted(names) == sorted(set(names))


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
