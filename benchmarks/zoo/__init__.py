"""Problems whose learning coefficient is known exactly."""

from . import linear, machines, mixtures, potentials, tanh, tms
from .case import Case as Case


def all_cases() -> list[Case]:
    """Every case of the zoo."""
    return [case for family in (potentials, linear, tanh, mixtures, machines, tms) for case in family.cases()]
