"""Susceptibilities of all heads, perceptrons, embedding and unembedding beside devinterp's: cost, and cost of an error.

Usage: OMP_NUM_THREADS=1 python benchmarks/susceptibilities.py --peer-python PYTHON --peer-script devinterp_side.py
       --demo FOLDER [--rounds N] [--case NAME]

FOLDER is what ``zeeman demo`` leaves; it is only read. PYTHON is the interpreter of an environment that holds devinterp
2.0.1, datasets and transformers; the peer script builds its GPT-NeoX (``pythia14m-smallvocab``) and that model's data.
Three ways to the same matrix of tokens × components, each in a process of its own, one thread, in turns:

- devinterp: `susceptibilities`, a run of SGLD chains for each component and for all weights.
- zeeman loaded: the same settings, chains, draws, data and observed tokens by `examine` into a store, and `respond`.
- zeeman unloaded: the fast default, as many independent draws at matched energy by `forward_draws`, and `respond`.

CPU seconds of the process, without imports. The standard error is that of ρ, by the same jackknife over stretches of
chains (`respond`) for all three, median over tokens and components; CPU seconds to the error of devinterp's draws are
CPU seconds × (error / devinterp's error)². A case that is named is measured, others stay in the JSON as they were.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

DEMO_STEP = 2075
MODEL = Path(__file__).parents[1] / "src" / "zeeman" / "demo" / "model.py"
ENERGY = 0.05
"""Nats a token, of every component's unloaded draws."""
MATCHED_ROWS = 4


@dataclass(frozen=True)
class Case:
    """Settings that both sides share, and rows that are observed at each draw."""

    num_chains: int
    num_draws: int
    num_burnin_steps: int
    batch_size: int
    lr: float
    n_beta: float
    localization: float
    observed: int
    init_batches: int

    @property
    def sampler(self) -> dict[str, Any]:
        """What both sides know by the same names."""
        kept = {k: v for k, v in vars(self).items() if k not in ("observed", "init_batches")}
        return kept | {"num_steps_bw_draws": 1}


CASES = {
    "demo": Case(4, 60, 15, 32, 1.5e-3, 100.0, 100.0, 64, 14),
    # The peer's own default of batches for the initial loss.
    "pythia14m-smallvocab": Case(4, 16, 4, 8, 1e-4, 100.0, 3000.0, 32, 32),
}
TRAINED = {"steps": 250, "lr": 3e-3, "rows": 512, "length": 64}
"""Adam steps of the GPT-NeoX before it is sampled."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--peer-script", required=True, type=Path)
    parser.add_argument("--demo", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.side:
        print(json.dumps(SIDES[arguments.side](arguments)))
        return
    path = Path(__file__).with_suffix(".json")
    for case in [arguments.case] if arguments.case else CASES:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(arguments, case, folder)
        held = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(held | {case: found}, indent=1) + "\n")
    print(path.read_text())


def measure(arguments: argparse.Namespace, case: str, folder: str) -> dict[str, Any]:
    def run(side: str) -> dict[str, Any]:
        python = arguments.peer_python if side in ("data", "devinterp") else sys.executable
        command = [python, __file__, "--peer-python", "", "--peer-script", arguments.peer_script, "--case", case]
        command += ["--demo", arguments.demo, "--side", side, "--folder", folder]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
        out = subprocess.run(list(map(str, command)), check=True, env=environment, stdout=subprocess.PIPE, text=True)
        found: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
        print(case, side, found, flush=True)
        return found

    run("data")
    run("masks")
    sides = ("loaded", "devinterp", "unloaded")
    rounds = [{side: run(side) for side in sides} for _ in range(arguments.rounds)]
    errors = run("errors")
    cpu = {side: statistics.median(one[side]["cpu_s"] for one in rounds) for side in sides}
    same = {side: cpu[side] * (errors[side]["rho_se"] / errors["devinterp"]["rho_se"]) ** 2 for side in sides}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "torch": torch.__version__,
        "settings": vars(CASES[case]),
        "rounds": len(rounds),
        "cpu_s": cpu,
        "cpu_s_to_the_error_of_devinterp": same,
        "errors": errors,
        "times_less_than_devinterp": {
            "same chains and draws": {side: round(cpu["devinterp"] / cpu[side], 2) for side in sides},
            "same median error of rho": {side: round(same["devinterp"] / same[side], 2) for side in sides},
        },
        "raw": rounds,
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def module_at(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def data_side(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write the tokens that chains feel and those that they observe, and weights of the GPT-NeoX trained on them."""
    case = CASES[arguments.case]
    if arguments.case == "demo":
        lines = (arguments.demo / "probes" / "train.jsonl").read_text().splitlines()
        rows = np.array([json.loads(line)["tokens"] for line in lines])
        data, observed = rows[: -case.observed], rows[-case.observed :]
    else:
        peer, length = module_at(arguments.peer_script), TRAINED["length"]
        model, vocabulary = peer.build(arguments.case, length, 0, "sdpa")
        # One stream, cut in two: rows of another seed would follow another permutation.
        rows = peer.make_data(TRAINED["rows"] + case.observed, length, vocabulary, 0)[1]
        data, observed = rows[: -case.observed], rows[-case.observed :]
        torch.save(trained(model, torch.as_tensor(data)), arguments.folder / "weights.pt")
    np.savez(arguments.folder / "tokens.npz", data=data, observed=observed)
    return {"data": data.shape, "observed": observed.shape}


def trained(model: torch.nn.Module, data: torch.Tensor) -> dict[str, torch.Tensor]:
    optimizer, chosen = torch.optim.Adam(model.parameters(), TRAINED["lr"]), torch.Generator().manual_seed(0)
    for _ in range(int(TRAINED["steps"])):
        batch = data[torch.randint(len(data), (8,), generator=chosen)]
        logits = model(batch).logits[:, :-1].flatten(0, 1)
        torch.nn.functional.cross_entropy(logits, batch[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.state_dict()


def model_of(arguments: argparse.Namespace) -> torch.nn.Module:
    """The model as both sides build it."""
    if arguments.case == "demo":
        from safetensors.torch import load_file

        model = module_at(MODEL).AttentionOnlyTransformer()
        weights = load_file(arguments.demo / "run" / f"step{DEMO_STEP:08d}" / "model.safetensors")
    else:
        model, _ = module_at(arguments.peer_script).build(arguments.case, TRAINED["length"], 0, "sdpa")
        weights = torch.load(arguments.folder / "weights.pt")
    model.load_state_dict(named_as_in(model, weights))
    return model


def named_as_in(model: torch.nn.Module, held: dict[str, Any]) -> dict[str, Any]:
    """Follow versions of transformers in the name of the unembedding."""
    if "lm_head.weight" in model.state_dict():
        return {name.replace("embed_out.", "lm_head."): value for name, value in held.items()}
    return {name.replace("lm_head.", "embed_out."): value for name, value in held.items()}


def components(model: torch.nn.Module) -> list[str]:
    from zeeman.subjects import list_components

    return [n for n in list_components(model) if "h" in n or n.endswith("mlp") or n in ("embed", "unembed")]


def masks_side(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write which weights each component moves, so that both sides move the same."""
    from zeeman.subjects import resolve_component

    model = model_of(arguments)
    masks: dict[str, Any] = {}
    for component in components(model):
        masks[component] = {}
        for name, boxes in resolve_component(model, component).slices.items():
            mask = torch.zeros_like(model.get_parameter(name))
            for box in boxes:
                mask[box] = 1.0
            masks[component][name] = None if mask.all() else mask
    torch.save(masks, arguments.folder / "masks.pt")
    return {"components": list(masks)}


def loaded_side(arguments: argparse.Namespace) -> dict[str, Any]:
    import arviz_stats.base  # noqa: F401  # imports count as start-up

    from zeeman import Library, Probe, SamplerSettings, Series, Store, Susceptibilities, examine

    case, model = CASES[arguments.case], model_of(arguments)
    names = components(model)

    @dataclass(frozen=True)
    class LoadedAlone:
        name: str = "loaded alone"

        def units(self, subject: Any, settings: Any) -> list[Any]:
            wanted = Susceptibilities((0,), tuple(names)).units(subject, settings)
            return [replace(u, observed=subject.observed(["observed"])) for u in wanted if u.kind == "loaded"]

        def read(self, *_: Any) -> list[Any]:
            return []

    def probe(name: str, tokens: np.ndarray) -> Probe:
        return Probe(name, tokens, np.arange(tokens.shape[1]) > np.zeros((len(tokens), 1)))

    tokens = np.load(arguments.folder / "tokens.npz")
    library = Library.from_probes("bench", probe("train", tokens["data"]), [probe("observed", tokens["observed"])])
    series = Series.from_state_dicts([(0, model.state_dict())], lambda: model_of(arguments))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "store"
        sampling, found = timed(
            lambda: examine(
                series,
                library,
                place,
                settings=SamplerSettings(**case.sampler),
                devices=(LoadedAlone(),),
                num_workers=1,
            )
        )
        units: dict[str, list[Any]] = {}
        for unit in found.draws.units.values():
            units.setdefault(unit.component, []).append(unit)
        losses = {
            name: np.stack([found.draws.array(u, "observed_observed").T for u in some], axis=1)
            for name, some in units.items()
        }
        store = Store.open(place)
        on_disk = sum(size_of(store.unit(u).path / "observed_observed") for some in units.values() for u in some)
        everything = size_of(place)
    reading, _ = timed(lambda: responses(losses))
    np.savez(arguments.folder / "loaded.npz", **losses)
    token_draws = sum(each.size for each in losses.values())
    return {
        "cpu_s": sampling + reading,
        "reading_cpu_s": reading,
        "bytes_a_token_draw": on_disk / token_draws,
        "bytes_of_all_a_token_draw": everything / token_draws,
    }


def responses(losses: dict[str, np.ndarray]) -> dict[str, Any]:
    """The susceptibility of every component, with all errors; losses (tokens, chains, draws)."""
    from zeeman.spectra import respond

    phi = {name: each.mean(axis=0, dtype=np.float64) for name, each in losses.items()}
    return {name: respond(phi[name], losses[name], phi["full"], losses["full"]) for name in losses if name != "full"}


def unloaded_side(arguments: argparse.Namespace) -> dict[str, Any]:
    from zeeman.sampling import LocalPosterior, Observable, forward_draws, gather, match_energy

    case, model = CASES[arguments.case], model_of(arguments)
    rows = torch.as_tensor(np.load(arguments.folder / "tokens.npz")["observed"])
    item, few = (
        Observable(r, torch.ones(len(r), r.shape[1] - 1, dtype=torch.bool)) for r in (rows, rows[:MATCHED_ROWS])
    )
    start = LocalPosterior(model, rows, n_beta=0.0, localization=case.localization)

    def matched() -> list[Any]:
        parts = [replace(start, component=name) for name in ("full", *components(model))]
        return [match_energy(part, few, ENERGY, seed=0) for part in parts]

    def drawn(posteriors: list[Any]) -> dict[str, np.ndarray]:
        tiles = forward_draws(posteriors, item, seed=0, chains=range(case.num_chains), num_draws=case.num_draws)
        return {name: found[1].transpose(2, 0, 1) for name, found in gather(tiles).items()}

    matching, posteriors = timed(matched)
    drawing, losses = timed(lambda: drawn(posteriors))
    reading, _ = timed(lambda: responses(losses))
    np.savez(arguments.folder / "unloaded.npz", **losses)
    return {"cpu_s": matching + drawing + reading, "matching_cpu_s": matching, "reading_cpu_s": reading}


def devinterp_side(arguments: argparse.Namespace) -> dict[str, Any]:
    import warnings

    import xarray as xr
    from datasets import Dataset
    from devinterp.slt.susceptibilities import susceptibilities

    warnings.simplefilter("ignore")
    case, model, tokens = CASES[arguments.case], model_of(arguments), np.load(arguments.folder / "tokens.npz")
    data, observed = (Dataset.from_dict({"input_ids": tokens[n]}).with_format("torch") for n in ("data", "observed"))
    held = torch.load(arguments.folder / "masks.pt")
    masks = {"full": None} | {name: named_as_in(model, each) for name, each in held.items()}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "samples.zarr"
        cpu, _ = timed(
            lambda: susceptibilities(
                model, data, {"observed": (observed, case.observed // case.batch_size)}, masks,
                sampling_task="observed", include_sampling_task=True, output_path=place, device="cpu",
                num_init_loss_batches=case.init_batches, loss_fn=losses_of if arguments.case == "demo" else None,
                **case.sampler,
            )
        )  # fmt: skip
        losses = {}
        for name in masks:
            # The peer shuffles what it observes.
            held = xr.open_zarr(place.with_name(f"samples_{name}.zarr"), consolidated=False)
            ids = held["input_ids_observed"].values
            order = [int(np.flatnonzero((ids == row).all(axis=1))[0]) for row in tokens["observed"]]
            some = held["loss_observed"].values[:, :, order]
            losses[name] = some.reshape(*some.shape[:2], -1).transpose(2, 0, 1)
        sizes = [size_of(place.with_name(f"samples_{n}.zarr") / part) for n in masks for part in ("loss_observed", "")]
    np.savez(arguments.folder / "devinterp.npz", **losses)
    token_draws = sum(each.size for each in losses.values())
    return {
        "cpu_s": cpu,
        "bytes_a_token_draw": sum(sizes[::2]) / token_draws,
        "bytes_of_all_a_token_draw": sum(sizes[1::2]) / token_draws,
    }


def losses_of(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """What the peer's own loss computes, for a model that gives bare logits."""
    logits = model(tokens)[:, :-1]
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")


def errors_side(arguments: argparse.Namespace) -> dict[str, Any]:
    """Error of ρ by one estimator from the draws of each side, what it resolves, and whether the sides agree."""
    found = {}
    for side in ("loaded", "devinterp", "unloaded"):
        held = np.load(arguments.folder / f"{side}.npz")
        losses = {name: held[name].astype(np.float64) for name in held.files}
        # Differences from the mean: ρ and covariance know no constant.
        found[side] = responses({name: each - each.mean(axis=(1, 2), keepdims=True) for name, each in losses.items()})
    rho = {side: np.stack([chi.rho for chi in found[side].values()]) for side in found}
    error = {side: np.stack([chi.rho_se for chi in found[side].values()]) for side in found}
    return {
        side: {
            "rho_se": float(np.nanmedian(error[side])),
            "draws_that_such_an_error_is_worth": float(1 / np.nanmedian(error[side]) ** 2),
            "resolved": float((abs(rho[side]) > 3 * error[side]).mean()),
            "correlation_of_rho_with_devinterp": float(np.corrcoef(rho[side].ravel(), rho["devinterp"].ravel())[0, 1]),
            "tokens_times_components": rho[side].size,
        }
        for side in found
    }


SIDES = {
    "data": data_side, "masks": masks_side, "loaded": loaded_side, "devinterp": devinterp_side,
    "unloaded": unloaded_side, "errors": errors_side,
}  # fmt: skip

if __name__ == "__main__":
    main()
