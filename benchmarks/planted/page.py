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
    seeds = {name: found for name, found in kept.items() if name.isdigit()}
    parts = [HEAD.format(date=kept["date"]), FINDINGS.read_text().strip(), "## Were the modes learned?", TRAINING]
    parts += [modes(seeds)]
    for seed, found in seeds.items():
        if "final" in found:
            parts += [f"## Recovery, seed {seed}", RECOVERY.format(tokens=found["final"]["tokens"]), recovery(found)]
            parts += [cost(found)]
    parts += [f"## Energies, seed {seed}\n\n{energies(f['energy'])}" for seed, f in seeds.items() if "energy" in f]
    for seed, found in seeds.items():
        if "series" in found:
            parts += [f"## Rule against sham along training, seed {seed}", SERIES, along(found["series"])]
    PAGE.write_text("\n\n".join(parts) + "\n")
    print(PAGE.read_text()[:6000])


HEAD = """# Planted modes

A GPT-NeoX of 0.34 M weights (3 layers, width 96) is trained on a grammar of seven rules of six kinds that share 24
symbols; each rule has a sham twin with the same layout and a random target (`benchmarks/planted/grammar.py`). Its 17
components are 12 heads, 3 perceptrons, embedding and unembedding. All figures are made by
`python -m benchmarks.planted.recover` and `benchmarks.planted.page`; last run on {date}, on shared cores, so that CPU
seconds are uncertain by a factor of 1.4."""

TRAINING = """Loss of the settled tokens of each rule at the end in nats, beside the entropy of the rule; that of shams
can't fall below 3.178. Learned: the step from which on nine tenths of the way have been gone."""

RECOVERY = """{tokens} settled tokens of the rules. Adjusted Rand index by rule (7) / by kind (6): with the number found
by `cluster_rows` (tokens without a cluster count as alone), with k-means at the true number on prepared rows, and the
accuracy of a linear readout on windows it was not fitted on. Published: clusters by push from random seeds without a
null, on the same matrix."""

SERIES = """24 unloaded draws a component. Of each rule: its loss in nats / accuracy of a linear readout
of ρ that tells its tokens from those of its sham (chance .5) / the same of the activations of the best layer, chosen
after the fact. In the last columns k-means by kind and the readout of the kind, among the rules alone."""


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


def recovery(found: Row) -> str:
    rows = {}
    for prefix, section, more in (("unloaded ", "final", "clusters"), ("loaded ", "loaded", "loaded_clusters")):
        for name, row in found.get(section, {}).get("rows", {}).items():
            rows[prefix + name] = row | found.get(more, {}).get("rows", {}).get(name, {})
    rows |= {f"activations, {name}": row for name, row in found.get("activations", {}).get("rows", {}).items()}
    lines = []
    for name, row in rows.items():
        own, stable = row.get("found"), row.get("stability", {})
        lines.append([
            name, row.get("cpu_seconds", ""), pair(row["k_means"]), pair(own), *partition(own),
            pair(row.get("published")), *partition(row.get("published"))[:1], pair(row["linear_readout"]),
            stable.get("halves_of_draws", ""), stable.get("halves_of_draws_k_means", ""),
            stable.get("halves_of_tokens", ""),
        ])  # fmt: skip
    titles = [
        "reading", "CPU s", "k-means", "k found", "k", "covered", "published", "k", "readout",
        "halves of draws", "the same by k-means", "halves of tokens",
    ]  # fmt: skip
    return table(titles, lines)


def cost(found: Row) -> str:
    rows = [(f"unloaded {n}", r) for n, r in found["final"]["rows"].items()]
    rows += [(f"loaded {n}", r) for n, r in found.get("loaded", {}).get("rows", {}).items()]
    lines = [
        [name, row["cpu_seconds"], row["setting_up"], row["resolved"], row["resolved_null"],
         row["resolved_per_cpu_second"], row["correlation_of_halves"], row["floor"],
         " ".join(map(str, row["energy"])), " ".join(map(str, row["localization"]))]
        for name, row in rows if "resolved" in row
    ]  # fmt: skip
    titles = ["reading", "CPU s", "of which to set up", "|ρ| > 3 SE", "null", "resolved a CPU s", "r of halves",
              "1/√ESS, median", "energy, nats (least, median, most)", "γ (least, median, most)"]  # fmt: skip
    weights = [
        [name, row["khat_median"], row["khat_largest"], f"{row['trusted']} of 17", row["effective_draws_median"]]
        for name, row in rows if "khat_median" in row
    ]  # fmt: skip
    told = table(["weights", "k̂, median", "k̂, largest", "trusted", "effective draws, median"], weights)
    return table(titles, lines) + "\n\n" + told


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
            f"{mode['loss']:.2f} / {mode['readout']:.2f} / {max(mode['readout_activations'].values()):.2f}"
            for mode in row["modes"].values()
        ]
        lines.append([step, *cells, row["kinds"]["k_means"], row["kinds"]["readout"]])
    return table(["step", *RULES, "k-means", "readout"], lines)


def pair(row: Row | None) -> str:
    return f"{row['rule']:.2f} / {row['kind']:.2f}" if row else ""


def partition(row: Row | None) -> tuple[str, str]:
    """Number of clusters, and the share of the tokens that are in one."""
    return (str(row["clusters"]), f"{row['coverage']:.2f}") if row else ("", "")


def table(titles: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    titles = list(titles)
    body = [titles, ["---"] * len(titles), *([str(cell) for cell in line] for line in lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in body)


if __name__ == "__main__":
    main()
