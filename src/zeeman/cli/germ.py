"""``zeeman germ``: the class of singularity that a checkpoint shows on few directions, and what deforms it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from zeeman.cli.app import Json, StoreAt, app, library_beside, print_json, print_table
from zeeman.errors import ZeemanError

SHOWN = 6
"""Classes that are printed."""


@app.command
def germ(
    store: StoreAt,
    /,
    *,
    step: int | None = None,
    along: Literal["chord", "flat", "posterior"] = "chord",
    component: str = "full",
    dimension: int = 1,
    degree: int = 6,
    radius: float | None = None,
    num_draws: int | None = None,
    deformation: str | None = None,
    series: str | None = None,
    probes: Path | None = None,
    json: Json = False,
) -> None:
    """Name the germ of the loss at a checkpoint: class, coefficients with errors, and what each probe turns on.

    The loss is minimized over all weights across a subspace, fitted by a polynomial, and held against Arnold's classes.

    Parameters
    ----------
    store
        Folder of an examination; its nβ and γ set the scale.
    step
        Checkpoint; by default the last one.
    along
        Directions towards the next checkpoints, those in which the component's Hessian is least, or those in which
        chains spread most.
    component
        Weights that move, such as l0h1; for flat at most 4,096.
    dimension
        Directions, 1 to 4.
    degree
        Of the polynomial.
    radius
        Of the ball, in units of the weights.
    num_draws
        Of each chain, along posterior; by default as many as the examination's.
    deformation
        A monomial of the unfolding, such as x^2: rank the probes by it, and mix them to turn on it alone.
    series
        Folder of the checkpoints; by default run beside the store.
    probes
        Folder of the library; by default probes beside the store.
    """
    from zeeman import examination as room
    from zeeman.subjects import Series

    opened, library = room.Store.open(store), library_beside(store, probes)
    subject = room.Subject(Series.from_spec(series or _beside(store)), library)
    chosen = subject.series.steps[-1] if step is None else step
    settings = room.settings_of(opened, chosen)
    reading = room.read_germ(
        subject,
        chosen,
        replace(settings, num_draws=num_draws or settings.num_draws),
        along=along,
        component=component,
        dimension=dimension,
        degree=degree,
        radius=radius,
    )
    found = room.germ_document(reading, deformation)
    if json:
        print_json(found)
    else:
        _tell(found)


def _beside(store: str) -> str:
    folder = Path(store).absolute().parent / "run"
    if not folder.is_dir():
        raise ZeemanError(
            f"expected the checkpoints in {folder}, but there is no such folder; name them with --series."
        )
    return str(folder)


def _tell(found: dict[str, Any]) -> None:
    """Print classes, coefficients and deformations."""
    how = found["provenance"]
    print(
        f"Step {found['step']}: {found['class']}{found['real_form']} with probability {found['probability']:.2f}, "
        f"within {found['tolerance']:g} of the scale {found['scale']:.3g} nats at radius {found['radius']:.3g} "
        f"({how['along']}, {how['component']}). The critical point lies "
        f"{found['critical_distance']:.2g} ± {found['critical_distance_error']:.1g} radii from the checkpoint; that it "
        f"lies beyond half the radius (A0) has probability {found['regular']:.2f}. The other weights went "
        f"{found['offset']:.2g} radii to the minimum above it."
    )
    if found["verdict"] != "ok":
        print(f"× {found['sentence']} ({'; '.join(found['reasons'])})")
    print_table(
        ("class", "probability", "χ²", "conditions"),
        [
            (c["class"], f"{c['probability']:.3f}", f"{c['chi2']:.1f}", str(c["codimension"]))
            for c in found["classes"][:SHOWN]
        ],
        right=(1, 2, 3),
    )
    rows = [(name, f"{value:+.3f} ± {error:.2g}") for name, (value, error) in found["coefficients"].items()]
    print_table(("monomial", "coefficient, of the scale"), rows[:20], right=(1,))
    if found["probes"] and found["unfolding"]:
        heads = [f"{u['monomial']} (exponent {u['exponent']:.3g})" for u in found["unfolding"]]
        lines = [
            (p["probe"], *(f"{d['value']:+.2g} ± {d['standard_error']:.1g}" for d in p["deformation"]))
            for p in found["probes"]
        ]
        print_table(("probe turns on, nats", *heads), lines, right=range(1, 1 + len(heads)))
    _tell_arcs(found["arcs"], found["class"])
    if "wanted" in found:
        _tell_wanted(found["wanted"])


def _tell_arcs(arcs: dict[str, Any], name: str) -> None:
    """Print the order ladder beside what the class has."""
    rows = []
    for one in arcs["orders"]:
        known = one["verdict"] == "ok"
        seen = f"{one['order']:.2f} ± {one['standard_error']:.1g}" if known else "× " + "; ".join(one["reasons"])
        between = "{:.2g} to {:.2g}".format(*one["scales"]) if known else ""
        weights = "(" + ", ".join(map(str, one["weights"])) + ")"
        rows.append((weights, seen, between, "–" if one["class_order"] is None else str(one["class_order"])))
    print_table(("arcs of weight", "order", "at radii", f"of {name}"), rows, right=(3,))
    bound = arcs["bound"]
    if bound["value"] is not None:
        beside = "" if arcs["class_bound"] is None else f" ({name}: {arcs['class_bound']:.3f})"
        print(f"On these directions λ ≤ {bound['value']:.3f} ± {bound['standard_error']:.1g}{beside}.")
    if arcs["jet_codimensions"]:
        shown = {m: ["–" if x is None else x for x in c.values()] for m, c in arcs["jet_codimensions"].items()}
        ladder = ", ".join(f"m = {m}: {measured} ({known})" for m, (measured, known) in shown.items())
        print(f"Codimension of the jets that vanish beyond order m, measured (and of {name}): {ladder}.")


def _tell_wanted(wanted: dict[str, Any]) -> None:
    ranked = ", ".join(f"{one['probe']} ({one['errors']:+.1f} errors)" for one in wanted["ranked"][:5])
    print(f"{wanted['monomial']} is turned on most surely by {ranked}.")
    mixed = " ".join(f"{weight:+.2f} {probe}" for probe, weight in wanted["mixture"].items())
    given = ", ".join(f"{name} {value:+.2g} ± {error:.1g}" for name, (value, error) in wanted["given"].items())
    print(f"Mixed: {mixed}; that gives {given}.")
