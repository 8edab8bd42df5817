"""The built-in library of probes, with a concept card for each."""

from zeeman.probes.builtin.cards import Card as Card
from zeeman.probes.builtin.cards import builtin_cards as builtin_cards
from zeeman.probes.builtin.cards import find_card as find_card
from zeeman.probes.builtin.cards import find_probes as find_probes
from zeeman.probes.builtin.library import builtin_library as builtin_library
from zeeman.probes.builtin.pairs import minimal_pairs as minimal_pairs
