"""Is χ the response to retilted data? Chains on data that is really tilted, beside the covariance on plain data.

Usage: OMP_NUM_THREADS=1 python benchmarks/retilt.py DEMO

DEMO is what ``zeeman demo`` leaves (``run`` and ``probes``); it is only read. With L the loss on 32 rows of the
training data and ℓ on 8 rows of a probe, the chains of a component sample exp(−nβ((1 − h) L + h ℓ) − γ/2 |w − w*|²).
To first order in h d⟨L⟩/dh = nβ χ with χ = −Cov(L, ℓ − L), the covariance term of the susceptibility. Left: χ from
chains at h = 0. Right: (⟨L⟩_h − ⟨L⟩_−h)/(2 h nβ) from chains at ±h. All use every row at each step and the same noise,
so that chains at h and −h differ by the tilt alone.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zeeman.probes import Library
from zeeman.sampling import SGLD, LocalPosterior, Observable, Schedule, language_model_loss, run_chain
from zeeman.spectra import respond
from zeeman.subjects import Series

STEP, COMPONENTS, PROBES = 3000, ("l0h1", "l1h2", "unembed"), ("repeats", "indentation", "digits")
N_BETA, LOCALIZATION, LR, CHAINS = 100.0, 100.0, 1.5e-3, 4
SCHEDULE = Schedule(num_draws=60, num_burnin_steps=60, num_steps_bw_draws=3)
DATA_ROWS, PROBE_ROWS, TILT = 32, 8, 0.1

Floats = NDArray[np.float64]


def loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    tokens, weight = batch
    losses = language_model_loss(model, tokens)
    assert isinstance(losses, torch.Tensor)
    return losses * weight[:, None]


class Tilted:
    """The data and one probe of a model, to be mixed."""

    def __init__(self, model: nn.Module, data: NDArray[Any], probe: NDArray[Any], component: str) -> None:
        self.model, self.component = model, component
        self.tokens = torch.tensor(np.concatenate([data, probe]))
        self.of_data = np.arange(len(self.tokens)) < len(data)

    def draw(self, tilt: float) -> tuple[Floats, Floats]:
        """L and ℓ less their values at w* at each draw, shape (chains, draws)."""
        shares = np.where(self.of_data, (1 - tilt) / self.of_data.mean(), tilt / (~self.of_data).mean())
        data = self.tokens, torch.tensor(shares, dtype=torch.float32)
        posterior = LocalPosterior(
            self.model, data, loss, component=self.component, n_beta=N_BETA, localization=LOCALIZATION
        )
        plain = self.tokens, torch.ones(len(self.tokens))
        seen = Observable(plain, torch.ones(len(self.tokens), self.tokens.shape[1] - 1, dtype=torch.bool))
        found = [
            np.concatenate(
                [
                    block.observed["all"]
                    for block in run_chain(
                        posterior, SGLD(LR), SCHEDULE, seed=0, chain=chain, observables={"all": seen}, block_steps=60
                    )
                ]
            )
            for chain in range(CHAINS)
        ]
        rows = np.stack(found).reshape(CHAINS, SCHEDULE.num_draws, len(self.tokens), -1).mean(axis=-1)
        return rows[..., self.of_data].mean(axis=-1), rows[..., ~self.of_data].mean(axis=-1)

    def compare(self) -> dict[str, float]:
        phi, probe = self.draw(0.0)
        chi = respond(phi, probe[None])
        apart = (self.draw(TILT)[0] - self.draw(-TILT)[0]).mean(axis=1) / (2 * TILT * N_BETA)
        return {
            "chi": float(chi.covariance[0]),
            "chi_se": float(chi.covariance_se[0]),
            "difference": float(apart.mean()),
            "difference_se": float(apart.std(ddof=1) / np.sqrt(CHAINS)),
        }


def main() -> None:
    torch.set_num_threads(1)
    folder, begun = Path(sys.argv[1]), time.process_time()
    series, library = Series.from_folder(folder / "run"), Library.from_folder(folder / "probes")
    model, rows = series.model(series.at(STEP)), []
    for component in COMPONENTS:
        for name in PROBES:
            pair = library.data.inputs[:DATA_ROWS], library[name].inputs[:PROBE_ROWS]
            rows.append({"component": component, "probe": name, **Tilted(model, *pair, component).compare()})
            print(json.dumps(rows[-1]), flush=True)
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"torch": torch.__version__, "processor": platform.machine()},
        "cpu_seconds": round(time.process_time() - begun),
        **agreement(rows),
        "rows": rows,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    print(agreement(rows))


def agreement(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Slope of χ on the differences, which have a tenth of its error, weighted by its errors; and how far apart."""
    chi, chi_se, difference, difference_se = (
        np.array([row[key] for row in rows]) for key in ("chi", "chi_se", "difference", "difference_se")
    )
    weight = 1 / chi_se**2
    norm = (weight * difference**2).sum()
    apart = (chi - difference) / np.hypot(chi_se, difference_se)
    return {
        "slope": float((weight * chi * difference).sum() / norm),
        "slope_se": float(norm**-0.5),
        "r": float(np.corrcoef(chi, difference)[0, 1]),
        "within_two_errors": float(np.mean(np.abs(apart) < 2)),
        "mean_square_in_errors": float(np.mean(apart**2)),
    }


if __name__ == "__main__":
    main()
