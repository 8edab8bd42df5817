"""Does the band that induction makes appear at the demo's transition, and is it carried by the heads that attend so?

Usage: OMP_NUM_THREADS=1 python benchmarks/induction_band.py FOLDER [--seeds 0 1 2 3 4]

The demo is trained for each seed. From the dense record of its training alone three checkpoints are chosen: the last
before the loss on repeats of held-out periods has gone a tenth of its fall, the first after nine tenths, and the last.
At each the bands are read, unloaded and loaded, with four chains. The band of repeats is the one above the null that
holds most tokens of that probe among those that hold more of them than chance. It appears if there is none at the first
checkpoint and one at the second and third. It is carried as attention shows if the head of layer 1 that stands out most
(largest |contrast|, beyond three standard errors) has the highest induction score, and that of layer 0 the highest
score for the token before. All this was fixed before any seed was read with it.

Seeds 0 to 2 said otherwise: in layer 1 the contrast falls as the induction score rises. So ``by_sign`` asks whether the
head of least contrast, signed, is the one that attends most, and how the two rank; of the seeds after 2 it was asked
before they were read. Writes induction_band.json; seeds that stand there are not read again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from zeeman.demo.run import SETTINGS
from zeeman.demo.training import TrainingSettings, train
from zeeman.examination import Ablations, Bands, Examination, examine
from zeeman.examination.document import document
from zeeman.probes import demo_library
from zeeman.subjects import Series

PROBE = "repeats"
CHAINS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args()
    path = Path(__file__).with_suffix(".json")
    rows = json.loads(path.read_text())["seeds"] if path.exists() else []
    done = {row["seed"] for row in rows}
    rows += [one(arguments.folder / f"seed{seed}", seed) for seed in arguments.seeds if seed not in done]
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "appears": {kind: sum(row[kind]["appears"] for row in rows) for kind in ("unloaded", "loaded")},
        "carried": {kind: [row[kind]["carried"] for row in rows] for kind in ("unloaded", "loaded")},
        "by_sign": {kind: [by_sign(row, kind) for row in rows] for kind in ("unloaded", "loaded")},
        "seeds": rows,
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("appears", "carried", "by_sign")}))


def one(folder: Path, seed: int) -> dict[str, Any]:
    library = demo_library()
    if not (folder / "trained").exists():
        train(folder / "run", library, TrainingSettings(seed=seed))
        (folder / "trained").touch()
    series = Series.from_folder(folder / "run")
    steps = chosen(folder / "run" / "record.jsonl", series.steps)
    found = examine(
        series, library, folder / "examination", settings=replace(SETTINGS, num_chains=CHAINS),
        devices=[Ablations(steps), Bands(steps)], num_workers=1,
    )  # fmt: skip
    scores = [_scores(found, steps[-1], kind) for kind in ("previous", "induction")]
    maps = (document(found)["bands"] or {"maps": []})["maps"]
    row: dict[str, Any] = {"seed": seed, "steps": list(steps), "previous": scores[0], "induction": scores[1]}
    for loading in ("unloaded", "loaded"):
        bands = {one["step"]: band_of_repeats(one) for one in maps if one["loading"] == loading}
        row[loading] = {
            "appears": not bands[steps[0]] and all(bands[step] for step in steps[1:]),
            "carried": carried(bands[steps[-1]], *scores),
            "bands": bands,
            "agreement": {one["step"]: one["agreement"] for one in maps if one["loading"] == loading},
        }
    return row


def band_of_repeats(one: dict[str, Any]) -> dict[str, Any] | None:
    """What is kept of the band of repeats at a step and loading, if there is one above the null."""
    some = [b for b in one["bands"] if b["above_null"] and any(tag["what"] == PROBE for tag in b["tags"])]
    if not some:
        return None
    band = max(some, key=lambda b: b["probes"][PROBE])
    kept = {key: band[key] for key in ("name", "size", "strength", "strength_se", "ablation")}
    figures = zip(one["components"], band["contrast"], band["contrast_se"], strict=True)
    contrast = {name: [round(value, 3), round(error, 3)] for name, value, error in figures}
    return kept | {"verdict": one["verdict"], "repeats": band["probes"][PROBE], "contrast": contrast}


def carried(band: dict[str, Any] | None, previous: dict[str, float], induction: dict[str, float]) -> dict[str, Any]:
    """For each layer the head that stands out most, the one that attends most, and how heads rank by both."""
    if band is None:
        return {}
    result = {}
    for layer, scores in (("l0", previous), ("l1", induction)):
        heads = [name for name in scores if name.startswith(layer)]
        size = {name: abs(band["contrast"][name][0]) for name in heads}
        resolved = {name: size[name] for name in heads if size[name] > 3 * band["contrast"][name][1]}
        strongest = max(resolved, key=resolved.__getitem__) if resolved else None
        attends = max(heads, key=scores.__getitem__)
        rank = spearmanr([size[name] for name in heads], [scores[name] for name in heads]).statistic
        result[layer] = {"strongest": strongest, "attends": attends, "same": strongest == attends, "rank": float(rank)}
    return result


def by_sign(row: dict[str, Any], loading: str) -> dict[str, Any]:
    """For each layer the head of least contrast at the last step, the one that attends most, and how they rank."""
    band = row[loading]["bands"][max(row[loading]["bands"], key=int)]
    if band is None:
        return {}
    result = {}
    for layer, scores in (("l0", row["previous"]), ("l1", row["induction"])):
        heads = [name for name in scores if name.startswith(layer)]
        contrast = [band["contrast"][name][0] for name in heads]
        least, attends = heads[int(np.argmin(contrast))], max(heads, key=scores.__getitem__)
        rank = spearmanr(contrast, [scores[name] for name in heads]).statistic
        result[layer] = {"least": least, "attends": attends, "same": least == attends, "rank": round(float(rank), 2)}
    return result


def _scores(found: Examination, step: int, kind: str) -> dict[str, float]:
    (reading,) = (r for r in found.of(f"attention_{kind}") if r.provenance and r.provenance.step == step)
    values = zip(reading.coordinates["components"], np.asarray(reading.value), strict=True)
    return {name: round(float(value), 3) for name, value in values}


def chosen(record: Path, saved: list[int]) -> tuple[int, ...]:
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    curve = [(row["step"], row["signals"][PROBE]) for row in rows if row.get("signals")]
    top, end = max(loss for _, loss in curve), curve[-1][1]

    def last_above(share: float) -> int:
        return max(step for step, loss in curve if loss > end + share * (top - end))

    before = max(step for step in saved if step <= last_above(0.9))
    after = min(step for step in saved if step > last_above(0.1))
    return before, after, saved[-1]


if __name__ == "__main__":
    main()
