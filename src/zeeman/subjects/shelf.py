"""Revisions of a repository on a disk that does not hold them all: fetched, read, and evicted."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zeeman.errors import ZeemanError
from zeeman.subjects.huggingface import load_pretrained, told
from zeeman.subjects.weights import State

_WHOLE = "whole"
_WAIT_SECONDS = 0.1


@dataclass(frozen=True)
class Shelf:
    """A folder that keeps fetched revisions within a number of bytes; the longest unused goes first.

    Several processes may share it: a revision stays while one reads it, and fetches wait for one another.

    Parameters
    ----------
    folder : Path
        Made if it does not exist; nothing else should be in it.
    budget : int
        Bytes.

    Examples
    --------
    >>> Shelf(Path("/var/cache/zeeman"), 20 * 10**9).place("lab/tiny", "step100").name
    'lab--tiny@step100'
    """

    folder: Path
    budget: int

    def place(self, repo: str, revision: str) -> Path:
        """Where a revision is kept."""
        return self.folder / f"{repo}@{revision}".replace("/", "--")

    def load(self, repo: str, revision: str) -> State:
        """Give the weights of a revision, fetching it where it is not kept.

        Raises
        ------
        ZeemanError
            If it can't be fetched or read, or is larger than the budget.
        """
        with self._held(repo, revision) as place:
            return load_pretrained(str(place))

    @contextmanager
    def _held(self, repo: str, revision: str) -> Iterator[Path]:
        """The folder of a revision, whole, which nobody evicts meanwhile."""
        place = self.place(repo, revision)
        place.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with _locked(place, fcntl.LOCK_SH):
                if (place / _WHOLE).exists():
                    os.utime(place / _WHOLE)
                    yield place
                    return
            with _locked(self.folder / "fetch", fcntl.LOCK_EX), _locked(place, fcntl.LOCK_EX):
                if not (place / _WHOLE).exists():
                    self._fetch(repo, revision, place)

    def _fetch(self, repo: str, revision: str, place: Path) -> None:
        from huggingface_hub import HfApi, hf_hub_download

        shutil.rmtree(place, ignore_errors=True)
        with told(repo, revision):
            files = HfApi().model_info(repo, revision=revision, files_metadata=True).siblings or []
        wanted = wanted_files({file.rfilename: file.size or 0 for file in files})
        self._make_room(sum(wanted.values()), f"{repo}@{revision}")
        with told(repo, revision):
            for name in wanted:
                hf_hub_download(repo, name, revision=revision, local_dir=place)
        (place / _WHOLE).touch()

    def _make_room(self, size: int, what: str) -> None:
        """Evict until so many bytes fit; what is being read is waited for."""
        if size > self.budget:
            raise ZeemanError(
                f"{what} takes {size / 1e9:.3g} GB, more than the {self.budget / 1e9:.3g} GB of disk that it may; "
                "allow more."
            )
        while self._used() + size > self.budget:
            kept = sorted(self.folder.glob(f"*/{_WHOLE}"), key=lambda marker: marker.stat().st_mtime_ns)
            if not any(_evict(marker.parent) for marker in kept):
                self._sweep()
                time.sleep(_WAIT_SECONDS)

    def _sweep(self) -> None:
        """Remove what a killed fetch left; fetches hold a lock, so that there is no other."""
        for place in self.folder.iterdir():
            if place.is_dir() and not (place / _WHOLE).exists():
                _evict(place)

    def _used(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def cache_folder() -> Path:
    """Where revisions are kept: ``$XDG_CACHE_HOME/zeeman/revisions``, by default in ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zeeman" / "revisions"


def wanted_files(sizes: dict[str, int]) -> dict[str, int]:
    """Choose the files of a revision that a load needs: configurations and one form of the weights.

    Examples
    --------
    >>> wanted_files({"config.json": 1, "model.safetensors": 9, "pytorch_model.bin": 9, "tf_model.h5": 9})
    {'config.json': 1, 'model.safetensors': 9}
    """
    top = {name: size for name, size in sizes.items() if "/" not in name}
    heads = ("model", "pytorch_model")
    for ending in (".safetensors", ".bin"):
        weights = {name: size for name, size in top.items() if name.endswith(ending) and name.startswith(heads)}
        if weights:
            break
    settings = {name: size for name, size in top.items() if name.endswith(".json") and "token" not in name}
    return settings | weights


def _evict(place: Path) -> bool:
    """Remove a revision unless someone reads it."""
    try:
        with _locked(place, fcntl.LOCK_EX | fcntl.LOCK_NB):
            # The marker first: a kill in between must not leave a folder that passes for whole.
            (place / _WHOLE).unlink(missing_ok=True)
            shutil.rmtree(place)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _locked(place: Path, how: int) -> Iterator[None]:
    with open(place.with_name(f".{place.name}.lock"), "w") as handle:
        fcntl.flock(handle, how)
        yield
