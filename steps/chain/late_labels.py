"""A file of labels that come after their month: who may be in it, and whether it is right."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from steps import warehouse
from steps.cli import progress
from steps.month import files
from steps.month.csv_text import TextFile
from steps.month.files import CheckedLabels


def check(file: Path, as_of: date) -> CheckedLabels:
    """Raises FaultyMonth."""
    with progress.timed(f"check {file.name}"), progress.bar("check") as advance:
        return files.read_labels(file, as_of, _allowed_users(file, as_of), advance)


def _allowed_users(file: Path, as_of: date) -> pa.Array:
    """The month's users, and those of the file who were erased: their labels are left out."""
    users, unknown = warehouse.users_of(as_of), list[str]()
    if not warehouse.any_erased():
        return users
    for chunk in TextFile(file, list(files.FILES["labels"].columns)).chunks():
        ids = chunk.rows["user_id"]
        unknown += ids.filter(pc.invert(pc.is_in(ids, value_set=users))).to_pylist()
    return pa.concat_arrays([users, pa.array(warehouse.erased_among(unknown), pa.string())])
