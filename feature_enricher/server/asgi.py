"""The ASGI application that granian's worker processes load."""

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.util import Finalize

from feature_enricher.api.access_log import set_level, write_to
from feature_enricher.app import create_app
from feature_enricher.server.front import Front
from feature_enricher.settings import load_settings
from feature_enricher.wiring import Components

# Python's defaults are 700, 10, 10. With thousands of waiting requests, the garbage collector then walks through all of
# their objects twice a second, for 0.1 s each time. An answered request leaves it only eight young objects.
GC_THRESHOLDS = (10_000, 20, 100)
PARENT_CHECK_S = 1.0
SAMPLE_S = 5.0
# Python's default is 5 ms: the event loop would wait that long for the interpreter whenever a batch computes.
SWITCH_INTERVAL_S = 0.0005


def create(is_stopping: Callable[[], bool]) -> Front:
    """Reads the settings, starts the gateway's background threads and logs to stderr."""
    settings = load_settings()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GC_THRESHOLDS)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    logging.basicConfig(format="[%(asctime)s] [%(levelname)s] %(name)s: %(message)s", level=logging.WARNING)
    write_to(sys.stderr)
    set_level(settings.access_log)
    app = create_app(is_stopping=is_stopping)
    components = app.extensions["streamflow"]
    if components.prediction_log:  # granian's workers are processes of multiprocessing: atexit is not run
        Finalize(None, components.prediction_log.close, exitpriority=1)
    threading.Thread(target=_sample, args=(components,), daemon=True).start()
    return Front(
        app,
        components.batches,
        components.access,
        deadline_s=settings.deadline_s,
        largest_body=settings.max_body_bytes,
        count_refusal=components.metrics.request_shed,
    )


def _sample(components: Components) -> None:
    """Another process that is asked for /metrics reads this one's states from their common folder."""
    while True:
        components.metrics.sample_process()
        components.refresh_metrics()
        time.sleep(SAMPLE_S)


def _end_with_parent(parent: int) -> None:
    """Ends this worker once its parent is gone; otherwise it would share the port with the next gateway."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)
