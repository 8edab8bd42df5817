"""Programs as singularities: machines whose code errs, with exact answers.

What needs torch is imported when first used, so that exact answers come at once.
"""

import importlib
from typing import TYPE_CHECKING, Any

from zeeman.programs.automaton import Automaton as Automaton
from zeeman.programs.machine import Machine as Machine
from zeeman.programs.runs import TuringProgram as TuringProgram
from zeeman.programs.singularity import Singularity as Singularity
from zeeman.programs.singularity import singularity as singularity

if TYPE_CHECKING:
    from zeeman.programs.noisy import Corner as Corner
    from zeeman.programs.noisy import NoisyProgram as NoisyProgram
    from zeeman.programs.noisy import OpenSquares as OpenSquares

_WITH_TORCH = {"Corner": "noisy", "NoisyProgram": "noisy", "OpenSquares": "noisy"}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module 'zeeman.programs' has no attribute {name!r}")
    return getattr(importlib.import_module(f"zeeman.programs.{_WITH_TORCH[name]}"), name)
