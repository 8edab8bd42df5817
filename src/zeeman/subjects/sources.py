"""Folders of checkpoints: what zeeman.Recorder wrote, and what Hugging Face did."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import typing
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects.checkpoint import Checkpoint
from zeeman.subjects.huggingface import factory_of, load_pretrained
from zeeman.subjects.huggingface import model_from_config as model_from_config
from zeeman.subjects.weights import WEIGHTS, check_weights, load_weights

FORMAT, VERSION = "zeeman-series", 1

Opened = tuple[str, tuple[Checkpoint, ...], Callable[[], nn.Module], tuple[dict[str, Any], ...]]

_FOLDER = re.compile(r"(?:checkpoint|step|global_step|iter)[-_]?(\d+)")


def checkpoint_folders(path: Path) -> list[tuple[int, Path]]:
    """Find the subfolders that are named as checkpoints are, by step; a step may occur under two names."""
    inside = [(_FOLDER.fullmatch(child.name), child) for child in path.iterdir() if child.is_dir()]
    return sorted((int(match[1]), child) for match, child in inside if match)


def open_folder(path: Path, make_model: Callable[[], nn.Module] | None, only: Collection[Path] | None = None) -> Opened:
    """Read what a folder of checkpoints holds, without loading weights.

    Parameters
    ----------
    path : Path
    make_model : callable or None
    only : collection of Path or None
        Subfolders to take; None: all.

    Returns
    -------
    name, checkpoints, make_model, record
        As :class:`~zeeman.subjects.Series` takes them.

    Raises
    ------
    ZeemanError
        If there is no such folder, it has no checkpoints, a file is damaged, or shapes differ.
    """
    if not path.is_dir():
        raise ZeemanError(f"Expected a folder of checkpoints, but {path} is not a folder; check the path.")
    folders = [(step, child) for step, child in checkpoint_folders(path) if only is None or child in only]
    if not folders:
        raise ZeemanError(
            f"{path} has no checkpoints; expected subfolders such as step00000100 (of zeeman.Recorder), "
            "checkpoint-500 or step1000 (of Hugging Face)."
        )
    check_weights([child for _, child in folders])
    if (path / "series.json").exists():
        return _open_run(path, folders, make_model)
    if all((child / "config.json").exists() for _, child in folders):
        found = tuple(Checkpoint(step, partial(load_pretrained, str(child)), str(child)) for step, child in folders)
        return path.resolve().name, found, make_model or factory_of(str(folders[0][1])), ()
    if make_model is None:
        raise ZeemanError(
            f"{path} says neither by series.json nor by a config.json in every checkpoint what the architecture is; "
            "give make_model."
        )
    return path.resolve().name, _plain(folders), make_model, read_record(path / "record.jsonl")


def _open_run(path: Path, folders: list[tuple[int, Path]], make_model: Callable[[], nn.Module] | None) -> Opened:
    try:
        about = json.loads((path / "series.json").read_text())
        known = about["format"] == FORMAT and about["version"] == VERSION
        name, factory, config = about["name"], about["factory"], about["config"]
    except (ValueError, KeyError, TypeError) as error:
        raise ZeemanError(
            f"{path / 'series.json'} is not what zeeman.Recorder writes ({error!r}); restore it."
        ) from None
    if not known:
        raise ZeemanError(
            f"{path / 'series.json'} has format {about['format']!r} version {about['version']!r}, expected {FORMAT!r} "
            f"version {VERSION}; use the zeeman that wrote it."
        )
    if make_model is None and factory is None:
        raise ZeemanError(f"{path} was recorded without a factory; give make_model, which makes its architecture.")
    make = make_model or partial(find_factory(factory), **config)
    return name, _plain(folders), make, read_record(path / "record.jsonl")


def _plain(folders: list[tuple[int, Path]]) -> tuple[Checkpoint, ...]:
    """Checkpoints of one safetensors file each."""
    for _, child in folders:
        if not (child / WEIGHTS).exists():
            raise ZeemanError(f"{child} has no {WEIGHTS}; restore it, or delete the folder to go on without it.")
    return tuple(Checkpoint(step, partial(load_weights, child / WEIGHTS), str(child)) for step, child in folders)


def read_record(path: Path) -> tuple[dict[str, Any], ...]:
    """Read what the live device wrote; a torn last line, left by a killed training, is ignored.

    Parameters
    ----------
    path : Path
        A ``record.jsonl``; need not exist.

    Returns
    -------
    tuple of dict
        ``{"step", "loss", "signals", "saved"}`` each.

    Raises
    ------
    ZeemanError
        If another line is not such an object; names it.
    """
    if not path.exists():
        return ()
    lines = path.read_text(errors="replace").split("\n")
    found = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except ValueError:
            if number == len(lines):
                break
            row = None
        if not _is_news(row):
            raise ZeemanError(
                f"Line {number} of {path} is not what zeeman.Recorder writes: expected an object with an integer step, "
                "a loss, signals and saved; mend or delete that line."
            )
        found.append(row)
    return tuple(found)


def _is_news(row: object) -> bool:
    """Whether a line of the record has the right fields and types."""
    if not isinstance(row, dict) or type(row.get("step")) is not int or not isinstance(row.get("saved"), bool):
        return False
    signals = row.get("signals")
    values = [row.get("loss"), *(signals.values() if isinstance(signals, dict) else [True])]
    return all(value is None or type(value) in (int, float) for value in values)


def find_factory(name: str) -> Callable[..., nn.Module]:
    """Import the function that a recorded series names as the maker of its architecture.

    Only a module class, or a function annotated to return one, is taken: a folder that came from
    elsewhere must not be able to call whatever it likes.

    Parameters
    ----------
    name : str
        ``module:function``.

    Raises
    ------
    ZeemanError
        If there is no such function, or it is not annotated to return a ``torch.nn.Module``.

    Examples
    --------
    >>> find_factory("torch.nn:Linear")(2, 3)
    Linear(in_features=2, out_features=3, bias=True)
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ZeemanError(
            f"The factory {name!r} can't be imported ({error}); make it importable, or give make_model."
        ) from None
    made = found
    if not inspect.isclass(found):
        try:
            made = typing.get_type_hints(found).get("return")
        except (TypeError, NameError):
            made = None
    if not (inspect.isclass(made) and issubclass(made, nn.Module)):
        raise ZeemanError(
            f"The factory {name!r} must be a torch.nn.Module class or a function annotated to return one "
            "(-> torch.nn.Module); annotate it, or give make_model."
        )
    factory: Callable[..., nn.Module] = found
    return factory
