"""What changes along a training run: change points, pulses of rate, transitions. Arrays in, dataclasses out."""

from zeeman.phases.bimodality import binder as binder
from zeeman.phases.bimodality import dip as dip
from zeeman.phases.bimodality import dip_p_value as dip_p_value
from zeeman.phases.collapse import Collapse as Collapse
from zeeman.phases.collapse import collapse_quality as collapse_quality
from zeeman.phases.collapse import fit_collapse as fit_collapse
from zeeman.phases.competition import Competition as Competition
from zeeman.phases.competition import compete as compete
from zeeman.phases.competition import critical_n as critical_n
from zeeman.phases.competition import phase_weight as phase_weight
from zeeman.phases.matching import Match as Match
from zeeman.phases.matching import match_windows as match_windows
from zeeman.phases.order import Evidence as Evidence
from zeeman.phases.order import Order as Order
from zeeman.phases.order import Sweep as Sweep
from zeeman.phases.order import judge_order as judge_order
from zeeman.phases.pulses import Pulse as Pulse
from zeeman.phases.pulses import find_pulses as find_pulses
from zeeman.phases.segmentation import Segmentation as Segmentation
from zeeman.phases.segmentation import choose_segments as choose_segments
from zeeman.phases.segmentation import extra_variance as extra_variance
from zeeman.phases.segmentation import segment as segment
from zeeman.phases.transitions import Transition as Transition
from zeeman.phases.transitions import group as group
