"""The peers side by side, in Markdown, from what run.py kept: shares and coverage, and each case.

Usage: python benchmarks/peers/table.py [--all]

Shares are over the cases that every peer has run under the setting; ``--all`` takes each peer's own cases instead.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = {"devinterp1": "devinterp 1.3.2", "devinterp2": "devinterp 2.0.1", "canonical": "canonical-interp 0.1.5"}
WITHIN = (0.02, 0.05, 0.10, 0.25)

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    everything = parser.parse_args().all
    kept = {peer: json.loads((HERE / f"{peer}.json").read_text())["cases"] for peer in PEERS}
    print(shares(kept, everything))
    print()
    print(cases(kept))


def chosen(rows: list[Row], which: str) -> dict[str, Row]:
    return {row["case"]: row for row in rows if row["which"] == which}


def without_burn_in(row: Row) -> Row:
    """Put λ̂ without burn-in for the one printed, where the peer counts its burn-in."""
    value = row["trimmed"]
    return row if value is None else row | {"llc": value, "relative_error": value / row["true_llc"] - 1}


def shares(kept: dict[str, list[Row]], everything: bool = False) -> str:
    """Shares of cases within bounds, and how often the intervals of what is printed hold the truth."""
    titles = ["peer", "setting", "cases", "failed", *(f"≤ {100 * bound:g} %" for bound in WITHIN)]
    titles += ["median error", "signed", "±1 std", "±2 std", "±1 std/√chains", "±2 std/√chains", "CPU s"]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for which in ("published", "tuned"):
        found = {peer: chosen(rows, which) for peer, rows in kept.items()}
        shared = set.intersection(*(set(rows) for rows in found.values()))
        for peer, by_case in found.items():
            rows = [row for case, row in by_case.items() if everything or case in shared]
            if not rows:
                continue
            lines.append(line(PEERS[peer], which, rows))
            if which == "tuned" and any(row["trimmed"] != row["llc"] for row in rows):
                lines.append(line(PEERS[peer], "tuned, burn-in taken off by hand", list(map(without_burn_in, rows))))
    return "\n".join(lines)


def line(peer: str, setting: str, rows: list[Row]) -> str:
    s = summarize(rows)
    cells = [peer, setting, str(s["cases"]), str(s["failed"]), *(f"{share:.0%}" for share in s["within"].values())]
    for key, style in (("median_relative_error", ".1%"), ("median_signed_error", "+.1%")):
        cells.append("" if s[key] is None else format(s[key], style))
    cells += [f"{share:.0%}" for kind in ("std", "standard_error") for share in s[f"covered_by_{kind}"].values()]
    return "| " + " | ".join([*cells, f"{s['median_seconds']:.0f}"]) + " |"


def summarize(rows: list[Row]) -> dict[str, Any]:
    """Errors and coverage; a case that failed counts as missed.

    Coverage is reported for both readings of what a peer prints: its standard deviation over chains as it stands, and
    the standard error that one gets by dividing by √chains.
    """
    good = [row for row in rows if row["failure"] is None]
    errors = [abs(row["relative_error"]) for row in good]

    def share(count: int) -> float:
        return round(count / len(rows), 3)

    def covered(width: float, over_chains: bool) -> float:
        def inside(row: Row) -> bool:
            scale = math.sqrt(row["setting"]["chains"]) if over_chains else 1.0
            spread = row["std"] or 0.0
            return bool(abs(row["llc"] - row["true_llc"]) <= width * spread / scale)

        return share(sum(map(inside, good)))

    return {
        "cases": len(rows),
        "failed": len(rows) - len(good),
        "warned": sum(row["warned"] for row in rows),
        "within": {f"{bound:g}": share(sum(error <= bound for error in errors)) for bound in WITHIN},
        "median_relative_error": statistics.median(errors) if errors else None,
        "median_signed_error": statistics.median(row["relative_error"] for row in good) if good else None,
        "covered_by_std": {"1": covered(1, False), "2": covered(2, False)},
        "covered_by_standard_error": {"1": covered(1, True), "2": covered(2, True)},
        "median_seconds": statistics.median(row["seconds"] for row in rows),
        "median_steps_per_second": statistics.median(row["steps_per_second"] for row in rows),
    }


def cases(kept: dict[str, list[Row]]) -> str:
    """λ̂ ± std of each case under the tuned setting, and its error."""
    found = {peer: chosen(rows, "tuned") for peer, rows in kept.items()}
    lines = ["| case | d | λ | m | " + " | ".join(PEERS.values()) + " |", "|---" * (4 + len(PEERS)) + "|"]
    names = dict.fromkeys(case for by_case in found.values() for case in by_case)
    for name in names:
        row = next(by_case[name] for by_case in found.values() if name in by_case)
        cells = [name, str(row["dimension"]), f"{row['true_llc']:.4g}", str(row["true_multiplicity"])]
        lines.append("| " + " | ".join(cells + [cell(by_case.get(name)) for by_case in found.values()]) + " |")
    return "\n".join(lines)


def cell(row: Row | None) -> str:
    if row is None:
        return ""
    if row["failure"]:
        return str(row["failure"])[:40]
    return f"{row['llc']:.4g} ± {row['std']:.2g} ({100 * row['relative_error']:+.0f} %)"


if __name__ == "__main__":
    main()
