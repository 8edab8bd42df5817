"""Write docs/planted.md and docs/planted.svg from recover.json and findings.md.

Usage: python -m benchmarks.planted.page
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.planted.curve import drawing
from benchmarks.planted.grammar import RULES, SYMBOLS

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "planted.md"
FINDINGS = HERE / "findings.md"
Row = dict[str, Any]

BEGUN = 0.1
"""Share of the way from ln 24 to what a rule is worth at the end, below which it is not begun."""
CLEAR = 2
"""Errors above chance from which on two things count as told apart."""


def main() -> None:
    kept = json.loads((HERE / "recover.json").read_text())
    seeds = {name: found for name, found in sorted(kept.items()) if name.isdigit()}
    tokens = listed(str(found["unloaded"]["tokens"]) for found in seeds.values())
    parts = [HEAD.format(date=kept["date"]), FINDINGS.read_text().strip(), "## Were the modes learned?", TRAINING]
    parts += [
        modes(seeds),
        "## Recovery",
        RECOVERY.format(tokens=tokens, names=listed(seeds)),
        recovery(seeds),
        CONFUSION,
        confusion(seeds),
        WITHOUT,
        without(seeds),
    ]
    PAGE.with_suffix(".svg").write_text(drawing(seeds))
    parts += ["## Stability", STABILITY, stable(seeds), "## Cost", COST, cost(seeds), CURVE, WEIGHTS, weights(seeds)]
    parts += [f"Energies, seed {seed}. {energies(f['energy'])}" for seed, f in seeds.items() if "energy" in f]
    read = {seed: found for seed, found in seeds.items() if "landscape" in found}
    parts += ["## Loaded beside unloaded", LANDSCAPE, beside(read), TOLD, rules(read)] if read else []
    seeds = {seed: found for seed, found in seeds.items() if "series" in found}
    parts += ["## Rule against sham along training", SERIES]
    parts += [f"Seed {seed}.\n\n{along(found['series'])}" for seed, found in seeds.items()]
    parts += [WHOLE, whole(seeds), "## Is a band a forecast?", FORECAST, forecast(seeds)]
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
`cluster_rows`; by the bands of `zeeman bands`, by ρ or by spread; and by the published clustering, by push from random
seeds without a null, on the same matrix. Amplitude: the log of how far a token's loss moves, on the axes that both
halves of the chains show (`log_amplitude`, `reproducible_axes`). Tokens without a cluster count as alone. Readout:
accuracy of a linear one on windows it was not fitted on. Loaded draws are as many chains × draws of SGLD at nβ = γ.
What was not read is blank."""

WITHOUT = """Index by kind of the same, at the true number of kinds, when tokens of some are left out."""

STABILITY = """Index between partitions from either half of the chains, and between those of half of the tokens and of
all: by k-means at the true number of kinds, with the number found, and by bands. Every half has half of the draws."""

CONFUSION = """Where the index is lost: tokens of each rule in each of six clusters by k-means of log amplitudes, 60
unloaded draws."""

COST = """Cost in CPU seconds with what it took to set up (energies, burning in), and precision. Null: the same share
for draws of other chains. Energies and γ are the least, median and most over components."""

WEIGHTS = "Importance weights from nβ = 0 to colder, over the 17 components and 60 draws."

CURVE = """![ARI and resolved pairs against CPU seconds](planted.svg)"""

LANDSCAPE = """Correlation over tokens of loaded with unloaded ρ, freed of the noise that halves of either show (1: they
read the same), as the median over components of a group, and the component where it is least. By 24 draws halves tell
so little that the correction carries values beyond 1. γ is that of the loaded
draws (whose nβ is γ) over that of the unloaded ones of equal energy, least, median and most: 1 where no direction is
stiff enough to freeze."""

TOLD = """What is told of the truth, unloaded / loaded: accuracy of a linear readout on other windows of each rule
against all others (chance .5), and of the two tables of bigrams, which are one kind, against each other; by kind, index
of k-means at the true number and of bands, among the rules, and of k-means of log amplitudes."""

SERIES = """24 unloaded draws a component. Of each rule its loss in nats (that of its sham is always 3.2) and the
accuracy, on windows that were not fitted on, of telling its tokens from those of its sham (chance .5): by the band a
token is in / by linear readouts of ρ / of amplitudes / of the activations of the best layer, chosen after the fact. One
error of these accuracies is about .1, for tokens of one window are not independent."""

WHOLE = """The same checkpoints as a whole. By kind, among the rules: index of the bands (found among rules and shams
together) and of k-means, accuracy of the readout of ρ. False alarm: accuracy of telling two shams apart whose tokens
stand at the same places, mean and largest of six pairs: by readouts of ρ, by bands, by amplitudes, and by activations
of the best layer, chosen after the fact; these have nothing to learn but their markers."""

FORECAST = f"""A rule is not begun where its loss has gone less than {BEGUN:g} of the way from ln 24 to its last value.
At these checkpoints it would be a forecast if the rule were told from its sham (by {CLEAR} errors above chance) while
two shams are not told apart. Counted are rules at checkpoints, and pairs of shams at the same checkpoints."""

LAST = "amplitude, 60 draws"
LOADINGS = ("unloaded", "antithetic", "loaded")


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
    for loading in LOADINGS:
        for name, row in found.get(loading, {}).get("rows", {}).items():
            rows[f"{loading} {name}"] = row
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
    figures = ("draws_k_means", "draws_found", "draws_bands", "tokens_k_means", "tokens_found")
    lines = [
        [seed, name, *(f"{row['stability'][each]:.2f}" if each in row["stability"] else "" for each in figures)]
        for seed, found in seeds.items() for name, row in readings(found).items() if "stability" in row
    ]  # fmt: skip
    titles = ["draws, k-means", "draws, k found", "draws, bands", "tokens, k-means", "tokens, k found"]
    return table(["seed", "reading", *titles], lines)


def confusion(seeds: Row) -> str:
    """Tokens of each rule in each cluster of the last unloaded amplitudes."""
    counts = {seed: found["unloaded"]["rows"][LAST]["confusion"] for seed, found in seeds.items()}
    lines = [[rule, *(cell for each in counts.values() for cell in each[i])] for i, rule in enumerate(RULES)]
    return table(["rule", *(f"{n + 1}, seed {s}" for s, each in counts.items() for n in range(len(each[0])))], lines)


def without(seeds: Row) -> str:
    """Index by kind of the last unloaded amplitudes with some kinds left out."""
    figures = {seed: found["unloaded"]["rows"][LAST] for seed, found in seeds.items()}
    names = list(next(iter(figures.values()))["without"])
    lines = [
        [s, f"{row['k_means']['kind']:.2f}", *(f"{row['without'][n]:.2f}" for n in names)] for s, row in figures.items()
    ]
    return table(["seed", "all six kinds", *(f"without {name}" for name in names)], lines)


def cost(seeds: Row) -> str:
    lines = [
        [seed, name, row["cpu_seconds"], row["setting_up"], row["resolved"], row["resolved_null"],
         row["resolved_per_cpu_second"], row["correlation_of_halves"], row["floor"],
         " ".join(map(str, row["energy"])), " ".join(map(str, row["localization"]))]
        for seed, found in seeds.items() for name, row in readings(found).items() if "resolved" in row
    ]  # fmt: skip
    titles = ["seed", "reading", "CPU s", "of which to set up", "ρ beyond 3 SE", "null", "resolved a CPU s",
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
    titles = ["nats a token", "γ (least, median, most)", "ρ beyond 3 SE", "null", "r of halves", "k-means by kind"]
    return f"{found['tokens']} tokens, 24 draws.\n\n" + table(titles, lines)


def beside(seeds: Row) -> str:
    """Where loaded and unloaded draws read the same."""
    groups = list(next(iter(seeds.values()))["landscape"]["agreement"])
    lines = [
        [seed, row["step"], row["draws"], *row["agreement"].values(), " ".join(map(str, row["agreement_least"])),
         " ".join(map(str, row["localization_loaded_over_unloaded"]))]
        for seed, found in seeds.items() for row in compared(found)
    ]  # fmt: skip
    return table(["seed", "step", "draws", *groups, "least", "γ loaded over unloaded"], lines)


def compared(found: Row) -> list[Row]:
    """Comparisons of loaded with unloaded draws along training."""
    return [found[name] for name in ("middle", "landscape") if name in found]


def rules(seeds: Row) -> str:
    """What loaded and unloaded draws tell of the truth."""
    lines = []
    for seed, found in seeds.items():
        for row in compared(found):
            sides = [row["unloaded"], row["loaded"]]
            cells = [" / ".join(f"{side['rules'][rule]:.2f}" for side in sides) for rule in RULES]
            tied = " / ".join(f"{side['tied']:.2f}" for side in sides)
            kinds = [" / ".join(f"{side[by]:.2f}" for side in row["kinds"]) for by in ("k_means", "bands")]
            amplitude = " / ".join(f"{side['k_means']:.2f}" for side in row["kinds_by_amplitude"])
            lines.append([seed, row["step"], *cells, tied, *kinds, amplitude])
    return table(["seed", "step", *RULES, "two tables", "k-means", "bands", "k-means of amplitudes"], lines)


def along(found: Row) -> str:
    lines = []
    for step, row in found["by_step"].items():
        cells = [
            f"{mode['loss']:.2f}: {mode['bands']:.2f} / {mode['readout']:.2f} / {mode['readout_amplitude']:.2f} / "
            f"{max(mode['readout_activations'].values()):.2f}"
            for mode in row["modes"].values()
        ]
        lines.append([step, *cells])
    return table(["step", *RULES], lines)


def whole(seeds: Row) -> str:
    lines = []
    for seed, found in seeds.items():
        for step, row in found["series"]["by_step"].items():
            kinds = row["kinds"]
            false = [f"{sum(alarms) / len(alarms):.2f}, {max(alarms):.2f}" for alarms in map(list, shams(row).values())]
            energy = " ".join(map(str, row["energy"]))
            lines.append(
                [seed, step, row["number_of_bands"], kinds["bands"], kinds["k_means"],
                 row["kinds_by_amplitude"]["k_means"], kinds["readout"], *false, energy]
            )  # fmt: skip
    titles = ["seed", "step", "bands", "index", "k-means", "k-means of amplitudes", "readout", "false by ρ",
              "by bands", "by amplitudes", "by activations"]  # fmt: skip
    return table([*titles, "energy, nats"], lines)


def shams(row: Row) -> dict[str, list[float]]:
    """Accuracies of telling pairs of shams apart; of activations by the layer that tells most."""
    apart = row["shams_apart"]
    layers = [list(layer.values()) for layer in apart["activations"].values()]
    return {
        "readout": list(apart["readout"].values()),
        "bands": list(apart["bands"].values()),
        "amplitude": list(apart["amplitude"].values()),
        "activations": [max(pair) for pair in zip(*layers, strict=True)],
    }


def forecast(seeds: Row) -> str:
    """Rules told from their shams before they are begun and after, beside shams told apart at the same checkpoints."""
    lines = []
    for seed, found in seeds.items():
        steps = found["series"]["by_step"]
        last = list(steps.values())[-1]
        for by in ("bands", "readout", "amplitude", "activations"):
            told: dict[bool, list[bool]] = {False: [], True: []}
            false: list[bool] = []
            for row in steps.values():
                waiting, limit = False, 0.5 + CLEAR * max(mode["readout_error"] for mode in row["modes"].values())
                for rule, mode in row["modes"].items():
                    way = (math.log(SYMBOLS) - mode["loss"]) / (math.log(SYMBOLS) - last["modes"][rule]["loss"])
                    accuracy = told_by(mode, by)
                    told[way >= BEGUN].append(accuracy > limit)
                    waiting |= way < BEGUN
                if waiting:
                    false += [accuracy > limit for accuracy in shams(row)[by]]
            shown = [f"{sum(each)} of {len(each)}" for each in (told[False], false, told[True])]
            lines.append([seed, by, *shown])
    return table(["seed", "told by", "not begun: told", "shams told apart there", "begun: told"], lines)


def told_by(mode: Row, by: str) -> float:
    """Accuracy of telling a rule from its sham; of activations by the layer that tells most."""
    if by == "activations":
        return max(map(float, mode["readout_activations"].values()))
    return float(mode["readout_amplitude" if by == "amplitude" else by])


def listed(parts: Iterable[str]) -> str:
    """Name several things in a sentence."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


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
