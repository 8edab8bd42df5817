"""Mistakes of the user, each told in one sentence."""


class ZeemanError(Exception):
    """An expected error: one sentence with what was expected, what came, and what to do.

    The command line prints it without a traceback and exits with status 2.

    Examples
    --------
    >>> str(ZeemanError("lr must be a positive finite number, got -1.0; try 1e-4."))
    'lr must be a positive finite number, got -1.0; try 1e-4.'
    """
