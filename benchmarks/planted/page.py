"""Write docs/planted.md from training.json and recover.json.

Usage: python -m benchmarks.planted.page
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.planted.grammar import RULES

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "planted.md"
FINDINGS = HERE / "findings.md"
Row = dict[str, Any]


def main() -> None:
    kept = json.loads((HERE / "recover.json").read_text())
    seeds = {name: found for name, found in sorted(kept.items()) if name.isdigit()}
    tokens = " and ".join(str(found["final"]["tokens"]) for found in seeds.values())
    parts = [HEAD.format(date=kept["date"]), FINDINGS.read_text().strip(), "## Were the modes learned?", TRAINING]
    parts += [modes(seeds), "## Recovery", RECOVERY.format(tokens=tokens, names=" and ".join(seeds)), recovery(seeds)]
    parts += [STABILITY, stable(seeds), COST, cost(seeds), WEIGHTS, weights(seeds)]
    parts += [f"## Energies, seed {seed}\n\n{energies(f['energy'])}" for seed, f in seeds.items() if "energy" in f]
    for seed, found in seeds.items():
        if "series" in found:
            parts += [f"## Rule against sham along training, seed {seed}", SERIES, along(found["series"])]
            parts += [WHOLE, whole(found["series"])]
    PAGE.write_text("\n\n".join(parts) + "\n")
    print(PAGE.read_text())


HEAD = """# Planted modes

A GPT-NeoX of 0.34 M weights (3 layers, width 96) is trained on a grammar of seven rules of six kinds that share 24
symbols; each rule has a sham twin with the same layout and a random target (`benchmarks/planted/grammar.py`). Its 17
components are 12 heads, 3 perceptrons, embedding and unembedding. All figures are made by
`python -m benchmarks.planted.recover` and `benchmarks.planted.page`; last run on {date}, on shared cores, so that CPU
seconds are uncertain by a factor of 1.4."""

TRAINING = """Loss of the settled tokens of each rule at the end in nats, beside the entropy of the rule; that of shams
can't fall below 3.178. Learned: the step from which on nine tenths of the way have been gone."""

RECOVERY = """{tokens} settled tokens of the rules, seeds {names}. Adjusted Rand index by rule (7) / by kind (6), and
behind it the number of clusters found: with k-means at the true number on prepared rows; with the number found by
`cluster_rows`; by the bands of `zeeman bands`; and by the published clustering, by push from random seeds without a
null, on the same matrix. Tokens without a cluster count as alone. Readout: accuracy of a linear one on windows it was
not fitted on. Loaded draws are as many chains × draws of SGLD at nβ = γ."""

STABILITY = """Stability: index between partitions from either half of the draws (`cluster_rows` / bands / k-means), and
between those of half of the tokens and of all (`cluster_rows` / k-means)."""

COST = """Cost in CPU seconds with what it took to set up (energies, burning in), and precision. Null: the same share
for draws of other chains. Energies and γ are the least, median and most over components."""

WEIGHTS = "Importance weights from nβ = 0 to colder, over the 17 components and 60 draws."

SERIES = """24 unloaded draws a component. Of each rule its loss in nats (that of its sham is always 3.2) and the
accuracy, on windows that were not fitted on, of telling its tokens from those of its sham (chance .5): by the band a
token is in / by a linear readout of ρ / by one of the activations of the best layer, chosen after the fact. One error
of these accuracies is about .1, for tokens of one window are not independent."""

WHOLE = """The same checkpoints as a whole. By kind, among the rules: index of the bands (found among rules and shams
together) and of k-means, accuracy of the readout. False alarm: accuracy of the readout of ρ that tells two shams apart
whose tokens stand at the same places, mean and largest of six pairs; these have nothing to learn but their markers."""

LOADINGS = (("unloaded", "final", "clusters"), ("loaded", "loaded", "loaded_clusters"))


def modes(seeds: Row) -> str:
    lines = []
    for rule in RULES:
        cells = []
        for found in seeds.values():
            mode = found["training"]["modes"][rule]
            sham = found["training"]["modes"][f"{rule}_sham"]["loss"]
            cells += [f"{mode['loss']:.3f}", f"{mode['entropy']:.3f}", f"{sham:.3f}", mode["learned"]["0.9"] or "not"]
        lines.append([rule, *cells])
    titles = ["rule", *(f"{what}, seed {s}" for s in seeds for what in ("loss", "entropy", "sham", "learned"))]
    return table(titles, lines)


def readings(found: Row) -> Row:
    """All readings of a seed by name; what clusters were found beside the scores at the true number."""
    rows: Row = {}
    for loading, section, more in LOADINGS:
        for name, row in found.get(section, {}).get("rows", {}).items():
            rows[f"{loading} {name}"] = row | found.get(more, {}).get("rows", {}).get(name, {})
    return rows | {f"activations, {name}": row for name, row in found.get("activations", {}).get("rows", {}).items()}


def recovery(seeds: Row) -> str:
    by_seed = {seed: readings(found) for seed, found in seeds.items()}
    columns = {"k-means": "k_means", "k found": "found", "bands": "bands", "published": "published",
               "readout": "linear_readout"}  # fmt: skip
    lines = [
        [name, *(pair(rows.get(name, {}).get(column)) for column in columns.values() for rows in by_seed.values())]
        for name in names(by_seed)
    ]
    return table(["reading", *(f"{title}, {seed}" for title in columns for seed in seeds)], lines)


def stable(seeds: Row) -> str:
    lines = []
    for seed, found in seeds.items():
        for name, row in readings(found).items():
            if "stability" in row:
                told = row["stability"]
                draws = [told.get(f"halves_of_draws{by}", "") for by in ("", "_bands", "_k_means")]
                tokens = [told.get(f"halves_of_tokens{by}", "") for by in ("", "_k_means")]
                lines.append([seed, name, *draws, *tokens])
    return table(["seed", "reading", "draws", "by bands", "by k-means", "tokens", "by k-means"], lines)


def cost(seeds: Row) -> str:
    lines = [
        [seed, name, row["cpu_seconds"], row["setting_up"], row["resolved"], row["resolved_null"],
         row["resolved_per_cpu_second"], row["correlation_of_halves"], row["floor"],
         " ".join(map(str, row["energy"])), " ".join(map(str, row["localization"]))]
        for seed, found in seeds.items() for name, row in readings(found).items() if "resolved" in row
    ]  # fmt: skip
    titles = ["seed", "reading", "CPU s", "of which to set up", "|ρ| > 3 SE", "null", "resolved a CPU s",
              "r of halves", "1/√ESS, median", "energy, nats", "γ"]  # fmt: skip
    return table(titles, lines)


def weights(seeds: Row) -> str:
    lines = [
        [seed, name, row["khat_median"], row["khat_largest"], row["trusted"], row["effective_draws_median"]]
        for seed, found in seeds.items() for name, row in readings(found).items() if "khat_median" in row
    ]  # fmt: skip
    return table(["seed", "reading", "k̂, median", "k̂, largest", "trusted", "effective draws, median"], lines)


def names(by_seed: Row) -> list[str]:
    """All readings in their order, each once."""
    return list(dict.fromkeys(name for rows in by_seed.values() for name in rows))


def energies(found: Row) -> str:
    lines = [
        [nats, " ".join(map(str, row["localization"])), row["resolved"], row["resolved_null"],
         row["correlation_of_halves"], row["k_means_kind"]]
        for nats, row in found["by_energy"].items()
    ]  # fmt: skip
    titles = ["nats a token", "γ (least, median, most)", "|ρ| > 3 SE", "null", "r of halves", "k-means by kind"]
    return f"{found['tokens']} tokens, 24 draws.\n\n" + table(titles, lines)


def along(found: Row) -> str:
    lines = []
    for step, row in found["by_step"].items():
        cells = [
            f"{mode['loss']:.2f}: {mode['bands']:.2f} / {mode['readout']:.2f} / "
            f"{max(mode['readout_activations'].values()):.2f}"
            for mode in row["modes"].values()
        ]
        lines.append([step, *cells])
    return table(["step", *RULES], lines)


def whole(found: Row) -> str:
    lines = []
    for step, row in found["by_step"].items():
        alarms, kinds = list(row["shams_apart"].values()), row["kinds"]
        told = f"{sum(alarms) / len(alarms):.2f}, {max(alarms):.2f}"
        energy = " ".join(map(str, row["energy"]))
        lines.append([step, row["number_of_bands"], kinds["bands"], kinds["k_means"], kinds["readout"], told, energy])
    return table(["step", "bands", "index", "k-means", "readout", "false alarm", "energy, nats"], lines)


def pair(row: Row | None) -> str:
    """By rule / by kind, and the number of clusters, if it was found."""
    if not row:
        return ""
    return f"{row['rule']:.2f} / {row['kind']:.2f}" + (f" ({row['clusters']})" if "clusters" in row else "")


def table(titles: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    titles = list(titles)
    body = [titles, ["---"] * len(titles), *([str(cell) for cell in line] for line in lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in body)


if __name__ == "__main__":
    main()
