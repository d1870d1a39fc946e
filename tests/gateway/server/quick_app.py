"""The gateway's server and application with a store and a model that answer at once, for every user:
python -m tests.gateway.server.quick_app PORT"""

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from unittest import mock

from feature_enricher.server.run import serve
from feature_enricher.settings import load_settings

if TYPE_CHECKING:
    from feature_enricher.server.front import Front


def create(is_stopping: Callable[[], bool]) -> "Front":
    # in the worker process: prometheus_client must not be imported before the processes share its folder
    from feature_enricher.app import create_app  # noqa: PLC0415
    from feature_enricher.server import asgi  # noqa: PLC0415
    from tests.gateway.fakes import AllUsersKnown, FakeModel, FixedTarget  # noqa: PLC0415

    quick = partial(create_app, features=AllUsersKnown(), targets=FixedTarget(FakeModel()))
    with mock.patch.object(asgi, "create_app", quick):
        return asgi.create(is_stopping)


if __name__ == "__main__":
    serve(f"{__spec__.name}:create", load_settings(), "127.0.0.1", int(sys.argv[1]))
