"""Mistakes of the user, each told in one sentence."""


class ZeemanError(Exception):
    """An expected error: one sentence with what was expected, what came, and what to do.

    The command line prints it without a traceback and exits with status 2.

    Examples
    --------
    >>> str(ZeemanError("lr must be a positive finite number, got -1.0; try 1e-4."))
    'lr must be a positive finite number, got -1.0; try 1e-4.'
    """


class NothingToRead(ZeemanError):
    """What was sampled shows nothing of the kind that was asked for: a verdict on it, and no mistake of the user.

    Examples
    --------
    >>> isinstance(NothingToRead("the chains of all 2 components diverged at step 10; lower lr."), ZeemanError)
    True
    """
