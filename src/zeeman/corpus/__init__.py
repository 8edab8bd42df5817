"""Text by domain, from packages by name: what probes and training runs on real text are made of."""

from zeeman.corpus.build import Corpus as Corpus
from zeeman.corpus.build import build_corpus as build_corpus
from zeeman.corpus.domains import DOMAINS as DOMAINS
from zeeman.corpus.domains import find_domains as find_domains
from zeeman.corpus.installed import build_subset as build_subset
