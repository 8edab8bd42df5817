// Matrices as coloured cells: behaviours by checkpoint, and the small multiples of susceptibilities.

const LETTER = 6.3;
const RESOLVED_AT = 3;
const READABLE = 34; // narrower cells have no room for their figure, which the tip tells
const LOADINGS = {
  loaded: ["Loaded draws", "the chains feel the loss"],
  unloaded: ["Unloaded draws", "independent Gaussian steps of matched energy"],
  reweighted: ["Reweighted draws", "unloaded draws with importance weights"],
};
const RESPONSES = {
  rho: { value: "rho", error: "rho_se", name: "\u03c1", title: "correlation \u03c1" },
  raw: { value: "raw", error: "raw_se", name: "covariance", title: "covariance part of \u03c7" },
  shift: { value: "shift", error: "shift_se", name: "mean shift", title: "mean-shift part of \u03c7" },
};

const at = (matrix, row, column) => list(list(matrix)[row])[column] ?? null;
const shorten = (label) => (String(label).length > 24 ? `${String(label).slice(0, 11)}\u2026${String(label).slice(-12)}` : String(label));
const widest = (labels) => labels.reduce((most, label) => Math.max(most, shorten(label).length), 0) * LETTER;

// One coloured cell; `look` gives fill, faint, ink text, tip and spoken label.
function cellMark(x, y, width, height, look) {
  const node = mark("g", { class: look.faint ? "cell faint" : "cell", role: "img", "aria-label": look.spoken, tip: look.tip },
    mark("rect", { x, y, width: width - 1, height: height - 1, fill: look.fill ? css(look.fill) : "url(#absent)" }));
  if (look.text) node.append(mark("text", { x: x + (width - 1) / 2, y: y + height / 2, dy: "0.32em", "text-anchor": "middle", style: `fill:${inkOn(look.fill)}` }, look.text));
  return node;
}

function cellGrid(rows, columns, box, look) {
  return rows.map((_, row) => columns.map((__, column) => cellMark(box.x + column * box.width, box.y + row * box.height, box.width, box.height, look(row, column))));
}

// ---- behaviours

const behaviourView = { perProbe: false };
let behaviourBars = null;

function highlightColumn(step) {
  if (!behaviourBars) return;
  const index = step === null ? -1 : behaviourBars.steps.indexOf(step);
  behaviourBars.node.setAttribute("visibility", index < 0 ? "hidden" : "visible");
  if (index >= 0) behaviourBars.node.setAttribute("x", behaviourBars.left + index * behaviourBars.width - 1);
}

const metricName = (data, row) => list(data.metric)[row] ?? "value";

// The ends of the colour scale of a row: shared by all probes of one metric, or its own.
function behaviourEnds(data, row) {
  const rows = data.probes.map((_, index) => index).filter((index) => (behaviourView.perProbe ? index === row : metricName(data, index) === metricName(data, row)));
  const values = rows.flatMap((index) => list(list(data.value)[index])).filter(isNumber);
  return values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : [0, 1];
}

const compact = (value) => signed(Math.abs(value) >= 1000 ? value.toExponential(0) : value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2));

function behaviourLook(data, ends, readable, row, column) {
  const value = at(data.value, row, column);
  const shown = withError(value, at(data.se, row, column));
  const [low, high] = ends[row];
  return {
    fill: isNumber(value) ? VIRIDIS(high > low ? (value - low) / (high - low) : 0.5) : null,
    text: isNumber(value) && readable ? compact(value) : null,
    spoken: `${data.probes[row]}, step ${data.steps[column]}: ${metricName(data, row)} ${shown}`,
    tip: { title: `${data.probes[row]}, step ${formatStep(data.steps[column])}`, rows: [[metricName(data, row), shown]] },
  };
}

// Brackets over the columns that lie inside a transition's interval.
function behaviourBrackets(data, box) {
  return axis.transitions.map((transition) => {
    const inside = data.steps.map((step, index) => [step, index]).filter(([step]) => step >= transition.interval[0] && step <= transition.interval[1]).map(([, index]) => index);
    if (!inside.length) return null;
    const left = box.x + inside[0] * box.width + 1;
    const right = box.x + (inside[inside.length - 1] + 1) * box.width - 2;
    const title = `Transition, step ${transition.interval.map(formatStep).join("\u2013")}`;
    return mark("g", { tip: { title, text: [transition.sentence] } },
      mark("rect", { class: "catch", x: left, y: 0, width: right - left, height: 12 }),
      mark("path", { class: "bracket", d: `M${left},9v-5H${right}v5` }));
  });
}

function behaviourMap(data, room) {
  const left = widest(data.probes) + 14;
  const fit = (margin) => Math.max(14, Math.min(62, Math.floor((room - left - margin) / data.steps.length)));
  const slanted = widest(data.steps.map(formatStep)) > fit(4) - 4;
  const width = fit(slanted ? 26 : 4);
  const top = slanted ? 22 + 0.72 * widest(data.steps.map(formatStep)) : 30;
  const box = { x: left, y: top, width, height: data.probes.length > 24 ? 20 : 30 };
  const total = { width: left + width * data.steps.length + (slanted ? 26 : 4), height: top + box.height * data.probes.length + 2 };
  const ends = data.probes.map((_, row) => behaviourEnds(data, row));
  const cells = cellGrid(data.probes, data.steps, box, (row, column) => behaviourLook(data, ends, width >= READABLE, row, column));
  rove(cells);
  const bar = mark("rect", { class: "column", y: top - 1, width: width + 1, height: box.height * data.probes.length + 1, visibility: "hidden" });
  behaviourBars = { node: bar, left, width, steps: data.steps };
  return mark("svg", { class: "map", width: total.width, height: total.height, viewBox: `0 0 ${total.width} ${total.height}`, role: "group", "aria-label": "Behaviour of each probe at each checkpoint; the arrows move between cells" },
    behaviourBrackets(data, box).filter(Boolean),
    data.steps.map((step, index) => {
      const x = left + (index + 0.5) * width;
      return slanted ? mark("text", { transform: `translate(${x - 2},${top - 6}) rotate(-45)` }, formatStep(step)) : mark("text", { x, y: top - 8, "text-anchor": "middle" }, formatStep(step));
    }),
    data.probes.map((name, row) => mark("text", { class: "row-label", x: left - 8, y: top + (row + 0.5) * box.height, dy: "0.33em", "text-anchor": "end" }, shorten(name))),
    cells.flat(), bar);
}

function behavioursPanel(body, report) {
  const data = report.behaviours;
  if (!list(data?.probes).length || !list(data?.steps).length || !list(data?.value).length) {
    body.append(emptySentence("No behaviours were read: the examination had no probes or no checkpoints."));
    return;
  }
  const holder = el("div", {});
  const draw = () => {
    const metrics = [...new Set(data.probes.map((_, row) => metricName(data, row)))];
    const bars = behaviourView.perProbe ? [colourBar(VIRIDIS, ["lowest", "highest"], "each probe on its own scale")] : metrics.map((metric) => {
      const [low, high] = behaviourEnds(data, data.probes.findIndex((_, row) => metricName(data, row) === metric));
      return colourBar(VIRIDIS, [formatNumber(low), formatNumber(high)], metric === "loss" ? "loss (nats)" : metric);
    });
    const choices = segmented("Colour scale", [["shared", "Shared scale"], ["own", "Per probe"]], behaviourView.perProbe ? "own" : "shared", (key) => { behaviourView.perProbe = key === "own"; draw(); });
    holder.replaceChildren(el("div", { class: "controls" }, choices, bars), el("div", { class: "scroller" }, behaviourMap(data, body.clientWidth)));
  };
  body.append(holder);
  draw();
}

// ---- susceptibilities

const responseView = { kind: "rho" };

const matrixLimit = (matrix) => list(matrix).flat().filter(isNumber).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// rho shares one scale over all maps; the others are in units of the loss and differ by orders, so each map has its own.
function responseLimit(maps, map) {
  const { value } = RESPONSES[responseView.kind];
  const limit = responseView.kind === "rho" ? maps.reduce((most, other) => Math.max(most, matrixLimit(other[value])), 0) : matrixLimit(map[value]);
  return limit || 1;
}

function responseLook(map, names, limit, row, column) {
  const value = at(map[names.value], row, column);
  const error = at(map[names.error], row, column);
  const resolved = isNumber(value) && isNumber(error) && Math.abs(value) >= RESOLVED_AT * error;
  const verdict = list(map.verdicts)[row];
  const shown = withError(value, error);
  const doubt = verdict === undefined || isTrusted(verdict) ? null : `Draws of this component: ${verdictName(verdict)}.`;
  const remark = !isNumber(value) ? null : names.isNull ? "What chance alone gives: its true value is 0." : resolved ? null : "Below three standard errors: may be zero.";
  return {
    fill: isNumber(value) ? diverging(value / limit) : null,
    faint: isNumber(value) && !resolved,
    resolved,
    spoken: `${map.components[row]} to ${map.probes[column]}: ${names.name} ${shown}${resolved ? "" : ", not resolved"}`,
    tip: { title: `${map.components[row]} \u2192 ${map.probes[column]}`, rows: [[names.name, shown]], text: [remark, doubt] },
  };
}

function responseRowLabel(map, row, x, y) {
  const verdict = list(map.verdicts)[row];
  const doubtful = verdict !== undefined && verdict !== null && !isTrusted(verdict);
  return mark("text", { class: doubtful ? "row-label doubt" : "row-label", x, y, dy: "0.33em", "text-anchor": "end", tip: doubtful ? { title: map.components[row], text: [`Verdict: ${verdictName(verdict)}.`] } : null }, `${doubtful ? "\u00d7 " : ""}${shorten(map.components[row])}`);
}

function responseBox(map, room, hasNull) {
  const left = widest(map.components) + 24;
  const overhang = 0.64 * widest(map.probes);
  const nullWidth = hasNull ? 7 * map.probes.length + 12 : 0;
  const width = Math.max(15, Math.min(24, Math.floor((room - left - nullWidth - (hasNull ? 0 : overhang)) / map.probes.length)));
  return { x: left, y: 12 + 0.76 * widest(map.probes), width, height: 20, nullX: left + width * map.probes.length + 12, total: left + width * map.probes.length + Math.max(nullWidth, overhang) };
}

function responseMap(map, maps, room) {
  const names = RESPONSES[responseView.kind];
  const limit = responseLimit(maps, map);
  const hasNull = responseView.kind === "rho" && matrixLimit(map.null) > 0;
  const box = responseBox(map, room, hasNull);
  const looks = map.components.map((_, row) => map.probes.map((__, column) => responseLook(map, names, limit, row, column)));
  const cells = cellGrid(map.components, map.probes, box, (row, column) => looks[row][column]);
  const nullNames = { value: "null", error: map.null_se ? "null_se" : "rho_se", name: "null \u03c1", isNull: true };
  const nullCells = hasNull ? cellGrid(map.components, map.probes, { ...box, x: box.nullX, width: 7 }, (row, column) => responseLook(map, nullNames, limit, row, column)) : [];
  rove(cells);
  const height = box.y + box.height * map.components.length + 18;
  const picture = mark("svg", { class: "map", width: box.total, height, viewBox: `0 0 ${box.total} ${height}`, role: "group", "aria-label": `${names.title} at step ${map.step}, ${map.loading ?? ""} draws; the arrows move between cells` },
    map.probes.map((name, column) => mark("text", { transform: `translate(${box.x + (column + 0.62) * box.width},${box.y - 5}) rotate(-50)` }, shorten(name))),
    map.components.map((_, row) => responseRowLabel(map, row, box.x - 8, box.y + (row + 0.5) * box.height)),
    cells.flat(), nullCells.flat(),
    hasNull ? mark("text", { class: "null-label", x: box.nullX + (7 * map.probes.length) / 2, y: height - 5, "text-anchor": "middle" }, "null") : null);
  const resolved = looks.flat().filter((look) => look.resolved).length;
  const halves = list({ rho: map.rho_reliability, raw: map.raw_reliability }[responseView.kind]);
  const reliability = isNumber(halves[0]) ? halves : null;
  const inside = axis.transitions.some((transition) => map.step >= transition.interval[0] && map.step <= transition.interval[1]);
  return el("figure", { class: "response" },
    el("figcaption", {}, el("strong", {}, `step ${formatStep(map.step)}`), inside ? el("span", { class: "inside" }, "in a transition") : null,
      el("span", { class: "resolved" }, `${resolved} of ${looks.flat().length} resolved${responseView.kind === "rho" ? "" : `, scale \u00b1${formatNumber(limit, 2)}`}`)),
    el("div", { class: "scroller" }, picture),
    reliability ? el("p", { class: "note" }, `Halves of the chains: r = ${withError(...reliability)}`) : null);
}

function susceptibilityPanel(body, report) {
  const maps = list(report.susceptibility).filter((map) => list(map.components).length && list(map.probes).length).sort((a, b) => a.step - b.step);
  if (!maps.length) {
    body.append(emptySentence("No susceptibilities were measured in this examination."));
    return;
  }
  const holder = el("div", {});
  const draw = () => {
    const names = RESPONSES[responseView.kind];
    const shared = responseLimit(maps, maps[0]);
    const ends = responseView.kind === "rho" ? [signed(`-${formatNumber(shared, 2)}`), `+${formatNumber(shared, 2)}`] : ["\u2212", "+"];
    const loadings = [...new Set(maps.map((map) => map.loading ?? "loaded"))].sort();
    holder.replaceChildren(
      el("div", { class: "controls" }, segmented("Which response", Object.entries(RESPONSES).map(([key, { name }]) => [key, name]), responseView.kind, (key) => { responseView.kind = key; draw(); }), colourBar((share) => diverging(share * 2 - 1), ends, names.title)),
      ...loadings.map((loading) => el("div", { class: "loading" },
        el("h3", {}, LOADINGS[loading]?.[0] ?? loading, el("span", { class: "aside" }, LOADINGS[loading]?.[1] ?? "")),
        el("div", { class: "multiples" }, maps.filter((map) => (map.loading ?? "loaded") === loading).map((map) => responseMap(map, maps, Math.min(body.clientWidth, 420)))))));
  };
  body.append(holder);
  draw();
}
