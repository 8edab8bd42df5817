"""Write docs/accuracy.md from what the scripts of the zoo, and those of the peers, have kept.

Usage: python -m benchmarks.zoo.table
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.zoo.run import RESULTS, read

HERE = Path(__file__).parent
PEERS = {"devinterp2": "devinterp 2.0.1", "devinterp1": "devinterp 1.3.2", "canonical": "canonical-interp 0.1.5"}
PEER_RESULTS = HERE.parent / "peers"
PAGE = HERE.parents[1] / "docs" / "accuracy.md"
Row = dict[str, Any]
SMALL = 100
"""Weights up to which a reading is to take a minute."""


def main() -> None:
    rows = read(RESULTS)
    parts = [
        HEAD,
        "## Families\n\n" + families(rows),
        "## Beside the peers\n\n" + beside(rows),
        "## Chain-steps a second, one thread\n\n" + speeds(json.loads((PEER_RESULTS / "speed.json").read_text())),
        "## Cases that miss a target\n\n" + misses(rows),
        "## Linear networks of 10³, 10⁴ and 10⁵ weights by SGLD\n\n" + ordered(kept("order")),
        "## TMS k-gons at finite n\n\n" + polygons(kept("tms_finite_n")),
        "## Bits and λ̂\n\n" + bits(kept("quantization")),
        "## Truths checked another way\n\n" + truths(kept("check_truths")),
        "## Every reading\n\n" + readings(rows),
    ]
    PAGE.write_text("\n\n".join(parts) + "\n")
    print(PAGE.read_text()[:4000])


HEAD = """# Accuracy on known answers

Every figure here is made by `python -m benchmarks.zoo.table` from the JSON beside the scripts in `benchmarks/zoo` and
`benchmarks/peers`. A case is an exact loss with a known learning coefficient λ and multiplicity m; the instrument is
given the loss, the point and the prior, and nothing else. Readings with a verdict other than `ok` are counted like the
others unless a column says otherwise. Standard errors are the instrument's own; intervals are λ̂ ± 0.994 and ± 1.96 of
them. What was set while looking at some of these cases is listed in docs/decisions/0010-ladder.md.

What misses, and why, as far as it is known. *tanh of three to six units, naive Bayes with both on*: walkers forget
where they began more slowly than the ladder lasts, and those that began elsewhere differ too little from them for the
verdict to see it, so it is `ok` where it should not be. *Linear networks of fifty weights
and more*: the asymptotic region lies below the energies at which a ladder of a minute mixes; m is then read as 1 from
too short a range. *101 to 2000 weights*: the ladder has 32 walkers of 250 draws, its least, and takes up to ten
minutes;
most of these readings are marked `too_anharmonic`. SGLD at a trained point reads such networks better (below)."""


def kept(name: str) -> Row:
    path = HERE / f"{name}.json"
    found: Row = json.loads(path.read_text()) if path.exists() else {}
    return found


def table(titles: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    titles = list(titles)
    body = [titles, ["---"] * len(titles), *([str(cell) for cell in line] for line in lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in body)


def error(row: Row) -> float:
    """|λ̂ − λ|/λ; infinite without a reading."""
    return math.inf if row["llc_hat"] is None else abs(row["llc_hat"] / row["llc"] - 1)


def covered(rows: list[Row], width: float) -> str:
    """Share of readings whose interval holds the truth."""
    read_rows = [row for row in rows if row["llc_hat"] is not None]
    inside = sum(abs(row["llc_hat"] - row["llc"]) <= width * row["se"] for row in read_rows)
    return f"{inside / len(read_rows):.0%}" if read_rows else ""


def share(values: Iterable[bool]) -> str:
    values = list(values)
    return f"{sum(values) / len(values):.0%}" if values else ""


def families(rows: list[Row]) -> str:
    """Give one line a family and one for all; the first seed decides accuracy, all seeds the coverage."""
    titles = ["family", "cases", "λ within 2 %", "5 %", "median error", "m right", "verdict ok", "λ within 2 % if ok",
              "readings", "68 % covers", "95 % covers", "CPU s, median", "largest"]  # fmt: skip
    small = [row for row in rows if row["dimension"] <= SMALL]
    names = list(dict.fromkeys(row["family"] for row in small))
    groups = [(name, [row for row in small if row["family"] == name]) for name in names]
    groups.append((f"all of up to {SMALL} weights", small))
    groups.append(("these with verdict ok", [row for row in small if row["verdict"] == "ok"]))
    groups.append((f"linear, {SMALL + 1} to 2000 weights", [row for row in rows if row["dimension"] > SMALL]))
    return table(titles, [family(name, group) for name, group in groups if group])


def family(name: str, rows: list[Row]) -> list[object]:
    seed = min(row["seed"] for row in rows)
    first = [row for row in rows if row["seed"] == seed]
    fine = [row for row in first if row["verdict"] == "ok"]
    return [
        name,
        len(first),
        share(error(row) <= 0.02 for row in first),
        share(error(row) <= 0.05 for row in first),
        f"{statistics.median(error(row) for row in first):.2%}",
        share(row["m_hat"] == row["multiplicity"] for row in first),
        share(row["verdict"] == "ok" for row in first),
        share(error(row) <= 0.02 for row in fine),
        len(rows),
        covered(rows, 0.9945),
        covered(rows, 1.96),
        f"{statistics.median(row['cpu_seconds'] for row in rows):.0f}",
        f"{max(row['cpu_seconds'] for row in rows):.0f}",
    ]


def beside(rows: list[Row]) -> str:
    """Shares within bounds on the cases that peers ran too, matched by name."""
    ours = {row["name"]: row for row in rows if row["seed"] == 0}
    lines: list[list[object]] = []
    for peer, title in PEERS.items():
        path = PEER_RESULTS / f"{peer}.json"
        if not path.exists():
            continue
        for setting in ("published", "tuned"):
            theirs = [r for r in json.loads(path.read_text())["cases"] if r["which"] == setting and r["case"] in ours]
            if theirs:
                lines += [peer_line(title, setting, theirs), own_line([ours[r["case"]] for r in theirs])]
    if not lines:
        return "No figures of peers on these cases are kept yet."
    return table(["", "setting", "cases", "λ within 2 %", "5 %", "10 %", "median error", "says m"], lines)


def peer_line(title: str, setting: str, rows: list[Row]) -> list[object]:
    errors = [math.inf if row["failure"] else abs(row["relative_error"]) for row in rows]
    bounds = [share(e <= bound for e in errors) for bound in (0.02, 0.05, 0.1)]
    return [title, setting, len(rows), *bounds, f"{statistics.median(errors):.1%}", "no"]


def own_line(rows: list[Row]) -> list[object]:
    bounds = [share(error(row) <= bound for row in rows) for bound in (0.02, 0.05, 0.1)]
    right = share(row["m_hat"] == row["multiplicity"] for row in rows)
    return ["zeeman", "default", len(rows), *bounds, f"{statistics.median(map(error, rows)):.1%}", f"{right} right"]


def speeds(found: Row) -> str:
    """Medians over rounds, and over those of devinterp 2.0.1 with the chains that it was given."""
    base = {name: next(iter(each.values())) for name, each in found["problems"][PEERS["devinterp2"]].items()}
    lines = []
    for contestant, problems in found["problems"].items():
        for chains in next(iter(problems.values())):
            rates = [problems[name][chains]["chain_steps_per_second"] for name in base]
            over = [r / one["chain_steps_per_second"] for r, one in zip(rates, base.values(), strict=True)]
            cells = [f"{rate:,.0f} ({ratio:.1f})" for rate, ratio in zip(rates, over, strict=True)]
            lines.append([contestant, chains, *cells])
    return f"Last run on {found['date']}; in brackets, over devinterp 2.0.1.\n\n" + table(["", "chains", *base], lines)


def misses(rows: list[Row]) -> str:
    """First-seed readings more than 2 % off or with the wrong m, with the verdict that they carry."""
    wrong = [r for r in rows if r["seed"] == 0 and (error(r) > 0.02 or r["m_hat"] != r["multiplicity"])]
    if not wrong:
        return "None."
    titles = ["case", "d", "λ", "λ̂", "se", "m", "m̂ (posterior)", "verdict", "why"]
    return table(titles, [[*reading(row), " ".join(row["reasons"])] for row in wrong])


def reading(row: Row) -> list[object]:
    best = row["m_posterior"].get(str(row["m_hat"]))
    m = row["m_hat"] if best is None else f"{row['m_hat']} ({best:.0%})"
    hat, se = ("—", "—") if row["llc_hat"] is None else (f"{row['llc_hat']:.4f}", f"{row['se']:.4f}")
    return [f"{row['name']}", row["dimension"], f"{row['llc']:.4f}", hat, se, row["multiplicity"], m, row["verdict"]]


def readings(rows: list[Row]) -> str:
    titles = ["case", "d", "λ", "λ̂", "se", "m", "m̂ (posterior)", "verdict", "seed", "CPU s"]
    ranked = sorted(rows, key=lambda row: (row["family"], row["name"], row["seed"]))
    return table(titles, [[*reading(row), row["seed"], row["cpu_seconds"]] for row in ranked])


def ordered(found: Row) -> str:
    """Errors and order of the large linear networks."""
    titles = ["weights", "sampler", "truth", "networks", "median |error|", "mean error", "within 10 %",
              "pairs in order"]  # fmt: skip
    names = {"llc": "λ of Aoyagi 2024", "local_llc": "λ at the trained point (rank/2)"}
    lines = [
        [size, method, names[truth], one["nets"], f"{s['median_absolute_error']:.1%}", f"{s['mean_error']:+.1%}",
         f"{s['within_10_percent']:.0%}", f"{s['order_preserved']:.1%} of {s['pairs']}"]
        for size, values in sorted(found.items(), key=lambda one: len(one[0]))
        for method, one in values.get("summary", {}).items()
        for truth, s in ((t, one[t]) for t in names)
    ]  # fmt: skip
    return table(titles, lines)


def polygons(found: Row) -> str:
    titles = [
        "k-gon",
        "loss",
        "λ",
        "extrapolated, degree 2",
        "degree 3",
        "at n = 5e3",
        "at 5e4",
        "at 5e5",
        "variance/mean at 5e3, 5e6",
    ]
    lines = []
    for name, one in found.items():
        three = [f"{one['readings'][i]:.2f} ± {one['readings_se'][i]:.2f}" for i in (0, 5, 10)]
        ends = [f"{one['extrapolated'][degree]:.3f} ± {one['se'][degree]:.3f}" for degree in ("2", "3")]
        ratio = f"{one['variance_over_mean'][0]:.2f}, {one['variance_over_mean'][-1]:.2f}"
        lines.append([name, one["loss"], one["llc"], *ends, *three, ratio])
    return table(titles, lines)


def bits(found: Row) -> str:
    titles = ["seed", *(f"ρ at a rise of {rise} nats" for rise in ("0.02", "0.05", "0.1")), "without λ̂ < 0"]
    lines = []
    for run in found.get("runs", []):
        settled = run["spearman_where_llc_is_positive"]
        lines.append([run["seed"], *run["spearman"].values(), ", ".join(map(str, settled.values()))])
    return table(titles, lines)


def truths(found: Row) -> str:
    """Volumes and exact evidence beside the truth."""
    titles = ["case", "way", "λ", "found", "m", "residuals of m = 1, 2, 3"]
    lines = [
        [name, "exact evidence", f"{one['llc']:.4f}", f"{one['evidence_llc']:.5f}", one["multiplicity"],
         ", ".join(f"{r:.2g}" for r in one["residuals_of_m_1_2_3"])]
        for name, one in found.get("semi_analytic", {}).items()
    ]  # fmt: skip
    lines += [
        [name, "volume", f"{one['llc']:.4f}", f"{one['volume_llc']:.4f} ± {one['se']:.4f}", one["multiplicity"],
         ", ".join(f"{r:.2g}" for r in one["residuals_of_m_1_2_3"])]
        for name, one in found.get("volumes", {}).items()
    ]  # fmt: skip
    return table(titles, lines)


if __name__ == "__main__":
    main()
