"""Problems whose learning coefficient is known exactly."""

from zeeman.programs import linear, mixtures, tanh, tms
from zeeman.programs.case import Case as Case

from . import machines, potentials


def all_cases() -> list[Case]:
    """Every case of the zoo."""
    return [case for family in (potentials, linear, tanh, mixtures, machines, tms) for case in family.cases()]
