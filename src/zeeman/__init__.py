"""A spectroscope for neural networks.

The names here are the public ones; they are imported when first used, so that ``import zeeman`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zeeman.console import write_report as write_report
    from zeeman.errors import ZeemanError as ZeemanError
    from zeeman.examination import LLC as LLC
    from zeeman.examination import Ablations as Ablations
    from zeeman.examination import Bands as Bands
    from zeeman.examination import Behaviours as Behaviours
    from zeeman.examination import Density as Density
    from zeeman.examination import Device as Device
    from zeeman.examination import Examination as Examination
    from zeeman.examination import HessianSpectrum as HessianSpectrum
    from zeeman.examination import Order as Order
    from zeeman.examination import SamplerSettings as SamplerSettings
    from zeeman.examination import Store as Store
    from zeeman.examination import Susceptibilities as Susceptibilities
    from zeeman.examination import calibrate_series as calibrate_series
    from zeeman.examination import document as document
    from zeeman.examination import examine as examine
    from zeeman.examination import examine_potential as examine_potential
    from zeeman.probes import Library as Library
    from zeeman.probes import Probe as Probe
    from zeeman.probes import builtin_cards as builtin_cards
    from zeeman.probes import builtin_library as builtin_library
    from zeeman.probes import minimal_pairs as minimal_pairs
    from zeeman.probes import text_probe as text_probe
    from zeeman.programs import Automaton as Automaton
    from zeeman.programs import Machine as Machine
    from zeeman.programs import NoisyProgram as NoisyProgram
    from zeeman.programs import TuringProgram as TuringProgram
    from zeeman.programs import singularity as singularity
    from zeeman.reading import Provenance as Provenance
    from zeeman.reading import Reading as Reading
    from zeeman.reading import Verdict as Verdict
    from zeeman.sampling import BAOAB as BAOAB
    from zeeman.sampling import HMC as HMC
    from zeeman.sampling import MALA as MALA
    from zeeman.sampling import SGLD as SGLD
    from zeeman.sampling import Ladder as Ladder
    from zeeman.sampling import LocalPosterior as LocalPosterior
    from zeeman.sampling import PreconditionedSGLD as PreconditionedSGLD
    from zeeman.sampling import RMSPropSGLD as RMSPropSGLD
    from zeeman.sampling import Schedule as Schedule
    from zeeman.sampling import extrapolate as extrapolate
    from zeeman.sampling import run_chain as run_chain
    from zeeman.sampling import run_chains as run_chains
    from zeeman.sampling import run_components as run_components
    from zeeman.sampling import run_ladder as run_ladder
    from zeeman.spectra import density_of_states as density_of_states
    from zeeman.spectra import fit_asymptotics as fit_asymptotics
    from zeeman.spectra import observable_exponent as observable_exponent
    from zeeman.subjects import Checkpoint as Checkpoint
    from zeeman.subjects import Component as Component
    from zeeman.subjects import LightningRecorder as LightningRecorder
    from zeeman.subjects import Potential as Potential
    from zeeman.subjects import Recorder as Recorder
    from zeeman.subjects import RecorderCallback as RecorderCallback
    from zeeman.subjects import Series as Series

_ROOMS = {
    "console": ("write_report",),
    "errors": ("ZeemanError",),
    "examination": (
        "LLC",
        "Ablations",
        "Bands",
        "Behaviours",
        "Density",
        "Device",
        "Examination",
        "HessianSpectrum",
        "Order",
        "SamplerSettings",
        "Store",
        "Susceptibilities",
        "calibrate_series",
        "document",
        "examine",
        "examine_potential",
    ),
    "probes": ("Library", "Probe", "builtin_cards", "builtin_library", "minimal_pairs", "text_probe"),
    "programs": ("Automaton", "Machine", "NoisyProgram", "TuringProgram", "singularity"),
    "reading": ("Provenance", "Reading", "Verdict"),
    "sampling": (
        "BAOAB",
        "HMC",
        "MALA",
        "SGLD",
        "Ladder",
        "LocalPosterior",
        "PreconditionedSGLD",
        "RMSPropSGLD",
        "Schedule",
        "extrapolate",
        "run_chain",
        "run_chains",
        "run_components",
        "run_ladder",
    ),
    "spectra": ("density_of_states", "fit_asymptotics", "observable_exponent"),
    "subjects": ("Checkpoint", "Component", "LightningRecorder", "Potential", "Recorder", "RecorderCallback", "Series"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zeeman' has no attribute {name!r}")
    return getattr(importlib.import_module(f"zeeman.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
