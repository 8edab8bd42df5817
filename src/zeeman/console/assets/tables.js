// Panels of words and figures: sampler health with its traces, transitions, provenance.

// ---- sampler health

const healthView = { verdict: null, sort: "step", down: false, open: null };
const HEALTH_COLUMNS = [
  { key: "step", title: "step", numeric: true, show: (unit) => formatStep(unit.step) },
  { key: "component", title: "component", show: (unit) => unit.component ?? "\u2013" },
  { key: "loading", title: "draws", show: (unit) => unit.loading ?? "\u2013" },
  { key: "verdict", title: "verdict", show: (unit) => verdictChip(unit.verdict) },
  { key: "rhat", title: "R\u0302", numeric: true, show: (unit) => formatNumber(unit.rhat) },
  { key: "ess", title: "ESS", numeric: true, show: (unit) => formatNumber(unit.ess) },
  { key: "drift", title: "drift", numeric: true, show: (unit) => formatNumber(unit.drift, 2) },
  { key: "below_reference", title: "below", numeric: true, show: (unit) => formatNumber(unit.below_reference, 2) },
  { key: "ratio", title: "variance ratio", numeric: true, show: (unit) => formatNumber(unit.ratio) },
  { key: "heat_excess", title: "heat", numeric: true, show: (unit) => (isNumber(unit.heat_excess) ? withError(unit.heat_excess, unit.heat_excess_se) : "\u2013") },
];

function sortedUnits(units) {
  const { sort, down, verdict } = healthView;
  const order = (a, b) => {
    if ((a[sort] ?? null) === null || (b[sort] ?? null) === null) return ((a[sort] ?? null) === null) - ((b[sort] ?? null) === null);
    const raw = isNumber(a[sort]) && isNumber(b[sort]) ? a[sort] - b[sort] : String(a[sort]).localeCompare(String(b[sort]), undefined, { numeric: true });
    return down ? -raw : raw;
  };
  return units.filter((unit) => verdict === null || verdictName(unit.verdict) === verdict).sort(order);
}

function traceChart(unit, room) {
  const traces = list(unit.traces).filter((trace) => list(trace).some(isNumber));
  if (!traces.length) return emptySentence("The traces of this unit were not kept.");
  const width = Math.max(260, Math.min(room, 720));
  const height = 190;
  const plot = { left: 52, right: width - 10, top: 12, bottom: height - 34 };
  const length = traces.reduce((most, trace) => Math.max(most, trace.length), 0);
  const every = unit.trace_every ?? 1;
  const last = Math.max(1, (length - 1) * every);
  const x = linearScale([0, last], [plot.left, plot.right]);
  const domain = paddedDomain([0, ...traces.flat()]);
  const y = linearScale(domain, [plot.bottom, plot.top]);
  const yTicks = niceTicks(...domain, 4);
  const burned = Math.min(unit.num_burnin_steps ?? 0, last);
  return mark("svg", { class: "chart trace", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Traces of ${traces.length} chains over ${last} steps, the first ${burned} are burn-in` },
    burned > 0 ? mark("rect", { class: "burnin", x: plot.left, y: plot.top, width: x(burned) - plot.left, height: plot.bottom - plot.top }) : null,
    burned > 0 && x(burned) - plot.left > 44 ? mark("text", { x: plot.left + 5, y: plot.top + 12 }, "burn-in") : null,
    mark("g", { class: "axes" },
      yTicks.map((tick) => [mark("line", { class: "grid", x1: plot.left, x2: plot.right, y1: y(tick), y2: y(tick) }), mark("text", { x: plot.left - 7, y: y(tick), dy: "0.33em", "text-anchor": "end" }, tickText(tick, yTicks))]),
      niceTicks(0, last, 6).filter(Number.isInteger).map((tick) => mark("text", { x: x(tick), y: plot.bottom + 15, "text-anchor": "middle" }, formatStep(tick))),
      mark("line", { class: "base", x1: plot.left, x2: plot.right, y1: y(0), y2: y(0) }),
      mark("text", { class: "axis-title", x: (plot.left + plot.right) / 2, y: height - 4, "text-anchor": "middle" }, "chain step")),
    traces.map((trace, index) => mark("path", { class: "signal thin", stroke: lineColour(index), "stroke-dasharray": lineDash(index), d: tracePath(trace.map((_, index) => x(index * every)), trace.map((value) => (isNumber(value) ? y(value) : null))) })));
}

function unitDetail(unit, room) {
  return el("div", { class: "detail" },
    el("p", {}, verdictChip(unit.verdict), " ", unit.sentence ?? ""),
    list(unit.reasons).length ? el("ul", {}, unit.reasons.map((reason) => el("li", {}, reason))) : null,
    el("p", { class: "note" }, "Energy n\u03b2 \u0394L along each chain, one line a chain."),
    traceChart(unit, room));
}

function healthRows(units, draw, room) {
  return sortedUnits(units).flatMap((unit) => {
    const open = healthView.open === unit;
    const toggle = () => { healthView.open = open ? null : unit; draw(); };
    const name = `${unit.component ?? "unit"} at step ${unit.step}`;
    const row = el("tr", { class: open ? "unit open" : "unit", click: toggle }, HEALTH_COLUMNS.map((column, index) => el("td", { class: column.numeric ? "figure" : null },
      index ? column.show(unit) : el("button", { type: "button", class: "opener", "aria-expanded": String(open), "aria-label": `Traces of ${name}`, click: (event) => { event.stopPropagation(); toggle(); } }, el("span", { class: "arrow", "aria-hidden": "true" }, open ? "\u25be" : "\u25b8"), column.show(unit)))));
    return open ? [row, el("tr", { class: "opened" }, el("td", { colspan: HEALTH_COLUMNS.length }, unitDetail(unit, room)))] : [row];
  });
}

function healthHead(draw) {
  return el("tr", {}, HEALTH_COLUMNS.map((column) => {
    const sorted = healthView.sort === column.key;
    const sort = () => { healthView.down = sorted && !healthView.down; healthView.sort = column.key; draw(`[data-sort="${column.key}"]`); };
    return el("th", { scope: "col", class: column.numeric ? "figure" : null, "aria-sort": sorted ? (healthView.down ? "descending" : "ascending") : null },
      el("button", { type: "button", "data-sort": column.key, click: sort }, column.title, el("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (healthView.down ? "\u2193" : "\u2191") : "")));
  }));
}

function healthFilters(units, draw) {
  const counts = new Map();
  units.forEach((unit) => counts.set(verdictName(unit.verdict), (counts.get(verdictName(unit.verdict)) ?? 0) + 1));
  const options = [[null, `all ${units.length}`], ...[...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => [name, `${name} ${count}`])];
  return segmented("Filter by verdict", options, healthView.verdict, (key) => { healthView.verdict = key; draw(); });
}

function healthPanel(body, report) {
  const units = list(report.health);
  if (!units.length) {
    body.append(emptySentence("No chains were run, so there is nothing to say about their health."));
    return;
  }
  const filters = el("div", { class: "controls" });
  const scroller = el("div", { class: "scroller tall", tabindex: 0, role: "region", "aria-label": "Units of sampling" });
  const draw = (focused) => {
    const had = focused ?? (document.activeElement?.closest?.(".opener") && scroller.contains(document.activeElement) ? `[aria-label="${CSS.escape(document.activeElement.getAttribute("aria-label"))}"]` : null);
    const place = scroller.scrollTop;
    filters.replaceChildren(healthFilters(units, draw));
    scroller.replaceChildren(el("table", { class: "health" }, el("thead", {}, healthHead(draw)), el("tbody", {}, healthRows(units, () => draw(), body.clientWidth - 36))));
    scroller.scrollTop = place;
    if (had) scroller.querySelector(had)?.focus({ preventScroll: true });
  };
  body.append(filters, scroller);
  draw();
}

// ---- transitions

const movedChange = (moved) => el("span", { class: "change" }, `${isNumber(moved.change) && moved.change > 0 ? "+" : ""}${withError(moved.change, moved.se)}`);

function movedProbes(transition) {
  const moved = list(transition.probes);
  if (!moved.length) return el("p", { class: "quiet-line" }, "no probe moved");
  return el("ul", { class: "moved" }, moved.map((probe) => el("li", {}, el("span", { class: "name" }, probe.name), el("span", { class: "ends" }, `${formatNumber(probe.before)} \u2192 ${formatNumber(probe.after)}${isNumber(probe.chance) ? ` (chance ${formatNumber(probe.chance)})` : ""}`), movedChange(probe), isNumber(probe.p_value) ? el("span", { class: "ends" }, `p ${formatNumber(probe.p_value, 2)}, q ${formatNumber(probe.q_value, 2)}`) : null)));
}

function movedComponents(transition) {
  const moved = list(transition.components);
  if (!moved.length) return el("p", { class: "quiet-line" }, "no component moved");
  return el("ul", { class: "moved" }, moved.map((component) => el("li", {}, el("span", { class: "name" }, component.name), el("span", { class: "ends" }, [component.probe ? `to ${component.probe}` : null, component.loading].filter(Boolean).join(", ")), movedChange(component))));
}

// Why the order is what it is, and which of the two states more data would prefer.
function transitionOrder(order) {
  if (!order || order.order === "not asked") return null;
  const signs = list(order.evidence).map((sign) => sign.sentence);
  const competition = order.competition?.sentence;
  return el("p", { class: "note" }, [`Order: ${order.sentence}.`, signs.length ? `Chains from either side along n\u03b2: ${signs.join("; ")}.` : null, competition ? `By free energy ${competition}.` : null].filter(Boolean).join(" "));
}

function transitionsPanel(body, report) {
  const transitions = list(report.transitions);
  if (!transitions.length) body.append(emptySentence("No transition was found in this run."));
  const entries = transitions.map((transition) => el("article", { class: "transition" },
    el("div", { class: "when" }, el("span", { class: "date-figure" }, formatStep(transition.date)), el("span", { class: "interval" }, `between ${list(transition.interval).map(formatStep).join(" and ")}`), verdictChip(transition.verdict)),
    el("div", { class: "what" },
      el("p", { class: "sentence" }, transition.summary ?? "", " ", transition.sentence ?? ""),
      transitionOrder(transition.order),
      list(transition.signals).length ? el("p", { class: "note" }, `Seen in ${transition.signals.join(", ")}.`) : null,
      el("div", { class: "pair" }, el("div", {}, el("h3", {}, "Probes that moved"), movedProbes(transition)), el("div", {}, el("h3", {}, "Components that moved"), movedComponents(transition))))));
  body.append(...entries);
  const changes = list(report.behaviour_changes).map((change) => change.summary ?? `${list(change.probes).join(", ")} between ${list(change.interval).map(formatStep).join(" and ")}.`);
  if (changes.length) body.append(el("h3", {}, "Changes of behaviour that the learning coefficient did not see"), el("ul", { class: "note" }, changes.map((change) => el("li", {}, change))));
}

// ---- provenance

const isNested = (value) => value !== null && typeof value === "object" && (Array.isArray(value) ? value.some((item) => item !== null && typeof item === "object") : Object.keys(value).length > 0);

function plainValue(value) {
  if (Array.isArray(value)) return value.map(plainValue).join(", ") || "none";
  if (value === null || value === undefined) return "\u2013";
  if (typeof value === "object") return "none";
  if (typeof value === "number") return Number.isInteger(value) ? formatStep(value) : signed(String(value));
  return String(value);
}

function provenanceTree(tree, depth) {
  const entries = Object.entries(tree ?? {});
  const flat = entries.filter(([, value]) => !isNested(value));
  return [
    flat.length ? el("dl", { class: "facts" }, flat.map(([key, value]) => el("div", {}, el("dt", {}, key), el("dd", {}, plainValue(value))))) : null,
    ...entries.filter(([, value]) => isNested(value)).map(([key, value]) => el("details", { class: "nest", open: depth === 0 && Object.keys(value).length <= 8 }, el("summary", {}, key, el("span", { class: "aside" }, `${Object.keys(value).length}`)), provenanceTree(value, depth + 1))),
  ].filter(Boolean);
}

function provenancePanel(body, report) {
  if (!Object.keys(report.provenance ?? {}).length) {
    body.append(emptySentence("This document came without provenance, so its figures cannot be traced."));
    return;
  }
  body.append(...provenanceTree(report.provenance, 0));
}
