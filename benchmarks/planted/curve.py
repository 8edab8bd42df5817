"""Draw what each estimator finds and resolves against its CPU seconds, as docs/planted.svg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

WIDTH, HEIGHT, LEFT, TOP, GAP = 270, 250, 50, 40, 62
SECONDS = (5, 20, 50, 100, 200, 500)
DASHES = ("", "5 3", "1 3", "8 3 2 3")
"""One a seed."""
COLOURS = {
    "amplitude, unloaded": "#5b3fa0",
    "ρ, unloaded": "#1b6ca8",
    "ρ, unloaded, pairs ±δ": "#35a79c",
    "ρ, loaded": "#d1742f",
    "raw covariance, loaded": "#8c2f4b",
}
SOURCES = {
    "amplitude, unloaded": ("unloaded", "amplitude"),
    "ρ, unloaded": ("unloaded", "rho"),
    "ρ, unloaded, pairs ±δ": ("antithetic", "rho"),
    "ρ, loaded": ("loaded", "rho"),
    "raw covariance, loaded": ("loaded", "covariance"),
}
Row = dict[str, Any]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """A panel: its title, its ticks, and what it shows of a row, if the row has it."""

    title: str
    ticks: tuple[float, ...]
    path: tuple[str, ...]
    log: bool = False

    def value(self, row: Row) -> float | None:
        found: Any = row
        for name in self.path:
            if name not in found:
                return None
            found = found[name]
        return float(found)

    def place(self, value: float) -> float:
        """Height above the lower edge, in shares of the panel."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            low, high, value = np.log(low), np.log(high), np.log(value)
        return float((value - low) / (high - low))


PANELS = (
    Panel("ARI by kind, k-means at the true k", (0, 0.2, 0.4, 0.6, 0.8, 1), ("k_means", "kind")),
    Panel("ARI by kind, published clusters", (0, 0.2, 0.4, 0.6, 0.8, 1), ("published", "kind")),
    Panel("ARI by kind, k found by cluster_rows", (0, 0.2, 0.4, 0.6, 0.8, 1), ("found", "kind")),
    Panel("pairs with |ρ| > 3 SE a CPU second", (30, 100, 300, 1000, 3000), ("resolved_per_cpu_second",), log=True),
)


def drawing(seeds: Row) -> str:
    """Give the figure as SVG."""
    width, height = 2 * (LEFT + WIDTH) + GAP, 2 * (HEIGHT + GAP) + TOP + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11" fill="none">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, panel in enumerate(PANELS):
        x, y = LEFT + (number % 2) * (WIDTH + GAP), TOP + (number // 2) * (HEIGHT + GAP)
        parts += [f'<g transform="translate({x},{y})">', *_axes(panel), *_lines(panel, seeds), "</g>"]
    parts += [*_legend(seeds, height), "</svg>"]
    return "\n".join(parts) + "\n"


def points(seeds: Row, seed: str, source: str, panel: Panel) -> Points:
    """CPU seconds and value of every number of draws."""
    section, quantity = SOURCES[source]
    rows = seeds[seed].get(section, {}).get("rows", {})
    found = [(row["cpu_seconds"], panel.value(row)) for name, row in rows.items() if name.startswith(f"{quantity}, ")
             and "cpu_seconds" in row]  # fmt: skip
    return [(seconds, value) for seconds, value in sorted(found) if value is not None]


def _across(seconds: float) -> float:
    first, last = np.log(SECONDS[0]), np.log(SECONDS[-1])
    return float(WIDTH * (np.log(seconds) - first) / (last - first))


def _axes(panel: Panel) -> list[str]:
    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" stroke="#999"/>',
        _text(WIDTH / 2, -10, panel.title, "middle"),
        _text(WIDTH / 2, HEIGHT + 32, "CPU seconds", "middle"),
    ]
    for tick in SECONDS:
        x = _across(tick)
        parts += [f'<path d="M{x:.1f} 0V{HEIGHT}" stroke="#eee"/>', _text(x, HEIGHT + 15, f"{tick}", "middle")]
    for value in panel.ticks:
        y = HEIGHT * (1 - panel.place(value))
        parts += [f'<path d="M0 {y:.1f}H{WIDTH}" stroke="#eee"/>', _text(-6, y + 4, f"{value:g}", "end")]
    return parts


def _lines(panel: Panel, seeds: Row) -> list[str]:
    parts = []
    for source, colour in COLOURS.items():
        for seed, dash in zip(seeds, DASHES, strict=False):
            places = [
                (_across(seconds), HEIGHT * (1 - panel.place(value)))
                for seconds, value in points(seeds, seed, source, panel)
            ]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    return parts


def _legend(seeds: Row, height: int) -> list[str]:
    """Colours and then dashes, four in a row."""
    entries = [(source, f'stroke="{colour}" stroke-width="3"') for source, colour in COLOURS.items()]
    entries += [(f"seed {seed}", f'stroke="#333" stroke-width="1.6" stroke-dasharray="{dash}"')
                for seed, dash in zip(seeds, DASHES, strict=False)]  # fmt: skip
    parts = []
    for number, (name, stroke) in enumerate(entries):
        x, y = LEFT + 160 * (number % 4), height - 32 + 18 * (number // 4)
        parts += [f'<path d="M{x} {y - 4}h22" {stroke}/>', _text(x + 27, y, name, "start")]
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222">{escape(text)}</text>'
