"""Libraries that installed packages publish, and how a library is named."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.probes.library import Library

GROUP = "zeeman.probes"


def published_libraries() -> dict[str, EntryPoint]:
    """The libraries that installed packages publish, by name.

    A package publishes one by an entry point of the group ``zeeman.probes``, in its ``pyproject.toml``::

        [project.entry-points."zeeman.probes"]
        my-library = "my_package:library"

    where the object is a `Library`, the path of a library's folder, or a function without arguments that gives either.

    Returns
    -------
    dict of str to EntryPoint
        Sorted by name; ``dist`` of each tells the package.
    """
    found = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return {point.name: point for point in found}


def open_library(source: str | os.PathLike[str]) -> Library:
    """Open a library by its folder, or by the name under which an installed package publishes it.

    Parameters
    ----------
    source : path or str
        A folder comes before a name.

    Returns
    -------
    Library

    Raises
    ------
    ZeemanError
        If there is no such folder or name, or what is published is no library.
    """
    name = os.fspath(source)
    if Path(name).exists() or os.sep in name:
        return Library.from_folder(name)
    published = published_libraries()
    if name not in published:
        known = ", ".join(published) or "none"
        raise ZeemanError(
            f"expected the folder of a library or the name of one that a package publishes, got {name!r}; "
            f"check the path. Published: {known}."
        )
    return _loaded(published[name])


def _loaded(point: EntryPoint) -> Library:
    package = point.dist.name if point.dist else point.module
    try:
        held: Any = point.load()
        made = held() if callable(held) else held
    except ZeemanError:
        raise
    except Exception as error:  # another package's code may fail in any way
        raise ZeemanError(f"the library {point.name} of {package} could not be loaded: {error!r:.200}.") from error
    if isinstance(made, Library):
        return made
    if isinstance(made, str | os.PathLike):
        return Library.from_folder(made)
    raise ZeemanError(
        f"{package} publishes {point.name} as a library, but {point.value} is of type {type(made).__name__}; expected "
        "a Library, the path of its folder, or a function that gives either."
    )
