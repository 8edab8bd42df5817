"""devinterp 1.3.2 on the cases of the zoo; run inside an environment that holds it: see run.py."""

from __future__ import annotations

import math

import torch
from common import Outcome, Peer, Problem, Setting, main
from devinterp.optim import SGMCMC
from devinterp.slt.sampler import estimate_learning_coeff_with_summary
from torch.utils.data import DataLoader, TensorDataset


def estimate(problem: Problem, setting: Setting, seed: int) -> Outcome:
    """SGMCMC.sgld, which the package asks for in place of SGLD: the same draws, at less cost."""
    torch.manual_seed(seed)
    kwargs = {"lr": setting.lr, "nbeta": setting.n_beta, "localization": setting.localization}
    result = estimate_learning_coeff_with_summary(
        problem.model,
        DataLoader(TensorDataset(problem.inputs, problem.targets), batch_size=problem.batch_size),
        evaluate=lambda model, batch: problem.loss(model(batch[0]), batch[1]).mean(),
        sampling_method=SGMCMC.sgld,
        optimizer_kwargs=kwargs | {"bounding_box_size": setting.box},
        num_chains=setting.chains,
        num_draws=setting.draws,
        num_burnin_steps=setting.burn_in,
        num_steps_bw_draws=setting.thin,
        verbose=False,
    )
    chains = [float(result[f"llc-chain/{i}"]) for i in range(setting.chains)]
    return Outcome(result["llc/mean"], result["llc/std"], chains, result["llc/mean"])


PEER = Peer(
    package="devinterp",
    estimate=estimate,
    published=Setting(lr=4e-4, n_beta=1000 / math.log(1000), localization=0.0, chains=10, draws=5000),
    published_source="the package's own accuracy test on normal crossings",
    chains=4,
)

if __name__ == "__main__":
    main(PEER)
