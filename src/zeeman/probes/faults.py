"""What is wrong with a file that does not parse, by line and field."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from zeeman.errors import ZeemanError

_FIELD = re.compile(r'"([^"\\]{1,40})"\s*:')


def parse_row(where: str, line: bytes) -> dict[str, Any]:
    """Parse a line of a probe's file.

    Parameters
    ----------
    where : str
        File and line, for errors.
    line : bytes

    Returns
    -------
    dict

    Raises
    ------
    ZeemanError
        If it is no JSON object, or has a field twice.

    Examples
    --------
    >>> parse_row("a.jsonl, line 3", b'{"tokens": [1, 2')
    Traceback (most recent call last):
    zeeman.errors.ZeemanError: a.jsonl, line 3: expected a JSON object such as {"tokens": [5, 3]}, got no JSON in field
    'tokens': Expecting ',' delimiter at character 16.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise ZeemanError(f"{where}: field {name!r} is there twice; leave one.")
        return dict(pairs)

    try:
        row = json.loads(line.decode("utf-8-sig"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        at, reason = _place(error, line)
        before = _FIELD.findall(line[:at].decode("utf-8", "replace"))
        raise ZeemanError(
            f'{where}: expected a JSON object such as {{"tokens": [5, 3]}}, got no JSON in field '
            f"{before[-1] if before else 'tokens'!r}: {reason} at character {at}."
        ) from error
    if not isinstance(row, dict):
        raise ZeemanError(
            f"{where}: expected a JSON object with the field 'tokens', such as "
            f'{{"tokens": [5, 3]}}, got {brief(row)}.'
        )
    return row


def _place(error: Exception, text: bytes) -> tuple[int, str]:
    """Where parsing stopped, and why."""
    if isinstance(error, json.JSONDecodeError):
        return error.pos, error.msg
    if isinstance(error, UnicodeDecodeError):
        return error.start, f"no UTF-8 ({error.reason})"
    return len(text), "too deeply nested, or a number too long,"


def syntax_error(file: object, content: bytes, error: Exception) -> ZeemanError:
    r"""Tell line and field of what a TOML parser gave up on.

    Examples
    --------
    >>> str(syntax_error("l.toml", b"a = 1\nb = ", ValueError("Invalid value (at end of document)")))
    "l.toml: expected TOML in UTF-8, got a syntax error in line 2, field 'b': Invalid value."
    """
    if isinstance(error, UnicodeDecodeError):
        number, reason = content[: error.start].count(b"\n") + 1, f"no UTF-8 ({error.reason})"
    else:
        found = re.search(r"at line (\d+)", str(error))
        number = int(found[1]) if found else content.rstrip().count(b"\n") + 1
        reason = re.sub(r" \(at [^()]*\)$", "", str(error))
    line = [*content.decode("utf-8", "replace").split("\n"), ""][number - 1]
    field = line.partition("=")[0].strip()[:40]
    return ZeemanError(
        f"{file}: expected TOML in UTF-8, got a syntax error in line {number}, field {field!r}: {reason}."
    )


def header_keys(line: str) -> tuple[str, ...]:
    r"""Read the keys of a table's header; none where it is no line of its own.

    Examples
    --------
    >>> header_keys('[probes."a\\u002Db"] # mine')
    ('probes', 'a-b')
    """
    keys: list[str] = []
    try:
        content: Any = tomllib.loads(line)
    except (ValueError, RecursionError):
        return ()
    while isinstance(content, dict) and len(content) == 1:
        ((key, content),) = content.items()
        keys.append(key)
    return tuple(keys)


def brief(value: object) -> str:
    """Show a value as JSON, in at most 60 characters."""
    shown = json.dumps(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
