"""One examination as one HTML file that needs no network: the drawing is in ``assets``, the data stands beside it."""

from __future__ import annotations

import html
import json
import math
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError

_SCRIPTS = (
    "marks.js",
    "steps.js",
    "density.js",
    "maps.js",
    "tokens.js",
    "bands.js",
    "ladders.js",
    "tables.js",
    "calibration.js",
    "dictionary.js",
    "report.js",
)
_SLOT = re.compile(r"<!--zeeman:(\w+)-->|/\*zeeman:(\w+)\*/")


def render_report(document: Mapping[str, Any]) -> str:
    r"""Render a report document as one self-contained HTML page.

    The page fetches nothing: style, script and data are inlined, and its content security policy forbids the rest.
    Every part of the document may be missing, null or empty; its panel then says so in a sentence.

    Parameters
    ----------
    document : mapping
        JSON-able figures: ``title``, ``created``, ``headline``, ``series``, ``training``, ``transitions``, ``llc``,
        ``density``, ``hessian``, ``behaviours``, ``susceptibility``, ``bands``, ``health``, ``provenance``, and
        ``dictionary`` where it is wanted; ``calibration`` is drawn alone, and so is ``dictionary`` without a series.
        Non-finite numbers are written as null.

    Returns
    -------
    str
        The page; the document can be read back from its ``<script type="application/json" id="document">``.

    Raises
    ------
    ZeemanError
        If the document holds something that JSON cannot.

    Examples
    --------
    >>> page = render_report({"title": "a </script> in a title"})
    >>> page.startswith("<!doctype html>"), "http" + "://" in page
    (True, False)
    >>> r"a \u003c/script> in a title" in page
    True
    """
    slots = {
        "title": html.escape(str(document.get("title") or "zeeman report")),
        "style": _asset("report.css"),
        "script": "\n".join(_asset(name) for name in _SCRIPTS),
        "document": _encode(document),
    }
    # One pass, so that a slot's name inside the data is left alone.
    return _SLOT.sub(lambda found: slots[found[1] or found[2]], _asset("report.html"))


def write_report(document: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write the rendered page, whole or not at all.

    Parameters
    ----------
    document : mapping
        As for `render_report`.
    path : path-like
        Where the page goes; missing folders are made, an older page is replaced.

    Returns
    -------
    Path
        The absolute path of the page.

    Raises
    ------
    ZeemanError
        If the document is not JSON-able or the place cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report({"title": "empty"}, Path(folder) / "report.html").name
    'report.html'
    """
    page = render_report(document)
    target = Path(path).absolute()
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_through(partial, page)
        os.replace(partial, target)
    except OSError as error:
        raise ZeemanError(
            f"The report needs a place it can write to, got {target} ({error.strerror}); choose another path."
        ) from error
    finally:
        _discard(partial)
    return target


def _write_through(path: Path, text: str) -> None:
    """Write and flush to the disk: a full disk must show before the old page is replaced."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _discard(partial: Path) -> None:
    """Remove what a failed write left; where nothing can be written nothing was left."""
    try:
        partial.unlink(missing_ok=True)
    except OSError:
        return


def _asset(name: str) -> str:
    return (resources.files("zeeman.console") / "assets" / name).read_text(encoding="utf-8")


def _encode(document: Mapping[str, Any]) -> str:
    """JSON that no HTML parser can leave: every ``<`` is escaped, which also covers ``</`` and ``<!--``."""
    try:
        text = json.dumps(_finite(document), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ZeemanError(
            f"A report document must be made of JSON values, but {str(error)[:1].lower()}{str(error)[1:]}; "
            "convert it to plain lists, numbers and strings."
        ) from error
    return text.replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    """The same value with null for numbers that JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_finite(item) for item in value]
    return value
