"""Which of libpq's variables apply to the stack's own PostgreSQL; the shell's others are meant for another server.

STREAMFLOW_POSTGRES=embedded: the server is at 127.0.0.1:PGPORT, without TLS, created with PGUSER, PGPASSWORD and
PGDATABASE. All others would lead its clients elsewhere or change its answers: they are removed from the environment of
every process, and one line names them.
STREAMFLOW_POSTGRES=external: the server is the user's, and libpq reads all its variables.
"""

from collections.abc import Mapping, MutableMapping

from configuration import names, passwords
from rollout import loopback

EMBEDDED = "embedded"
OWN = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE")
WITHOUT_TLS = ("disable", "allow", "prefer")
UNCHANGED = {"PGAPPNAME", "PGCONNECT_TIMEOUT"}
# libpq's others; tests/local_stack/test_libpq_variables.py compares them with libpq's own list
IGNORED = (
    "PGCHANNELBINDING", "PGCLIENTENCODING", "PGDATESTYLE", "PGGEQO", "PGGSSDELEGATION", "PGGSSENCMODE", "PGGSSLIB",
    "PGHOSTADDR", "PGKRBSRVNAME", "PGLOADBALANCEHOSTS", "PGMAXPROTOCOLVERSION", "PGMINPROTOCOLVERSION", "PGOPTIONS",
    "PGPASSFILE", "PGREQUIREAUTH", "PGREQUIREPEER", "PGREQUIRESSL", "PGSERVICE", "PGSERVICEFILE", "PGSSLCERT",
    "PGSSLCERTMODE", "PGSSLCOMPRESSION", "PGSSLCRL", "PGSSLCRLDIR", "PGSSLKEY", "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION", "PGSSLNEGOTIATION", "PGSSLROOTCERT", "PGSSLSNI", "PGSYSCONFDIR", "PGTARGETSESSIONATTRS",
    "PGTZ",
)  # fmt: skip


def is_loopback(host: str) -> bool:
    return host in ("", *loopback.HOSTS)


def address(values: Mapping[str, str], running: Mapping[str, str]) -> dict[str, str]:
    """`values`, with the address and login of the running embedded server (`running`), if there is one."""
    if values["STREAMFLOW_POSTGRES"] != EMBEDDED:
        return dict(values)
    merged = {**values, **{name: running[name] for name in OWN if name in running}}
    sslmode = merged["PGSSLMODE"] if merged["PGSSLMODE"] in WITHOUT_TLS else "prefer"
    return {**merged, "PGHOST": names.LOOPBACK, "PGSSLMODE": sslmode}


def login_error(values: Mapping[str, str]) -> str | None:
    """The error in PGUSER or a password, or None. Never shows the password."""
    for name in ("PGUSER", *passwords.NAMES):
        value = values.get(name, "")
        shown = f"={value!r}" if name == "PGUSER" else ""
        if any(ord(character) < ord(" ") for character in value):
            return f"{name}{shown} contains a line break or another control character, which is not allowed"
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"{name}{shown} is not UTF-8. Use UTF-8"
    return None


def drop_ignored(values: Mapping[str, str], environment: MutableMapping[str, str]) -> str | None:
    """Remove variables meant for another server. Returns a line that names them, or None."""
    if values["STREAMFLOW_POSTGRES"] != EMBEDDED:
        return None
    dropped = [*(_described(name, environment[name]) for name in OWN if _differs(values, environment, name)),
               *(name for name in IGNORED if name in environment)]  # fmt: skip
    for name in IGNORED:
        environment.pop(name, None)
    environment.update({name: values[name] for name in OWN if name in environment})
    if not dropped:
        return None
    server = f"{names.LOOPBACK}:{values['PGPORT']}"
    return (
        f"Ignored, because the stack runs its own PostgreSQL at {server} (STREAMFLOW_POSTGRES=embedded): "
        f"{', '.join(dropped)}. To use another server: STREAMFLOW_POSTGRES=external"
    )


def without_ignored(values: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    kept = dict(environment)
    drop_ignored(values, kept)
    return kept


def _differs(values: Mapping[str, str], environment: Mapping[str, str], name: str) -> bool:
    value = environment.get(name, values[name])
    return value != values[name] and not (name == "PGHOST" and is_loopback(value))


def _described(name: str, value: str) -> str:
    return name if name == "PGPASSWORD" else f"{name}={value!r}"
