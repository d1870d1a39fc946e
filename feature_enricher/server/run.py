"""Runs granian: its limits, TLS and the port."""

import math
import resource
import ssl
import tempfile
from pathlib import Path

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels

from configuration.hosts import require_free
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.server.drain import Drain
from feature_enricher.settings import Settings, share_metrics

# Including idle ones; further connections wait to be accepted.
MAX_CONNECTIONS = 8192
FILES_BESIDE_CONNECTIONS = 1024
# Of a request line and its headers together.
MAX_HEAD_BYTES = 16 * 1024
# For a whole head and for an idle connection. Load balancers keep idle connections for 60 s: a shorter limit here would
# close connections that they still use.
HEAD_TIMEOUT_MS = 75_000


def serve(target: str, settings: Settings, host: str, port: int) -> None:
    """Serves an ASGI application until SIGTERM or SIGINT. Raises InvalidSetting before it starts.

    `target`: its factory (module:function), which gets a function that returns whether the gateway is stopping. After
    SIGTERM it serves for drain_s longer. Then the listener closes, and requests in flight are answered.
    """
    check_free(host, port)
    if settings.workers == 1:
        share_metrics(None)
        _serve(target, settings, host, port)
        return
    with tempfile.TemporaryDirectory(prefix="gateway-metrics-") as folder:
        share_metrics(folder)
        _serve(target, settings, host, port)


def _serve(target: str, settings: Settings, host: str, port: int) -> None:
    cert, key = tls_files(settings)
    allow_open_files(MAX_CONNECTIONS + FILES_BESIDE_CONNECTIONS)
    server = Granian(
        target,
        interface=Interfaces.ASGINL,
        address=host,
        port=port,
        workers=settings.workers,
        backlog=MAX_CONNECTIONS,
        backpressure=MAX_CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_TIMEOUT_MS, max_buffer_size=MAX_HEAD_BYTES),
        websockets=False,
        loop=Loops.uvloop,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        # also time for the last rows of the prediction log
        workers_kill_timeout=3 + math.ceil(settings.deadline_s),
        ssl_cert=cert,
        ssl_key=key,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    drain = Drain(settings.drain_s)
    server.on_startup(drain.delay_stop)  # called between granian's own handlers and its worker processes
    server.serve(target_loader=drain.loader(target), wrap_loader=False)


def check_free(host: str, port: int) -> None:
    """Raises InvalidSetting for an address at which it cannot listen."""
    try:
        require_free(host, port)
    except OSError as error:
        address_text = f"GATEWAY_HOST={host!r}, GATEWAY_PORT={port}"
        raise InvalidSetting(f"{address_text}: cannot listen on this address: {error}") from error


def tls_files(settings: Settings) -> tuple[Path | None, Path | None]:
    """Certificate and key, or neither. With only one of them granian would serve without TLS. Raises InvalidSetting."""
    if settings.tls_cert is None and settings.tls_key is None:
        return None, None
    if settings.tls_cert is None or settings.tls_key is None:
        raise InvalidSetting("Set both ENRICHER_TLS_CERT and ENRICHER_TLS_KEY, or neither. See .env.example")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except (OSError, ValueError) as error:
        files = f"ENRICHER_TLS_CERT={settings.tls_cert!r} with ENRICHER_TLS_KEY={settings.tls_key!r}"
        raise InvalidSetting(f"{files}: {error}. Both must be PEM files, the key without a password") from error
    return Path(settings.tls_cert), Path(settings.tls_key)


def allow_open_files(count: int) -> None:
    """Raises this process's limit of open files, as far as the system allows. Many shells set it to 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
