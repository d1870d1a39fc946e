"""PostgreSQL's write-ahead log stays small after a large month."""

from local_stack.database import postgres
from local_stack.settings import Settings

MB = 1 << 20
LARGEST_MB = 320  # max_wal_size, plus the writes during a checkpoint


def test_the_log_stays_bounded_after_a_large_load(server: Settings) -> None:
    connection = postgres.connect_as_superuser(server, server["PGDATABASE"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
        [(before,)] = cursor.fetchall()
        cursor.execute("CREATE TABLE large AS SELECT n, md5(n::text) AS a, md5((-n)::text) AS b"
                       " FROM generate_series(1, 3600000) AS n")  # fmt: skip
        cursor.execute("DROP TABLE large")
        cursor.execute("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", (before,))
        [(written,)] = cursor.fetchall()
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT sum(size) FROM pg_ls_waldir()")
        [(kept,)] = cursor.fetchall()
    connection.close()
    assert int(written) > LARGEST_MB * MB
    assert int(kept) < LARGEST_MB * MB
