"""Sampler settings as a TOML file: what a calibration writes and an examination takes."""

from __future__ import annotations

import os
import secrets
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.examination.unit import SamplerSettings


def write_settings(path: Path, settings: SamplerSettings, comments: Sequence[str] = ()) -> Path:
    """Write settings, with comments above them, whole or not at all.

    Raises
    ------
    ZeemanError
        If the place can't be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_settings(Path(folder) / "run.toml", SamplerSettings(lr=2e-4), ["A reason."])
    ...     read_settings(file)["lr"]
    0.0002
    """
    notes = [f"# {line}" for comment in comments for line in comment.splitlines()]
    values = [f"{name} = {_shown(value)}" for name, value in asdict(settings).items()]
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("\n".join([*notes, *values, ""]), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ZeemanError(f"could not write {path} ({error.strerror}); choose another path.") from error
    return path


def read_settings(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file; names that are not there keep their defaults.

    Raises
    ------
    ZeemanError
        If the file can't be read, is no TOML, or holds a name or a kind of value that no setting has.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ZeemanError(f"could not read the settings in {path} ({error.strerror}); name a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ZeemanError(f"the settings in {path} are no TOML ({error}); write lines such as lr = 0.001.") from error
    kinds = {item.name: type(item.default) for item in fields(SamplerSettings)}
    unknown = sorted(set(found) - set(kinds))
    if unknown:
        raise ZeemanError(
            f"unknown settings in {path}: {', '.join(unknown)}; take them out, the settings are {', '.join(kinds)}."
        )
    for name, value in found.items():
        fits = isinstance(value, (int, float) if kinds[name] is float else kinds[name]) and not isinstance(value, bool)
        if not fits:
            raise ZeemanError(
                f"{name} in {path} must be of kind {kinds[name].__name__}, got {value!r}; write one that is."
            )
    return found


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
