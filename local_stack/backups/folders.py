"""Swaps folders for restored ones: all of them, or none if something fails."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def folders_swapped(folders: Sequence[tuple[Path, Path]]) -> Iterator[None]:
    """Move each (restored, target) folder to its target; without a restored folder, the target is removed.

    The old folders are put back if the block fails, and deleted if it succeeds.
    """
    for restored, target in folders:  # next to the target first: it may be on another file system
        _clean(target)
        if restored.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(restored, _sibling(target, "restored"))
    targets = [target for _restored, target in folders]
    try:
        for target in targets:
            _rename(target, _sibling(target, "replaced"))
            _rename(_sibling(target, "restored"), target)
        yield
    except BaseException:
        for target in targets:
            _undo(target)
        raise
    finally:
        for target in targets:
            _clean(target)


def _undo(target: Path) -> None:
    if _sibling(target, "replaced").exists():
        _rename(target, _sibling(target, "restored"))
        _rename(_sibling(target, "replaced"), target)


def _clean(target: Path) -> None:
    for suffix in ("restored", "replaced"):
        shutil.rmtree(_sibling(target, suffix), ignore_errors=True)


def _sibling(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{suffix}")


def _rename(old: Path, new: Path) -> None:
    with suppress(FileNotFoundError):
        old.rename(new)
