"""Folders exchanged for their successors: all of them, or none when something fails meanwhile."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def folders_exchanged(folders: Sequence[tuple[Path, Path]]) -> Iterator[None]:
    """Each (successor, place): the successor in its place; where there is none, nothing is left there.

    The old ones are in place again when the block fails, and gone when it ends well.
    """
    for successor, place in folders:  # beside it first: another file system may be in between
        _clean(place)
        if successor.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(successor, _beside(place, "restored"))
    places = [place for _successor, place in folders]
    try:
        for place in places:
            _rename(place, _beside(place, "replaced"))
            _rename(_beside(place, "restored"), place)
        yield
    except BaseException:
        for place in places:
            _undo(place)
        raise
    finally:
        for place in places:
            _clean(place)


def _undo(place: Path) -> None:
    if _beside(place, "replaced").exists():
        _rename(place, _beside(place, "restored"))
        _rename(_beside(place, "replaced"), place)


def _clean(place: Path) -> None:
    for word in ("restored", "replaced"):
        shutil.rmtree(_beside(place, word), ignore_errors=True)


def _beside(place: Path, word: str) -> Path:
    return place.with_name(f".{place.name}.{word}")


def _rename(old: Path, new: Path) -> None:
    with suppress(FileNotFoundError):
        old.rename(new)
