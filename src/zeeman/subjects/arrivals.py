"""Checkpoints as they arrive in a folder: which are whole, and what keeps the others."""

from __future__ import annotations

import json
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from zeeman.errors import ZeemanError
from zeeman.subjects.sources import checkpoint_folders
from zeeman.subjects.weights import WEIGHTS, header_shapes

Signature = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class Look:
    """What stands in a folder at one moment.

    Parameters
    ----------
    whole : dict of Path
        Folder of each checkpoint that can be read, by step.
    unsettled : dict of str
        A sentence for each place that has changed since the look before.
    faults : dict of str
        A sentence for each other place that can't be used.
    signatures : dict of tuple
        Sizes and times of the files of each whole checkpoint, by step: weights are the same while it is.
    """

    whole: dict[int, Path]
    unsettled: dict[Path, str]
    faults: dict[Path, str]
    signatures: dict[int, Signature]


class Arrivals:
    """Looks at a folder again and again, and tells which checkpoints are whole.

    A checkpoint counts once all files that it names are there, none is shorter than its header says, and nothing in
    its folder has changed since the look before. Times of files are compared with themselves alone, so that clocks that
    disagree do no harm; the order is that of steps.

    Parameters
    ----------
    folder : path
        Need not be there yet.

    Examples
    --------
    >>> import tempfile, torch
    >>> from safetensors.torch import save_file
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "step10").mkdir()
    >>> save_file({"weight": torch.zeros(3)}, folder / "step10" / "model.safetensors")
    >>> arrivals = Arrivals(folder)
    >>> list(arrivals.look().whole), list(arrivals.look().whole)
    ([], [10])
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        self._seen: dict[Path, Signature] = {}
        self._known: dict[tuple[Path, Signature], dict[str, list[int]] | str] = {}

    def look(self) -> Look:
        """Look once.

        Returns
        -------
        Look
            Empty, with a fault, while the folder is not there.
        """
        try:
            found = checkpoint_folders(self.folder)
            if fault := _fault_of_series(self.folder):
                return Look({}, {}, {self.folder / "series.json": fault}, {})
            signatures = {child: _signature(child) for _, child in found}
        except OSError as error:  # a checkpoint may also vanish while it is looked at
            return Look({}, {}, {self.folder: f"{self.folder} can't be read now ({error.strerror})."}, {})
        before, self._seen = self._seen, signatures
        unsettled, faults, shapes = {}, {}, {}
        for _, child in found:
            if before.get(child) != signatures[child]:
                unsettled[child] = f"{child.name} may not be whole yet."
            elif isinstance(known := self._contents(child, signatures[child]), str):
                faults[child] = known
            else:
                shapes[child] = known
        faults |= _twice(found) | _other_shapes(shapes)
        whole = {step: child for step, child in found if child in shapes and child not in faults}
        return Look(whole, unsettled, faults, {step: signatures[child] for step, child in whole.items()})

    def _contents(self, child: Path, signature: Signature) -> dict[str, list[int]] | str:
        """Shapes by name, as far as headers tell them, or a sentence that says what is missing."""
        key = child, signature
        if key not in self._known:
            try:
                lacking = _lacking(child, (self.folder / "series.json").exists())
                self._known[key] = f"{child.name} is not whole: {lacking}." if lacking else header_shapes(child)
            except (ZeemanError, OSError, ValueError):
                self._known[key] = f"{child.name} is not whole: a file is cut short."
        return self._known[key]


def _signature(folder: Path) -> Signature:
    files = [(str(path.relative_to(folder)), path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    # Copies often keep the time of the last write; the time of the last change is the system's own.
    return tuple((name, found.st_size, found.st_mtime_ns, found.st_ctime_ns) for name, found in files)


def _fault_of_series(folder: Path) -> str:
    path = folder / "series.json"
    try:
        if path.exists():
            json.loads(path.read_text())
    except ValueError:
        return f"{path} is no JSON, or not whole yet."
    return ""


def _lacking(folder: Path, recorded: bool) -> str:
    """What a checkpoint lacks, or nothing; a file that is no JSON raises."""
    names = {child.name for child in folder.iterdir()}
    if recorded:
        return "" if WEIGHTS in names else f"it has no {WEIGHTS}"
    if "config.json" in names:
        json.loads((folder / "config.json").read_text())
    indices = sorted(name for name in names if name.endswith((".safetensors.index.json", ".bin.index.json")))
    parts = {part for name in indices for part in json.loads((folder / name).read_text())["weight_map"].values()}
    if absent := sorted(parts - names):
        return f"it has no {absent[0]}"
    held = parts or {name for name in names if name.endswith(".safetensors") or name == "pytorch_model.bin"}
    if not held:
        return "it has no weights"
    if not parts and any("-of-" in name for name in held):
        return "the index of its parts is missing"
    cut = [name for name in sorted(held) if name.endswith(".bin") and not zipfile.is_zipfile(folder / name)]
    return f"{cut[0]} is cut short" if cut else ""


def _twice(found: list[tuple[int, Path]]) -> dict[Path, str]:
    """Steps under two names, of which neither can be preferred."""
    places = defaultdict[int, list[Path]](list)
    for step, child in found:
        places[step].append(child)
    return {
        child: f"Step {step} is there twice, in {' and in '.join(c.name for c in children)}; remove one."
        for step, children in places.items()
        if len(children) > 1
        for child in children
    }


def _other_shapes(shapes: dict[Path, dict[str, list[int]]]) -> dict[Path, str]:
    """Checkpoints of another architecture than most."""
    kinds = {child: json.dumps(known, sort_keys=True) for child, known in shapes.items() if known}
    common = Counter(kinds.values()).most_common(1)
    return {
        child: f"{child.name} has other tensors than most checkpoints; it is left out."
        for child, kind in kinds.items()
        if kind != common[0][0]
    }
