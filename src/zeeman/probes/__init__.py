"""What is asked of a network: probes, libraries of them, the built-in library and that of the demo."""

from zeeman.probes.builtin import Card as Card
from zeeman.probes.builtin import builtin_cards as builtin_cards
from zeeman.probes.builtin import builtin_library as builtin_library
from zeeman.probes.builtin import find_card as find_card
from zeeman.probes.builtin import minimal_pairs as minimal_pairs
from zeeman.probes.demo import CONTEXT as CONTEXT
from zeeman.probes.demo import HELD_OUT_PERIODS as HELD_OUT_PERIODS
from zeeman.probes.demo import TRAINING_PERIODS as TRAINING_PERIODS
from zeeman.probes.demo import VOCABULARY as VOCABULARY
from zeeman.probes.demo import demo_library as demo_library
from zeeman.probes.demo import held_out_text as held_out_text
from zeeman.probes.demo import repeat_windows as repeat_windows
from zeeman.probes.demo import standard_library_text as standard_library_text
from zeeman.probes.demo import text_windows as text_windows
from zeeman.probes.demo import training_text as training_text
from zeeman.probes.demo import training_windows as training_windows
from zeeman.probes.encoding import Encoder as Encoder
from zeeman.probes.encoding import make_encoder as make_encoder
from zeeman.probes.entry_points import open_library as open_library
from zeeman.probes.entry_points import published_libraries as published_libraries
from zeeman.probes.foils import Foils as Foils
from zeeman.probes.library import Library as Library
from zeeman.probes.probe import Probe as Probe
from zeeman.probes.text_probe import text_probe as text_probe
