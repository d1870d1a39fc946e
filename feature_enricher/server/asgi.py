"""The application that granian's worker processes load: create()."""

import gc
import logging
import os
import signal
import sys
import threading
import time

from feature_enricher.api.access_log import set_level, write_to
from feature_enricher.app import create_app
from feature_enricher.metrics import Metrics
from feature_enricher.server.front import Front
from feature_enricher.settings import load_settings

# Python's own are 700, 10, 10: with thousands of requests waiting, the garbage collector looked through the objects of
# all of them twice a second, for a tenth of a second each time. A request leaves it eight objects, which are young.
GC_THRESHOLDS = (10_000, 20, 100)
PARENT_CHECK_S = 1.0
SAMPLE_S = 5.0
# Python's own is 5 ms: the event loop would wait so long for each of its turns while batches compute.
SWITCH_INTERVAL_S = 0.0005


def create() -> Front:
    """Reads the settings, begins the gateway's background work and sets up its log on stderr."""
    settings = load_settings()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GC_THRESHOLDS)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    logging.basicConfig(format="[%(asctime)s] [%(levelname)s] %(name)s: %(message)s", level=logging.WARNING)
    write_to(sys.stderr)
    set_level(settings.access_log)
    app = create_app()
    parts = app.extensions["streamflow"]
    threading.Thread(target=_sample, args=(parts.metrics,), daemon=True).start()
    return Front(
        app,
        parts.batches,
        deadline_s=settings.deadline_s,
        largest_body=settings.max_body_bytes,
        count_refusal=parts.metrics.request_shed,
    )


def _sample(metrics: Metrics) -> None:
    while True:
        metrics.sample_process()
        time.sleep(SAMPLE_S)


def _end_with_parent(parent: int) -> None:
    """A worker whose parent was killed would go on listening beside the gateway that is started next."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)
