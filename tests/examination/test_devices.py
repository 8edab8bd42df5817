"""What devices make of chains that left the finite numbers."""

from __future__ import annotations

import numpy as np

from zeeman.examination.devices import susceptibility_figures


def test_a_diverged_chain_takes_with_it_only_what_it_enters() -> None:
    rng = np.random.default_rng(0)
    energies, everything = rng.normal(size=(2, 3, 2, 40))
    fine = susceptibility_figures(energies, everything)
    assert all(np.isfinite(value).all() for value, *_ in fine.values())
    everything[:, 1, 7:] = np.inf
    for name, (value, error, _) in susceptibility_figures(energies, everything).items():
        expected = np.full(2, np.nan) if name == "shift" else fine[name][0]
        np.testing.assert_array_equal(value, expected)
        assert np.isfinite(error).all() == (name != "shift")
    energies[:, 0, 3:] = np.nan
    assert all(np.isnan(value).all() for value, *_ in susceptibility_figures(energies, everything).values())
