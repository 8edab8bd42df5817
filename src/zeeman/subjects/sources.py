"""Where series come from: folders of zeeman, folders and repositories of Hugging Face."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import random
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects.checkpoint import Checkpoint

FORMAT, VERSION = "zeeman-series", 1
WEIGHTS = "model.safetensors"

State = dict[str, torch.Tensor]
Opened = tuple[str, tuple[Checkpoint, ...], Callable[[], nn.Module], tuple[dict[str, Any], ...]]

_FOLDER = re.compile(r"(?:checkpoint|step|global_step|iter)[-_]?(\d+)")
_PATTERN = re.compile(r"(?P<head>[^{}]*)\{(?P<body>[^{}]*)\}(?P<tail>[^{}]*)")


@contextlib.contextmanager
def preserved_randomness() -> Iterator[None]:
    """Put the global random generators of Python, numpy and torch (all devices) back as they were.

    Examples
    --------
    >>> before = torch.get_rng_state()
    >>> with preserved_randomness():
    ...     _ = torch.rand(3)
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        # Every device in use: a watch may draw on any of them. A device that was never used has no state to lose.
        used = torch.cuda.is_available() and torch.cuda.is_initialized()
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if used else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def copy_state(state: Mapping[str, torch.Tensor]) -> State:
    """Copy a state dict to the CPU.

    Examples
    --------
    >>> state = {"w": torch.zeros(1)}
    >>> copy_state(state)["w"].add_(1), state["w"]
    (tensor([1.]), tensor([0.]))
    """
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}


def open_folder(path: Path, make_model: Callable[[], nn.Module] | None) -> Opened:
    """Read what a folder of checkpoints holds, without loading weights.

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
    folders = [
        (int(m[1]), child) for child in path.iterdir() if child.is_dir() and (m := _FOLDER.fullmatch(child.name))
    ]
    if not folders:
        raise ZeemanError(
            f"{path} has no checkpoints; expected subfolders such as step00000100 (of zeeman.Recorder), "
            "checkpoint-500 or step1000 (of Hugging Face)."
        )
    folders.sort()
    _check_weights([child for _, child in folders])
    if (path / "series.json").exists():
        return _open_run(path, folders, make_model)
    if all((child / "config.json").exists() for _, child in folders):
        found = tuple(Checkpoint(step, partial(load_pretrained, str(child)), str(child)) for step, child in folders)
        return path.resolve().name, found, make_model or _factory_of(str(folders[0][1])), ()
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


def load_weights(path: Path) -> State:
    """Read one safetensors file.

    Raises
    ------
    ZeemanError
        If it is missing or damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path | str, error: Exception) -> ZeemanError:
    said = " ".join(str(error).split()).rstrip(".")
    return ZeemanError(
        f"{path} is damaged or cut short ({said[:200]}); fetch it again, or delete that checkpoint to go on without it."
    )


def _check_weights(folders: list[Path]) -> None:
    """Read the headers alone, so that a damaged file or another shape is told before hours of work."""
    seen: dict[str, tuple[list[int], Path]] = {}
    for file in (file for child in folders for file in sorted(child.glob("*.safetensors"))):
        try:
            with safe_open(file, "pt") as opened:
                shapes = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise _damaged(file, error) from None
        for name, shape in shapes.items():
            first, where = seen.setdefault(name, (shape, file.parent))
            if first != shape:
                raise ZeemanError(
                    f"The checkpoints are not of one architecture: {name!r} has shape {tuple(first)} in {where} and "
                    f"{tuple(shape)} in {file.parent}; keep one architecture in a folder."
                )


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


def model_from_config(**config: Any) -> nn.Module:
    """Make an untrained Hugging Face model from its configuration, in single precision.

    Parameters
    ----------
    **config
        What ``model.config.to_dict()`` gives: ``model_type``, ``architectures`` and the rest.

    Returns
    -------
    Module
        Of the class that ``architectures`` names, otherwise with a causal language model's head.

    Raises
    ------
    ZeemanError
        If the configuration is not one of transformers'.
    """
    from transformers import AutoConfig

    # The precision in which weights were published is not the one to sample in: small steps would be rounded away.
    kept = {key: value for key, value in config.items() if key not in ("dtype", "torch_dtype", "model_type")}
    try:
        found = AutoConfig.for_model(config.get("model_type", ""), **kept)
        kind = _model_class(found)
        build = getattr(kind, "from_config", None) or kind
        model: nn.Module = build(found).float()
    except (ValueError, TypeError, AttributeError) as error:
        raise ZeemanError(
            f"The configuration with model_type {config.get('model_type')!r} makes no model ({_first_line(error)}); "
            "give make_model."
        ) from None
    return model


def _model_class(config: Any) -> Any:
    """The class of transformers that a configuration names, otherwise the one for causal language models."""
    import transformers

    named = getattr(transformers, (getattr(config, "architectures", None) or [""])[0] or "-", None)
    is_model = inspect.isclass(named) and issubclass(named, transformers.PreTrainedModel)
    return named if is_model else transformers.AutoModelForCausalLM


def _factory_of(repo: str, revision: str | None = None) -> Callable[[], nn.Module]:
    from transformers import AutoConfig

    with _told(repo, revision):
        config = AutoConfig.from_pretrained(repo, revision=revision)
    return partial(model_from_config, **config_dict(config))


def config_dict(config: Any) -> dict[str, Any]:
    """Give a configuration of transformers as plain JSON values, without traces of the machine.

    Examples
    --------
    >>> from transformers import GPT2Config
    >>> config_dict(GPT2Config(n_embd=8))["n_embd"]
    8
    """
    found: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return {key: value for key, value in found.items() if key not in ("_name_or_path", "transformers_version")}


def load_pretrained(repo: str, revision: str | None = None) -> State:
    """Load weights through transformers, in single precision or better.

    Parameters
    ----------
    repo : str
        Repository or local folder.
    revision : str, optional
        Branch of the repository.

    Raises
    ------
    ZeemanError
        If it can't be reached or read, or lacks weights that the architecture needs.
    """
    from transformers import AutoConfig

    with _told(repo, revision), _no_progress_bars(), preserved_randomness():
        config = AutoConfig.from_pretrained(repo, revision=revision)
        model, info = _model_class(config).from_pretrained(repo, revision=revision, output_loading_info=True)
    absent = sorted(map(str, info["missing_keys"])) + [str(key) for key in info.get("mismatched_keys", ())]
    if absent:  # transformers would go on with random weights in their place
        raise ZeemanError(
            f"{_where(repo, revision)} lacks {len(absent)} weights that its architecture needs, such as {absent[0]}; "
            "fetch it again."
        )
    half = (torch.float16, torch.bfloat16)
    return {key: t.float() if t.dtype in half else t for key, t in model.state_dict().items()}


def _where(repo: str, revision: str | None) -> str:
    return repo if revision is None else f"{repo}@{revision}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".:;")[:200]


@contextlib.contextmanager
def _told(repo: str, revision: str | None = None) -> Iterator[None]:
    """Turn what transformers and the hub's client raise into one sentence.

    They raise errors of the HTTP library, of torch, of safetensors and of zip files, so that nothing narrower than
    Exception would hold for all versions.
    """
    try:
        yield
    except Exception as error:
        if Path(repo).is_dir():
            raise _damaged(repo, ValueError(f"{type(error).__name__}: {_first_line(error)}")) from None
        raise ZeemanError(
            f"{_where(repo, revision)} can't be fetched ({type(error).__name__}: {_first_line(error)}); check the name, "
            "the connection and your rights."
        ) from None


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """One bar a checkpoint would bury the examination's own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def open_huggingface(repo: str, revisions: str | Sequence[str]) -> Opened:
    """Resolve revisions of a repository, or subfolders of a local folder; see ``Series.from_huggingface``."""
    local = Path(repo).expanduser()
    if local.is_dir():
        available = [child.name for child in local.iterdir() if (child / "config.json").exists()]
    else:
        available = _branches(repo)
    names = match_revisions(revisions, available, repo)
    places = [(str(local / name), None) if local.is_dir() else (repo, name) for name in names]
    if local.is_dir():
        _check_weights([local / name for name in names])
    found = tuple(
        Checkpoint(step_of(name), partial(load_pretrained, *place), _where(*place))
        for name, place in zip(names, places, strict=True)
    )
    return local.name, found, _factory_of(*places[0]), ()


def _branches(repo: str) -> list[str]:
    from huggingface_hub import HfApi

    with _told(repo):
        refs = HfApi().list_repo_refs(repo)
    return [ref.name for ref in (*refs.branches, *refs.tags)]


def match_revisions(revisions: str | Sequence[str], available: Sequence[str], repo: str) -> list[str]:
    """Choose revisions.

    Parameters
    ----------
    revisions : str or sequence of str
        Names; or a pattern ``step{0..143000}`` for all numbers of that range that exist; or ``step{0,1,512}``.
    available : sequence of str
        What exists.
    repo : str
        For messages.

    Returns
    -------
    list of str
        Ascending in step for a range, otherwise as given.

    Raises
    ------
    ZeemanError
        If a name does not exist, or nothing is in the range.

    Examples
    --------
    >>> match_revisions("step{1..600}", ["main", "step0", "step1", "step512", "step1000"], "repo")
    ['step1', 'step512']
    >>> match_revisions("step{0,512}", ["main", "step0", "step1", "step512"], "repo")
    ['step0', 'step512']
    """
    pattern = _PATTERN.fullmatch(revisions) if isinstance(revisions, str) else None
    bounds = re.fullmatch(r"(\d+)\.\.(\d+)", pattern["body"]) if pattern else None
    if pattern and bounds:
        name = re.compile(re.escape(pattern["head"]) + r"(\d+)" + re.escape(pattern["tail"]))
        numbers = {int(m[1]): one for one in available if (m := name.fullmatch(one))}
        wanted = [numbers[n] for n in sorted(numbers) if int(bounds[1]) <= n <= int(bounds[2])]
    elif pattern:
        wanted = [pattern["head"] + part.strip() + pattern["tail"] for part in pattern["body"].split(",")]
    else:
        wanted = [revisions] if isinstance(revisions, str) else list(revisions)
    missing = [one for one in wanted if one not in available]
    if missing or not wanted:
        raise ZeemanError(
            f"{repo} has no revision {missing[0] if missing else revisions}; it has {_shortened(available)}."
        )
    return wanted


def _shortened(names: Sequence[str]) -> str:
    shown = sorted(names, key=lambda name: (len(name), name))
    if len(shown) > 12:
        shown = [*shown[:8], "…", *shown[-3:]]
    return ", ".join(shown) or "none"


def step_of(revision: str) -> int:
    """Read the training step in the name of a revision.

    Raises
    ------
    ZeemanError
        If it has none.

    Examples
    --------
    >>> step_of("step1000-tokens4B"), step_of("checkpoint-500"), step_of("stage1-step20")
    (1000, 500, 20)
    """
    found = re.search(r"(?:step|checkpoint|iter)[-_]?(\d+)", revision) or re.search(r"(\d+)\D*$", revision)
    if not found:
        raise ZeemanError(f"The revision {revision!r} does not say its step; choose revisions such as step1000.")
    return int(found[1])
