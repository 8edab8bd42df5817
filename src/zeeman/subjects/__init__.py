"""What is examined: checkpoints, series of them, components of a network, and the live device that records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeeman.subjects.checkpoint import Checkpoint as Checkpoint
from zeeman.subjects.component import Component as Component
from zeeman.subjects.component import list_components as list_components
from zeeman.subjects.component import resolve_component as resolve_component
from zeeman.subjects.potential import Potential as Potential
from zeeman.subjects.recorder import Recorder as Recorder
from zeeman.subjects.series import Series as Series
from zeeman.subjects.verification import Flag as Flag
from zeeman.subjects.verification import Verification as Verification

if TYPE_CHECKING:
    from zeeman.subjects.callback import RecorderCallback as RecorderCallback
    from zeeman.subjects.lightning import LightningRecorder as LightningRecorder


def __getattr__(name: str) -> Any:
    """Import callbacks, and with them the trainers that they are for, only when they are asked for."""
    if name == "RecorderCallback":
        from zeeman.subjects.callback import RecorderCallback

        return RecorderCallback
    if name == "LightningRecorder":
        from zeeman.subjects.lightning import LightningRecorder

        return LightningRecorder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
