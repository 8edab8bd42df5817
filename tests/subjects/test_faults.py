"""A smaller version of benchmarks/series_faults.py: all planted faults are found, and sound series raise no alarm."""

from __future__ import annotations

from benchmarks.series_faults import RECIPES, clean_series, detection


def test_every_planted_fault_is_found_and_nothing_in_sound_series() -> None:
    chosen = tuple(RECIPES[place] for place in (0, 3, 18))
    found = detection(clean_series(chosen, seed=7), each=1, seed=7)
    assert found["false alarms"] == {}
    assert found["clean series"] == 11
    assert found["faults"] > 150
    assert found["missed"] == []
