"""Which of libpq's variables hold for the stack's own PostgreSQL; the others are meant for another server.

STREAMFLOW_POSTGRES=embedded: the server is at 127.0.0.1:PGPORT, without TLS. It is made with PGUSER, PGPASSWORD and
PGDATABASE. All others would lead its clients elsewhere, or change what they are told: they are taken out of the
environment of every process, and one line names them.
STREAMFLOW_POSTGRES=external: the address is the user's, and libpq reads what it reads.
"""

from collections.abc import Mapping, MutableMapping

from configuration import names
from rollout import loopback

EMBEDDED = "embedded"
OURS = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE")
WITHOUT_TLS = ("disable", "allow", "prefer")
UNCHANGED = {"PGAPPNAME", "PGCONNECT_TIMEOUT"}
# libpq's others; tests/local_stack/test_own_server.py compares them with what libpq says it reads
FOREIGN = (
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
    """The same values; the embedded server's are those it was started with (`running`), where it runs."""
    if values["STREAMFLOW_POSTGRES"] != EMBEDDED:
        return dict(values)
    merged = {**values, **{name: running[name] for name in OURS if name in running}}
    sslmode = merged["PGSSLMODE"] if merged["PGSSLMODE"] in WITHOUT_TLS else "prefer"
    return {**merged, "PGHOST": names.LOOPBACK, "PGSSLMODE": sslmode}


def login_fault(values: Mapping[str, str]) -> str | None:
    """What is wrong with the role's name or password; None when nothing is. Shows no password."""
    for name in ("PGUSER", "PGPASSWORD"):
        value = values[name]
        shown = "" if name == "PGPASSWORD" else f"={value!r}"
        if any(ord(character) < ord(" ") for character in value):
            return f"{name}{shown} has a line break or another control character in it. Give one without"
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"{name}{shown} is not UTF-8. Give one that is"
    return None


def keep_others_out(values: Mapping[str, str], environment: MutableMapping[str, str]) -> str | None:
    """Takes out what is meant for another server. Returns the line that says so; None when there was nothing."""
    if values["STREAMFLOW_POSTGRES"] != EMBEDDED:
        return None
    told = [*(_described(name, environment[name]) for name in OURS if _differs(values, environment, name)),
            *(name for name in FOREIGN if name in environment)]  # fmt: skip
    for name in FOREIGN:
        environment.pop(name, None)
    environment.update({name: values[name] for name in OURS if name in environment})
    if not told:
        return None
    where = f"{names.LOOPBACK}:{values['PGPORT']}"
    return (
        f"Ignored, because the stack runs its own PostgreSQL at {where} (STREAMFLOW_POSTGRES=embedded): "
        f"{', '.join(told)}. To use another server: STREAMFLOW_POSTGRES=external"
    )


def without_others(values: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    left = dict(environment)
    keep_others_out(values, left)
    return left


def _differs(values: Mapping[str, str], environment: Mapping[str, str], name: str) -> bool:
    given = environment.get(name, values[name])
    return given != values[name] and not (name == "PGHOST" and is_loopback(given))


def _described(name: str, value: str) -> str:
    return name if name == "PGPASSWORD" else f"{name}={value!r}"
