"""Make the small store of devinterp 2 that tests/examination/test_imported.py reads, and what devinterp reads from it.

Usage: OMP_NUM_THREADS=1 python benchmarks/peers/devinterp_store.py FOLDER
Needs an environment with devinterp 2.0.1.

A small GPT-NeoX learns a noisy permutation for a moment; three chains of 40 draws after 30 steps of burn-in, with two
observables.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from devinterp.slt.llc import compute_llc
from devinterp.slt.sampling import sample
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

VOCABULARY, CONTEXT, ROWS = 32, 8, 256


def rows(seed: int, noise: float) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    order = np.random.default_rng(0).permutation(VOCABULARY)
    found = np.empty((ROWS, CONTEXT), np.int64)
    found[:, 0] = rng.integers(VOCABULARY, size=ROWS)
    for t in range(1, CONTEXT):
        found[:, t] = np.where(rng.random(ROWS) < noise, rng.integers(VOCABULARY, size=ROWS), order[found[:, t - 1]])
    return torch.from_numpy(found)


def dataset(ids: torch.Tensor) -> Dataset:
    return Dataset.from_dict({"input_ids": ids.tolist()}).with_format("torch")


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=16, hidden_dropout=0.0, attention_dropout=0.0,
    )  # fmt: skip
    model, ids = GPTNeoXForCausalLM(config), rows(1, 0.2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(1500):
        batch = ids[torch.arange(32 * step, 32 * step + 32) % ROWS]
        loss = model(batch, labels=batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    tree = sample(
        model, dataset(ids), {"same": (dataset(rows(2, 0.2)), 1), "noise": (dataset(rows(3, 1.0)), 1)},
        lr=1e-3, n_beta=30.0, localization=100.0, num_chains=3, num_draws=40, num_burnin_steps=30, batch_size=4,
        num_init_loss_batches=64, save_metrics=False, device="cpu", output_path=folder / "store.zarr",
    )  # fmt: skip
    read = compute_llc(tree)
    told = {
        "devinterp": importlib.metadata.version("devinterp"),
        "llc_mean": float(read.llc_mean),
        "llc_per_chain": read.llc_per_chain.values.tolist(),
        "init_loss": float(read.init_loss),
    }
    (folder / "read.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
