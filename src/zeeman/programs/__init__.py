"""Programs as singularities: machines whose code errs, with exact answers."""

from zeeman.programs.automaton import Automaton as Automaton
from zeeman.programs.machine import Machine as Machine
from zeeman.programs.runs import TuringProgram as TuringProgram
from zeeman.programs.singularity import Singularity as Singularity
from zeeman.programs.singularity import singularity as singularity
