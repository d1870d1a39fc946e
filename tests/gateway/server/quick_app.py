"""The gateway's server and application with a store and a model that answer at once, for every user:
python -m tests.gateway.server.quick_app PORT"""

import sys
from collections.abc import Callable
from functools import partial
from unittest import mock

from feature_enricher.app import create_app
from feature_enricher.server import asgi
from feature_enricher.server.front import Front
from feature_enricher.server.run import serve
from feature_enricher.settings import load_settings
from tests.gateway.fakes import AllUsersKnown, FakeModel, FixedTarget


def create(is_stopping: Callable[[], bool]) -> Front:
    quick = partial(create_app, features=AllUsersKnown(), targets=FixedTarget(FakeModel()))
    with mock.patch.object(asgi, "create_app", quick):
        return asgi.create(is_stopping)


if __name__ == "__main__":
    serve(f"{__spec__.name}:create", load_settings(), "127.0.0.1", int(sys.argv[1]))
