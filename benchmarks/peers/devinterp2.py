"""devinterp 2.0.1 on the cases of the zoo; run inside an environment that holds it: see run.py.

The package takes language models alone: here a "token" is the number of a data point and the loss function returns K.
"""

from __future__ import annotations

import os
import tempfile
import warnings

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1"}

import torch
from common import Outcome, Peer, Problem, Setting, main
from devinterp.slt.llc import llc
from torch import nn


def estimate(problem: Problem, setting: Setting, seed: int) -> Outcome:
    """``llc``; its mean counts the burn-in, so the mean without it stands beside."""

    def loss(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        rows = tokens[:, 0]
        return problem.loss(model(problem.inputs[rows]), problem.targets[rows])[:, None]

    data = [{"input_ids": torch.tensor([i, 0])} for i in range(len(problem.inputs))]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = llc(
            problem.model,
            data,
            {},
            lr=setting.lr,
            n_beta=setting.n_beta,
            localization=setting.localization,
            bounding_box_size=setting.box,
            num_chains=setting.chains,
            num_draws=setting.draws,
            num_burnin_steps=setting.burn_in,
            num_steps_bw_draws=setting.thin,
            batch_size=problem.batch_size,
            init_seed=seed,
            device="cpu",
            loss_fn=loss,
            output_path=f"{folder}/run.zarr",
        ).load()
    kept = result["loss_trace"][:, setting.burn_in :].mean() - result["init_loss"]
    return Outcome(
        llc=float(result["llc_mean"]),
        std=float(result["llc_std"]),
        chains=[float(x) for x in result["llc_per_chain"]],
        trimmed=setting.n_beta * float(kept),
        warned=any("failed" in str(w.message) for w in caught),
    )


PEER = Peer(
    package="devinterp",
    estimate=estimate,
    published=Setting(lr=1e-3, n_beta=30.0, localization=0.0, chains=4, draws=200),
    published_source="the example of the package's README",
    chains=4,
)

if __name__ == "__main__":
    main(PEER)
