"""open_reader(): the reader of online values for the store that is set."""

import yaml

from feature_store.postgres.reader import PostgresReader
from feature_store.reading import Reader
from feature_store.settings import redis_url
from feature_store.store import FOLDER


def open_reader() -> Reader:
    """Connects to nothing yet. Raises UnusableOnlineStore."""
    url = redis_url()
    if not url:
        return PostgresReader()
    from feature_store.redis.reader import RedisReader  # noqa: PLC0415 - Redis' client is an extra

    return RedisReader(url, _project())


def _project() -> str:
    """Feast's project name, read without waiting for Feast."""
    return str(yaml.safe_load((FOLDER / "feature_store.yaml").read_text())["project"])
