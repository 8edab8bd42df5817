"""Keys: the same for the same numbers, another for anything that could change them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.examination import SamplerSettings, Unit
from zeeman.examination import unit as unit_module
from zeeman.examination.unit import Method, union
from zeeman.sampling import BAOAB, HMC, MALA, SGLD, PreconditionedSGLD, RMSPropSGLD

BASE = Unit("loaded", 10, "weights", "l0h1", 2, SamplerSettings(), "data", (("text", "a"),))
OTHERS = {
    "kind": "unloaded",
    "weights": "other",
    "component": "full",
    "chain": 3,
    "data": "other",
    "observed": (("text", "b"),),
    "matched": ("key",),
    **{
        f"settings.{name}": value
        for name, value in {
            "lr": 1e-5,
            "n_beta": 7.0,
            "localization": 3.0,
            "num_draws": 11,
            "num_burnin_steps": 1,
            "num_steps_bw_draws": 5,
            "batch_size": 4,
            "method": "rmsprop_sgld",
            "seed": 9,
        }.items()
    },
}


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_changes_the_numbers_changes_the_key(name: str) -> None:
    field, _, inner = name.partition(".")
    value = replace(BASE.settings, **{inner: OTHERS[name]}) if inner else OTHERS[name]
    assert replace(BASE, **{field: value}).key != BASE.key


def test_a_key_stays_until_the_version_of_the_sampler_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replace(BASE).chain_key == "65adad66191c5e7339f94828"
    # Nothing but the version sets a key apart from that of the first stores.
    monkeypatch.setattr(unit_module, "SAMPLER_VERSION", 1)
    assert replace(BASE).chain_key == "fb2e420903a8f70617910049"


@pytest.mark.parametrize(
    ("method", "sampler"),
    [
        ("sgld", SGLD(5e-4)),
        ("rmsprop_sgld", RMSPropSGLD(5e-4)),
        ("preconditioned_sgld", PreconditionedSGLD(5e-4, 75)),
        ("baoab", BAOAB(5e-4)),
        ("mala", MALA(5e-4, 75)),
        ("hmc", HMC(5e-4, 75)),
    ],
)
def test_a_method_names_its_sampler_and_whoever_adapts_does_so_in_the_burn_in(method: Method, sampler: object) -> None:
    settings = SamplerSettings(method=method)
    assert settings.sampler == sampler
    assert settings.gradients_a_step == (10 if method == "hmc" else 1)


def test_a_metric_that_cannot_be_learnt_is_refused_before_anything_runs() -> None:
    with pytest.raises(ZeemanError, match="needs num_burnin_steps of at least 1"):
        SamplerSettings(method="preconditioned_sgld", num_burnin_steps=0)


def test_the_number_of_chains_does_not_change_a_chain() -> None:
    assert replace(BASE, settings=SamplerSettings(num_chains=9)).key == BASE.key


def test_what_is_observed_does_not_change_the_walk() -> None:
    assert replace(BASE, observed=()).chain_key == BASE.chain_key


names = st.lists(st.sampled_from("abcdef"), unique=True)


@given(st.lists(st.tuples(st.integers(0, 2), names), min_size=1))
def test_union_covers_every_need_once(needs: list[tuple[int, list[str]]]) -> None:
    units = [replace(BASE, chain=c, observed=tuple((n, n) for n in observed)) for c, observed in needs]
    merged = union(units)
    assert len({u.chain_key for u in merged}) == len(merged)
    held = {u.chain_key: set(u.observed) for u in merged}
    assert all(set(u.observed) <= held[u.chain_key] for u in units)
    assert sum(map(len, held.values())) == len({(u.chain, o) for u in units for o in u.observed})


@pytest.mark.parametrize(
    ("field", "value"),
    [(f, v) for f in ("lr", "n_beta", "localization") for v in (-1.0, float("nan"), float("inf"))]
    + [("lr", 0.0), ("n_beta", 0.0), ("num_chains", 1), ("num_draws", 0), ("batch_size", 0), ("method", "nuts")],
)
def test_senseless_settings_are_refused_in_one_sentence(field: str, value: object) -> None:
    with pytest.raises(ZeemanError, match=field) as caught:
        SamplerSettings(**{field: value})
    assert str(caught.value).count(". ") == 0
