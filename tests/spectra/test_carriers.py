"""Errors of means between rows, ranks, and what two readings of a band say together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zeeman.errors import ZeemanError
from zeeman.spectra import respond
from zeeman.spectra.behaviour import mean_between_rows
from zeeman.spectra.carriers import ONE_ROW, band_response, carriers
from zeeman.spectra.ranks import rank_agreement
from zeeman.spectra.stretches import ONE_CHAIN

ROWS = np.repeat(np.arange(30), 8)


def clustered(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Tokens with a part that all of a row share: spread 1 between rows, 1 within."""
    shared = rng.normal(size=(*shape, 30))
    return np.repeat(shared, 8, axis=-1) + rng.normal(size=(*shape, 240))


def test_the_error_of_a_mean_is_its_spread_over_samples_though_tokens_of_a_row_go_together() -> None:
    means, errors = mean_between_rows(clustered(np.random.default_rng(0), 4000), ROWS)
    assert math.isclose(means.std(), math.sqrt((1 + 1 / 8) / 30), rel_tol=0.03)
    assert math.isclose(math.sqrt((errors**2).mean()), means.std(), rel_tol=0.03)


def test_of_single_tokens_it_is_the_textbook_error() -> None:
    values = np.random.default_rng(1).normal(size=50)
    mean, error = mean_between_rows(values, np.arange(50))
    assert math.isclose(error, stats.sem(values), rel_tol=1e-12)
    assert math.isclose(mean, values.mean(), rel_tol=1e-12)


def test_the_error_of_token_agreement_is_its_spread_over_samples() -> None:
    rng = np.random.default_rng(2)
    one = clustered(rng, 600)
    other = one + 1.5 * clustered(rng, 600)
    names = [str(i) for i in range(600)]
    found = carriers(names, one, np.ones_like(one), other, ROWS, np.arange(240))
    by_scipy = [stats.spearmanr(a, b).statistic for a, b in zip(one[:5], other[:5], strict=True)]
    assert np.allclose(found.token_agreement[:5], by_scipy, atol=1e-12)
    size = math.sqrt((found.token_agreement_se**2).mean())
    assert math.isclose(size, found.token_agreement.std(), rel_tol=0.1)


@given(st.integers(3, 5), st.integers(0, 10**6))
def test_ranks_of_few_values_have_the_exact_chance(n: int, seed: int) -> None:
    one, other = np.random.default_rng(seed).normal(size=(2, n))
    found = rank_agreement(one, other)
    exact = stats.permutation_test(
        (one,), lambda x: stats.spearmanr(x, other).statistic, permutation_type="pairings", n_resamples=math.inf
    )
    assert math.isclose(found.value, exact.statistic, abs_tol=1e-12)
    assert math.isclose(found.p, exact.pvalue, rel_tol=1e-9)


def test_of_many_values_the_drawn_chance_is_the_asymptotic_one() -> None:
    one, noise = np.random.default_rng(3).normal(size=(2, 60))
    other = 0.3 * one + noise
    found, asymptotic = rank_agreement(one, other), stats.spearmanr(one, other)
    assert math.isclose(found.value, asymptotic.statistic, abs_tol=1e-12)
    assert abs(found.p - asymptotic.pvalue) < 4 * math.sqrt(asymptotic.pvalue / 9999) + 0.005
    assert rank_agreement(one, other) == found
    assert math.isnan(rank_agreement(one, np.ones(60)).value)


def test_two_readings_agree_differ_and_stay_silent() -> None:
    rng = np.random.default_rng(4)
    strength = {"both": (-0.5, 0.4), "answers": (0.5, 0.0), "needed": (0.0, 0.4), "idle": (0.0, 0.0)}
    response, ablation = (
        np.array([[level[i]] for level in strength.values()]) + 0.1 * rng.normal(size=(4, 240)) for i in (0, 1)
    )
    ablation[3] = 0.0
    found = carriers(list(strength), response, np.full((4, 240), 0.1), ablation, ROWS, np.arange(40, 200))
    assert found.evidence == ("both", "response only", "ablation only", "neither")
    assert found.reason == ""
    assert math.isnan(found.token_agreement[3])
    assert np.allclose(found.response, response[:, 40:200].mean(axis=1))


def test_signs_may_differ_where_sizes_agree() -> None:
    ablation = np.linspace(0.1, 0.9, 9)[:, None] * np.ones(240)
    found = carriers("abcdefghi", -ablation, ablation, ablation, ROWS, np.arange(240))
    assert math.isclose(found.agreement.value, -1)
    assert math.isclose(found.agreement_of_sizes.value, 1)
    assert found.agreement.p == found.agreement_of_sizes.p == 1e-4


def test_what_all_tokens_of_the_draws_share_counts_in_the_error_of_the_response() -> None:
    """The same error in every token is no error between rows, and is not averaged away."""
    rng = np.random.default_rng(5)
    shared = rng.normal(size=(2000, 1))
    response = np.broadcast_to(shared, (2000, 240))
    names = [str(i) for i in range(2000)]
    found = carriers(names, response, np.ones_like(response), response, ROWS, np.arange(240))
    share = np.mean([evidence in ("both", "response only") for evidence in found.evidence])
    assert abs(share - 2 * stats.norm.sf(2)) < 3 * math.sqrt(0.0455 / 2000)


def test_the_response_of_a_band_is_the_mean_over_its_tokens_with_its_spread_over_draws() -> None:
    rng, found = np.random.default_rng(6), []
    for _ in range(200):
        phi, shared = rng.normal(size=(2, 4, 30))
        losses = 0.5 * phi + shared + rng.normal(size=(12, 4, 30))
        found.append(band_response(phi, losses))
    assert math.isclose(found[-1][0], respond(phi, losses).rho.mean(), rel_tol=1e-9)
    means, errors = np.array(found).T
    assert math.isclose(math.sqrt((errors**2).mean()), means.std(), rel_tol=0.15)
    assert math.isnan(band_response(phi[:1], losses[:, :1])[1])
    assert band_response(phi, 0 * losses) == (0.0, 0.0)
    names, values = "abc", np.ones((3, 240)) + 0.01 * rng.normal(size=(3, 240))
    known = carriers(names, values, 9 * values, values, ROWS, np.arange(240), draw_error=np.full(3, 0.1))
    assert known.evidence == ("both",) * 3
    assert np.allclose(known.response_se, 0.1, atol=1e-3)


def test_without_an_error_bar_nothing_stands_out_and_the_reason_is_told() -> None:
    values = np.ones((3, 240))
    lone = carriers("abc", values, values, values, ROWS, np.arange(8))
    assert (lone.reason, lone.evidence) == (ONE_ROW, ("neither",) * 3)
    chain = carriers("abc", values, np.full((3, 240), np.nan), values, ROWS, np.arange(240))
    assert (chain.reason, chain.evidence) == (ONE_CHAIN, ("ablation only",) * 3)


def test_bad_input_is_told_in_one_sentence() -> None:
    values, band = np.ones((2, 240)), np.arange(9)
    with pytest.raises(ZeemanError, match=r"\(components, tokens\) = \(2, 240\), got \(2, 240\), \(2, 3\)"):
        carriers("ab", values, values[:, :3], values, ROWS, band)
    for wrong in (np.array([], int), np.array([240]), np.array([1, 1]), np.array([0.5])):
        with pytest.raises(ZeemanError, match="different indices from 0 to 239"):
            carriers("ab", values, values, values, ROWS, wrong)
    with pytest.raises(ZeemanError, match="got others for b"):
        carriers("ab", values, values, np.array([[1.0], [np.inf]]) * values, ROWS, band)
