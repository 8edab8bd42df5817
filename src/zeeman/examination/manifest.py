"""What a store was made for: ``examination.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from zeeman.errors import ZeemanError
from zeeman.examination.files import Damaged, sealed, unsealed

NAME = "examination.json"


class Manifest(BaseModel):
    """What ``examination.json`` holds; from version 2 on, it and every reading have a checksum."""

    format: str = "zeeman-examination"
    version: int = 2
    series: str
    library: str
    weights: dict[int, str]
    probes: dict[str, str]

    @property
    def content(self) -> bytes:
        """The file, with its checksum."""
        return sealed(self.model_dump(mode="json"))

    def beside(self, held: Manifest, location: object) -> Manifest:
        """Join the weights and probes that a store at some place holds, or refuse when they are others."""
        _refuse_other(location, "checkpoint at step", held.weights, self.weights)
        _refuse_other(location, "probe named", held.probes, self.probes)
        both = {"weights": held.weights | self.weights, "probes": held.probes | self.probes}
        return self.model_copy(update=both)


def read_manifest(folder: Path, location: Path | str) -> Manifest | None:
    """Read the manifest in the folder of a store that stands at some place; None if there is none.

    Raises
    ------
    ZeemanError
        If it is not what was written, or no manifest.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        raw = path.read_bytes()
        found = Manifest.model_validate(unsealed(raw, required=False))
        unsealed(raw, required=found.version > 1)
    except ValidationError as error:
        raise ZeemanError(
            f"{path} is not the manifest of an examination ({error.error_count()} faults); "
            "restore it or choose another folder."
        ) from None
    except ValueError as error:
        raise Damaged(NAME, location, error) from error
    return found


def _refuse_other(location: object, what: str, mine: Mapping[Any, str], theirs: Mapping[Any, str]) -> None:
    for key in mine.keys() & theirs.keys():
        if mine[key] != theirs[key]:
            raise ZeemanError(f"{location} was made for another {what} {key}; examine into another folder.")
