"""canonical-interp 0.1.5 on the cases of the zoo; run inside an environment that holds it: see run.py.

The package imports ``itertools.batched``, which Python 3.11 lacks though the package declares 3.10; it is added first.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from typing import Any

from common import Outcome, Peer, Problem, Setting, main
from torch.utils.data import DataLoader, TensorDataset


def batched(items: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    iterator = iter(items)
    while block := tuple(itertools.islice(iterator, size)):
        yield block


if not hasattr(itertools, "batched"):
    itertools.batched = batched

from canonical_interp.slt import LLCEstimator  # noqa: E402

logging.getLogger("canonical_interp").setLevel(logging.ERROR)


def estimate(problem: Problem, setting: Setting, seed: int, *, compile: bool = False) -> Outcome:
    """All chains in one batch; compiling the gradient gives the same draws, and for so small a loss costs more time.

    The package has no bounding box.
    """
    estimator = LLCEstimator(
        draws=setting.draws,
        chains=setting.chains,
        burnin_steps=setting.burn_in,
        steps_bw_draws=setting.thin,
        learning_rate=setting.lr,
        localization=setting.localization,
        nbeta=setting.n_beta,
    )
    estimator.estimate_llc(
        problem.model,
        DataLoader(TensorDataset(problem.inputs, problem.targets), batch_size=problem.batch_size),
        criterion_fn=lambda output, target: problem.loss(output, target).mean(),
        seed=seed,
        compile=compile,
        show_progress=False,
    )
    metrics = estimator.get_metrics()
    mean, std = float(metrics["llc_mean"]), float(metrics["llc_std"])
    return Outcome(mean, std, metrics["llcs"].tolist(), mean)


PEER = Peer(
    package="canonical-interp",
    estimate=estimate,
    published=Setting(lr=1e-4, n_beta=1024 / math.log(1024), localization=2.0, chains=10, draws=3000, burn_in=500),
    published_source="the package's own test against known learning coefficients",
    chains=20,
)

if __name__ == "__main__":
    main(PEER)
