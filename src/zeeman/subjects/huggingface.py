"""Checkpoints of Hugging Face: local folders, and repositories with revisions."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects.checkpoint import Checkpoint
from zeeman.subjects.weights import State, check_weights, damaged, preserved_randomness

_PATTERN = re.compile(r"(?P<head>[^{}]*)\{(?P<body>[^{}]*)\}(?P<tail>[^{}]*)")


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


def factory_of(repo: str, revision: str | None = None) -> Callable[[], nn.Module]:
    """Read the configuration of a repository or local folder, as a picklable maker of its architecture."""
    from transformers import AutoConfig

    with told(repo, revision):
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

    with told(repo, revision), _no_progress_bars(), preserved_randomness():
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
def told(repo: str, revision: str | None = None) -> Iterator[None]:
    """Turn what transformers and the hub's client raise into one sentence.

    They raise errors of the HTTP library, of torch, of safetensors and of zip files, so that nothing narrower than
    Exception would hold for all versions.
    """
    try:
        yield
    except Exception as error:
        if Path(repo).is_dir():
            raise damaged(repo, ValueError(f"{type(error).__name__}: {_first_line(error)}")) from None
        raise ZeemanError(
            f"{_where(repo, revision)} can't be fetched ({type(error).__name__}: {_first_line(error)}); check the "
            "name, the connection and your rights."
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


def open_huggingface(
    repo: str, revisions: str | Sequence[str], load: Callable[[str, str], State] = load_pretrained
) -> tuple[str, tuple[Checkpoint, ...], Callable[[], nn.Module]]:
    """Resolve revisions of a repository, which ``load`` fetches, or subfolders of a local folder."""
    local = Path(repo).expanduser()
    if local.is_dir():
        available = [child.name for child in local.iterdir() if (child / "config.json").exists()]
    else:
        available = _branches(repo)
    names = match_revisions(revisions, available, repo)
    places = [(str(local / name), None) if local.is_dir() else (repo, name) for name in names]
    if local.is_dir():
        check_weights([local / name for name in names])
    found = tuple(
        Checkpoint(step_of(name), partial(load_pretrained if local.is_dir() else load, *place), _where(*place))
        for name, place in zip(names, places, strict=True)
    )
    return local.name, found, factory_of(*places[0])


def _branches(repo: str) -> list[str]:
    from huggingface_hub import HfApi

    with told(repo):
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
