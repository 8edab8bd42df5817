"""Programs as singularities: machines whose code errs, with exact answers; and the dictionary of what is known.

What needs torch or computer algebra is imported when first used, so that exact answers come at once.
"""

import importlib
from typing import TYPE_CHECKING, Any

from zeeman.programs.automaton import Automaton as Automaton
from zeeman.programs.machine import Machine as Machine
from zeeman.programs.runs import TuringProgram as TuringProgram
from zeeman.programs.singularity import Singularity as Singularity
from zeeman.programs.singularity import singularity as singularity

if TYPE_CHECKING:
    from zeeman.programs.dictionary import Entry as Entry
    from zeeman.programs.dictionary import entries as entries
    from zeeman.programs.dictionary import find as find
    from zeeman.programs.dictionary import search as search
    from zeeman.programs.dictionary_match import Posterior as Posterior
    from zeeman.programs.dictionary_match import Rival as Rival
    from zeeman.programs.dictionary_match import match as match
    from zeeman.programs.measured_singularity import Measured as Measured
    from zeeman.programs.measured_singularity import measured_fields as measured_fields
    from zeeman.programs.noisy import Corner as Corner
    from zeeman.programs.noisy import NoisyProgram as NoisyProgram
    from zeeman.programs.noisy import OpenSquares as OpenSquares

_MODULES = {
    "dictionary": ("Entry", "entries", "find", "search"),
    "dictionary_match": ("Posterior", "Rival", "match"),
    "measured_singularity": ("Measured", "measured_fields"),
    "noisy": ("Corner", "NoisyProgram", "OpenSquares"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zeeman.programs' has no attribute {name!r}")
    return getattr(importlib.import_module(f"zeeman.programs.{_HOME[name]}"), name)
