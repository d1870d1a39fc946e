"""Runs granian, the gateway's HTTP server, with the console as a WSGI application."""

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from configuration.hosts import require_free
from console.errors import InvalidSetting
from console.settings import Settings

THREADS = 8
MAX_CONNECTIONS = 256
MAX_HEAD_BYTES = 16 * 1024
HEAD_TIMEOUT_MS = 30_000


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT. One process: signing in is remembered in it. Raises InvalidSetting."""
    _check_free(settings.host, settings.port)
    Granian(
        "console.app:create_app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        backlog=MAX_CONNECTIONS,
        backpressure=MAX_CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_TIMEOUT_MS, max_buffer_size=MAX_HEAD_BYTES),
        websockets=False,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=5,
        factory=True,
    ).serve()


def _check_free(host: str, port: int) -> None:
    try:
        require_free(host, port)
    except OSError as error:
        address_text = f"CONSOLE_HOST={host!r}, CONSOLE_PORT={port}"
        raise InvalidSetting(f"{address_text}: cannot listen on this address: {error}") from error
