"""Planted truth for the spectroscopy of transformers: grammars with known modes, models trained on them, a baseline."""
