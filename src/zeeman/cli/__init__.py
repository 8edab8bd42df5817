"""The command line: the only room, with the console, that talks to people."""

from __future__ import annotations

import os
import sys

from cyclopts import CycloptsError

from zeeman.cli import bands as bands
from zeeman.cli import calibrate as calibrate
from zeeman.cli import classify as classify
from zeeman.cli import corpus as corpus
from zeeman.cli import density as density
from zeeman.cli import dictionary as dictionary
from zeeman.cli import dictionary_match as dictionary_match
from zeeman.cli import examine as examine
from zeeman.cli import germ as germ
from zeeman.cli import influence as influence
from zeeman.cli import pattern as pattern
from zeeman.cli import probe_sources as probe_sources
from zeeman.cli import probes as probes
from zeeman.cli import program as program
from zeeman.cli import series as series
from zeeman.cli import store as store
from zeeman.cli import watch as watch
from zeeman.cli.app import app
from zeeman.errors import ZeemanError


def main() -> None:
    """Run the command line; a mistake of the user is one sentence on stderr and status 2."""
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False, error_formatter=str)
    except (ZeemanError, CycloptsError) as error:
        print(f"zeeman: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:  # the reader, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("zeeman: stopped; run the same command again, and it goes on from there.", file=sys.stderr)
        raise SystemExit(130) from None
