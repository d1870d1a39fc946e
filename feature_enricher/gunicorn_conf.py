"""gunicorn's configuration, read by gunicorn itself: gunicorn -c feature_enricher/gunicorn_conf.py

One process, so that all requests share what is known and one set of connections; replicas make it more.
"""

import logging
import math
import sys

from feature_enricher.access_log import set_level, write_to
from feature_enricher.auth import check_binding
from feature_enricher.settings import load_settings
from feature_enricher.worker import BoundedWorker

settings = load_settings()
wsgi_app = "feature_enricher:create_app()"
# a container listens on all its own addresses; others reach the one that it is published at
check_binding(settings.reached_at, settings.api_keys, settings.allow_open)
bind = f"{settings.host}:{settings.port}"
BoundedWorker.most_in_flight = settings.max_in_flight
worker_class = BoundedWorker
workers = 1
# Idle ones included; more wait to be accepted.
worker_connections = 4096
# Longer than any request lasts within its own time limits: this one only ends a process that hangs.
timeout = 60
# Time for the requests in flight.
graceful_timeout = 1 + math.ceil(settings.deadline_s)
# Longer than the 60 s that load balancers keep idle connections, so that they never meet a closed one.
keepalive = 75
# Otherwise gunicorn opens a socket for remote control in the home folder.
control_socket_disable = True


def post_fork(_server: object, _worker: object) -> None:
    """The application's own log lines go to stderr beside gunicorn's, with a time."""
    logging.basicConfig(format="[%(asctime)s] [%(levelname)s] %(name)s: %(message)s", level=logging.WARNING)
    write_to(sys.stderr)
    set_level(settings.access_log)
