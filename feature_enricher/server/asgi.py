"""The application that granian's worker processes load: create()."""

import logging
import os
import signal
import sys
import threading
import time

from feature_enricher.api.access_log import set_level, write_to
from feature_enricher.app import create_app
from feature_enricher.server.front import Front
from feature_enricher.settings import load_settings

PARENT_CHECK_S = 1.0
# Python's own is 5 ms: the event loop would wait so long for each of its turns while batches compute.
SWITCH_INTERVAL_S = 0.0005


def create() -> Front:
    """Reads the settings, begins the gateway's background work and sets up its log on stderr."""
    settings = load_settings()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    logging.basicConfig(format="[%(asctime)s] [%(levelname)s] %(name)s: %(message)s", level=logging.WARNING)
    write_to(sys.stderr)
    set_level(settings.access_log)
    app = create_app()
    parts = app.extensions["streamflow"]
    return Front(
        app,
        parts.batches,
        deadline_s=settings.deadline_s,
        largest_body=settings.max_body_bytes,
        count_refusal=parts.metrics.request_shed,
    )


def _end_with_parent(parent: int) -> None:
    """A worker whose parent was killed would go on listening beside the gateway that is started next."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)
