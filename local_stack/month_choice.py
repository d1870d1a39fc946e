"""Chooses the month to run the chain for: none if the stack has a month and no data is named."""

from dataclasses import dataclass
from pathlib import Path

from local_stack import chain
from local_stack.chain import Month
from local_stack.database import loaded_months
from local_stack.settings import ROOT, Settings, StackError
from steps.month.digest import MADE_UP, files_sha256

SAMPLES = ROOT / "data" / "sample"  # the default folder of the entry point sample_months


@dataclass(frozen=True)
class MonthRequest:
    """The arguments of `make up` and `make run`. Without data and as_of: the loaded months, else made-up ones."""

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
    def needs_samples(self) -> bool:
        """True if the requested months are the made-up ones and do not exist yet."""
        return self.folder == SAMPLES and not (SAMPLES / "month_000").is_dir()

    def check(self) -> None:
        """Raises StackError for a wrong DATA or AS_OF, before anything starts."""
        if self.names_a_month and not self.needs_samples:
            self.month()

    def month(self) -> Month:
        return chain.month_of(self.folder, self.as_of)


def parse_request(data: str | None, as_of: str | None, *, mix: bool) -> MonthRequest:
    """Raises StackError if DATA is not a folder."""
    folder = Path(data).expanduser().resolve() if data else None
    if folder and folder != SAMPLES and not folder.is_dir():
        reason = "is a file, not a folder" if folder.is_file() else "does not exist"
        raise StackError(f"DATA={data}: {folder} {reason}. Name the folder with month_000, month_001, …")
    return MonthRequest(folder, as_of or None, mix)


def month_to_run(settings: Settings, experiment: str, request: MonthRequest) -> Month | None:
    """The month to run the chain for; None if the stack already has everything. Prints why.

    Raises StackError if the requested month is missing.
    """
    months = loaded_months.list_months(settings)
    if request.names_a_month or not months:
        return _unless_done(settings, experiment, request.month(), months)
    print(f"  months        {loaded_months.describe(months)}", flush=True)
    serving = chain.production_version(settings)
    print(f"  Production    {f'version {serving}' if serving else 'no version'}", flush=True)
    return None if serving else _interrupted_samples(settings, experiment, months)


def _unless_done(
    settings: Settings, experiment: str, month: Month, months: list[loaded_months.LoadedMonth]
) -> Month | None:
    if (
        _is_loaded(month, months)
        and chain.is_finished(settings, experiment, month)
        and chain.production_version(settings)
    ):
        print(f"  {month.folder.name} as of {month.as_of}: the chain has already run for these files", flush=True)
        return None
    return month


def _interrupted_samples(settings: Settings, experiment: str, months: list[loaded_months.LoadedMonth]) -> Month | None:
    """January of the made-up months, if only made-up months are loaded and its chain did not finish."""
    if any(loaded.origin != MADE_UP for loaded in months) or not (SAMPLES / "month_000").is_dir():
        return None
    month = chain.month_of(SAMPLES, None)
    if not _is_loaded(month, months) or chain.is_finished(settings, experiment, month):
        return None
    print(f"  {month.folder.name} as of {month.as_of}: made up; its chain was interrupted and runs again", flush=True)
    return month


def _is_loaded(month: Month, months: list[loaded_months.LoadedMonth]) -> bool:
    """True if exactly these files are loaded."""
    sha256 = files_sha256(month.folder)
    return any(loaded.as_of == month.as_of and loaded.files_sha256 == sha256 for loaded in months)
