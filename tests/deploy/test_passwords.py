"""The passwords of the containers: made once, one volume per service, and in no container's definition."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.containers import passwords
from local_stack.settings import ROOT

OWNER = (os.getuid(), os.getgid())


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / "env"
    path.write_text("PGUSER=streamflow\nPGPASSWORD=\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "passwords"
    path.mkdir()
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_passwords_that_env_does_not_set_are_made_once_and_differ(env_file: Path, folder: Path) -> None:
    first = passwords.make(env_file, folder)
    assert passwords.make(env_file, folder) == first
    assert set(first) == set(passwords.PASSWORDS)
    assert len(set(first.values())) == len(first)
    assert all(len(value) >= 32 for value in first.values())


def test_env_wins_and_its_password_stays_when_its_line_is_removed(env_file: Path, folder: Path) -> None:
    passwords.make(env_file, folder)
    env_file.write_text('PGPASSWORD="a:p@ss/w\'rd"\n')
    assert passwords.make(env_file, folder)["PGPASSWORD"] == "a:p@ss/w'rd"
    env_file.write_text("")
    assert passwords.make(env_file, folder)["PGPASSWORD"] == "a:p@ss/w'rd"


def test_api_keys_are_never_made_and_go_when_env_has_none(env_file: Path, folder: Path) -> None:
    assert "ENRICHER_API_KEYS" not in passwords.make(env_file, folder)
    env_file.write_text("ENRICHER_API_KEYS=web:abc\n")
    assert passwords.make(env_file, folder)["ENRICHER_API_KEYS"] == "web:abc"
    env_file.write_text("ENRICHER_API_KEYS=\n")
    assert "ENRICHER_API_KEYS" not in passwords.make(env_file, folder)


def test_a_line_break_is_refused_without_the_value(env_file: Path, folder: Path) -> None:
    env_file.write_text('PGPASSWORD="secret\nvalue"\n')
    with pytest.raises(ValueError, match=r"PGPASSWORD in \.env contains a line break") as error:
        passwords.make(env_file, folder)
    assert "secret" not in str(error.value)


def test_only_the_owner_can_read_the_files_whatever_the_umask(env_file: Path, folder: Path, tmp_path: Path) -> None:
    of_service = tmp_path / "gateway"
    of_service.mkdir()
    old = os.umask(0)
    try:
        passwords.make(env_file, folder)
        passwords.hand_over(of_service, {"PGPASSWORD": "a"}, OWNER)
    finally:
        os.umask(old)
    for path in (folder, of_service):
        assert mode(path) == stat.S_IRWXU
        assert {mode(file) for file in path.iterdir()} == {stat.S_IRUSR | stat.S_IWUSR}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_service_s_files_belong_to_the_image_s_user_and_others_are_removed(tmp_path: Path) -> None:
    passwords.hand_over(tmp_path, {"PGPASSWORD": "a", "ENRICHER_API_KEYS": "web:b"}, (10001, 10001))
    passwords.hand_over(tmp_path, {"PGPASSWORD": "c"}, (10001, 10001))
    [file] = tmp_path.iterdir()
    assert (file.name, file.read_text(), file.stat().st_uid, file.stat().st_gid) == ("PGPASSWORD", "c", 10001, 10001)
    assert tmp_path.stat().st_uid == 10001


def test_no_service_gets_another_s_password() -> None:
    assert passwords.SERVICES["gateway"] == {
        "PGPASSWORD": "READER_PASSWORD", "ENRICHER_LOG_PASSWORD": "PREDICTION_LOG_PASSWORD",
        "ENRICHER_API_KEYS": "ENRICHER_API_KEYS",
    }  # fmt: skip
    assert passwords.SERVICES["console"] == {
        "PGPASSWORD": "CONSOLE_DATABASE_PASSWORD", "CONSOLE_KEYS": "CONSOLE_KEYS",
        "CONSOLE_GATEWAY_KEY": "CONSOLE_GATEWAY_KEY",
    }  # fmt: skip
    assert {name for variables in passwords.SERVICES.values() for name in variables.values()} == {
        *passwords.PASSWORDS, *passwords.OPTIONAL, "CONSOLE_GATEWAY_KEY",
    } - {passwords.OF_GRAFANA}  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "key"), [("", None), ("web:a,console:b:c", "b:c"), ("web:a", None), ("console:", None)]
)
def test_the_console_gets_the_gateway_s_key_of_its_name_and_the_keys_of_its_people(
    env_file: Path, folder: Path, keys: str, key: str | None
) -> None:
    env_file.write_text(f"ENRICHER_API_KEYS={keys}\nCONSOLE_KEYS=ann:d\n")
    values = passwords.make(env_file, folder)
    assert (values.get("CONSOLE_GATEWAY_KEY"), values["CONSOLE_KEYS"]) == (key, "ann:d")
    assert not (folder / "CONSOLE_KEYS").exists()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [("", ""), ("web:a,prometheus:b:c", "b:c"), ("prometheus : b ,web:a", "b"), ("web:a", ""), ("abc", "")],
)
def test_prometheus_gets_the_key_of_its_name_and_no_other(
    env_file: Path, folder: Path, keys: str, expected: str
) -> None:
    env_file.write_text(f"ENRICHER_API_KEYS={keys}\n")
    values = passwords.make(env_file, folder)
    assert passwords.of_monitoring(values) == {
        "prometheus": {"API_KEY": expected},
        "grafana": {"ADMIN_PASSWORD": values["GRAFANA_ADMIN_PASSWORD"]},
    }


def run_with_secrets(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "deploy.containers.with_secrets", str(folder), *command]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_command_gets_its_folder_s_files_as_variables(folder: Path) -> None:
    value = 'it\'s "quoted" $HOME `id` %d\\'
    (folder / "PGPASSWORD").write_text(value)
    (folder / ".PGPASSWORD").write_text("half")
    show = "import os, sys; print(os.environ['PGPASSWORD'], '.PGPASSWORD' in os.environ, sys.argv[1:])"
    done = run_with_secrets(folder, sys.executable, "-c", show, "--an", "option")
    assert done.stdout == f"{value} False ['--an', 'option']\n"


def test_a_missing_folder_stops_the_command_with_one_line(tmp_path: Path) -> None:
    done = run_with_secrets(tmp_path / "none", "true")
    assert (done.returncode, done.stderr) == (1, f"[ERROR] {tmp_path / 'none'}: No such file or directory\n")
