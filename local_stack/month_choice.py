"""Which month the chain has to run for, if any.

A stack that has a month is brought up as it is, unless data is named.
"""

from dataclasses import dataclass
from pathlib import Path

from local_stack import chain
from local_stack.chain import Month
from local_stack.database import loaded
from local_stack.settings import ROOT, Settings, StackError
from steps.month.digest import MADE_UP, files_sha256

SAMPLES = ROOT / "data" / "sample"  # where the entry point sample_months writes, unless told otherwise


@dataclass(frozen=True)
class Asked:
    """What `make up` and `make run` were given. Without data and as_of: whatever is there, else made-up months."""

    data: Path | None = None
    as_of: str | None = None
    mix: bool = False

    @property
    def names_a_month(self) -> bool:
        return self.data is not None or self.as_of is not None

    @property
    def folder(self) -> Path:
        return self.data or SAMPLES

    @property
    def lacks_samples(self) -> bool:
        """True when the months asked for are the made-up ones, and they are not made yet."""
        return self.folder == SAMPLES and not (SAMPLES / "month_000").is_dir()

    def check(self) -> None:
        """A wrong DATA or AS_OF is reported before anything starts. Raises StackError."""
        if self.names_a_month and not self.lacks_samples:
            chain.month_of(self.folder, self.as_of)

    def month(self) -> Month:
        return chain.month_of(self.folder, self.as_of)


def asked(data: str | None, as_of: str | None, *, mix: bool) -> Asked:
    """Raises StackError for a DATA that is not a folder."""
    folder = Path(data).expanduser().resolve() if data else None
    if folder and folder != SAMPLES and not folder.is_dir():
        what = "is a file, not a folder" if folder.is_file() else "is not a folder"
        raise StackError(f"DATA={data}: {folder} {what}. Give the folder that holds month_000, month_001, …")
    return Asked(folder, as_of or None, mix)


def month_to_run(settings: Settings, experiment: str, request: Asked) -> Month | None:
    """The month that the chain has to run for; None when the stack is complete as it is. Prints why.

    Raises StackError when the months asked for are not there.
    """
    there = loaded.months(settings)
    if request.names_a_month or not there:
        return _unless_done(settings, experiment, request.month(), there)
    print(f"  months        {loaded.described(there)}", flush=True)
    serving = chain.production_version(settings)
    print(f"  Production    {f'version {serving}' if serving else 'no version'}", flush=True)
    return None if serving else _interrupted_samples(settings, experiment, there)


def _unless_done(settings: Settings, experiment: str, month: Month, there: list[loaded.LoadedMonth]) -> Month | None:
    sha256 = files_sha256(month.folder)
    holds = any(one.as_of == month.as_of and one.files_sha256 == sha256 for one in there)
    if holds and chain.is_finished(settings, experiment, month) and chain.production_version(settings):
        print(
            f"  {month.folder.name} as of {month.as_of}: the chain has run for these files; nothing to do", flush=True
        )
        return None
    return month


def _interrupted_samples(settings: Settings, experiment: str, there: list[loaded.LoadedMonth]) -> Month | None:
    """January of our own samples, when it alone was loaded and its chain did not come to an end."""
    if any(one.origin != MADE_UP for one in there) or not (SAMPLES / "month_000").is_dir():
        return None
    month = chain.month_of(SAMPLES, None)
    same = [one for one in there if one.as_of == month.as_of and one.files_sha256 == files_sha256(month.folder)]
    if not same or chain.is_finished(settings, experiment, month):
        return None
    print(
        f"  {month.folder.name} as of {month.as_of}: made up, and its chain was interrupted; it is run again",
        flush=True,
    )
    return month
