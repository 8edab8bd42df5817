// The panels that share the step axis: training strip and learning coefficient, with zoom, bands and a linked crosshair.

const MARGIN = { left: 54, right: 14, top: 30, bottom: 44 };
const toAxis = (step) => Math.log10(Math.max(0, step) + 1);
const fromAxis = (place) => 10 ** place - 1;
const axis = { home: [0, 1], view: [0, 1], cursor: null, charts: [], checkpoints: [], transitions: [], flags: [] };

function prepareAxis(report) {
  axis.checkpoints = list(report.series?.steps).filter(isNumber);
  if (!axis.checkpoints.length) axis.checkpoints = list(report.llc).map((reading) => reading.step).filter(isNumber);
  axis.transitions = list(report.transitions).filter((transition) => list(transition.interval).every(isNumber) && list(transition.interval).length === 2);
  axis.flags = list(report.series?.flags).filter((flag) => isNumber(flag.step));
  const places = [...axis.checkpoints, ...list(report.training?.steps), ...list(report.llc).map((reading) => reading.step)].filter(isNumber).map(toAxis);
  if (!places.length) return;
  const low = places.reduce((a, b) => Math.min(a, b));
  const high = places.reduce((a, b) => Math.max(a, b));
  const room = (high - low) * 0.015 || 0.5;
  axis.home = [low - room, high + room];
  axis.view = [...axis.home];
}

function zoomTo(low, high) {
  const [first, last] = axis.home;
  const width = Math.min(last - first, Math.max(high - low, 0.01));
  const start = Math.min(Math.max(low, first), last - width);
  axis.view = [start, start + width];
  axis.charts.forEach((chart) => chart.redraw());
}

const isZoomed = () => axis.view[1] - axis.view[0] < axis.home[1] - axis.home[0] - 1e-9;

function stepTicks(x, view) {
  const [low, high] = view.map(fromAxis);
  const decades = [0, ...Array.from({ length: 13 }, (_, power) => 10 ** power)];
  const between = decades.flatMap((decade) => [2, 5, 3, 7].map((factor) => factor * decade));
  const close = view[1] - view[0] < 0.8 ? niceTicks(Math.max(0, low), high, 6).filter(Number.isInteger) : [];
  const kept = [];
  for (const step of [...(close.length > 2 ? close : [...decades, ...between])]) {
    const place = x(step);
    const room = 14 + 3.4 * formatStep(step).length;
    if (step >= low - 1e-9 && step <= high + 1e-9 && kept.every((other) => Math.abs(x(other) - place) > room + 3.4 * formatStep(other).length)) kept.push(step);
  }
  return kept;
}

// With room around the figures, so that a finger finds it.
function dateLabel(x, y, text, tip, sentence) {
  return mark("g", { class: "date-label", tabindex: 0, role: "img", "aria-label": `${tip.title}. ${sentence ?? ""}`, tip },
    mark("rect", { class: "catch", x: x - 22, y: y - 12, width: 44, height: 18 }),
    mark("text", { x, y, "text-anchor": "middle" }, text));
}

function drawBands(frame) {
  const { x, plot } = frame;
  let last = [-Infinity, -Infinity];
  return axis.transitions.map((transition) => {
    const [a, b] = transition.interval.map(x);
    const width = Math.max(2, b - a);
    const date = isNumber(transition.date) ? transition.date : null;
    const centre = date === null ? a + width / 2 : x(date);
    if (b < plot.left || a > plot.right) return null;
    const row = centre - last[0] > 58 ? 0 : 1;
    last[row] = centre;
    const tip = { title: `Transition, step ${transition.interval.map(formatStep).join("\u2013")}`, rows: [["date", formatStep(date)], ["seen in", list(transition.signals).join(", ") || "\u2013"], ["order", transition.order?.order ?? "not asked"]], text: [transition.sentence] };
    return mark("g", {},
      mark("rect", { class: "band", x: a, y: plot.top, width, height: plot.height, "clip-path": frame.clip }),
      date === null ? null : mark("line", { class: "date", x1: centre, x2: centre, y1: plot.top, y2: plot.bottom, "clip-path": frame.clip }),
      centre < plot.left || centre > plot.right ? null : dateLabel(Math.min(plot.right - 16, Math.max(plot.left + 16, centre)), plot.top - 6 - 13 * row, formatStep(date ?? (transition.interval[0] + transition.interval[1]) / 2), tip, transition.sentence));
  });
}

function drawFlags(frame) {
  const { x, plot } = frame;
  return axis.flags.map((flag) => {
    const ends = [flag.step, isNumber(flag.other_step) ? flag.other_step : flag.step].map(x).sort((a, b) => a - b);
    const [a, b] = ends[1] - ends[0] < 6 ? [ends[0] - 3, ends[1] + 3] : ends;
    const tip = { title: `Flagged: ${verdictName(flag.kind)}`, rows: [["step", formatStep(flag.step)], ...(isNumber(flag.other_step) ? [["against", formatStep(flag.other_step)]] : [])], text: [flag.sentence] };
    // Over the foot of the plot alone: hatching the full height would hide the lines.
    return mark("rect", { class: "flag", x: a, y: plot.bottom - 26, width: b - a, height: 26, "clip-path": frame.clip, tabindex: 0, role: "img", "aria-label": `${tip.title}. ${flag.sentence ?? ""}`, tip });
  });
}

function drawAxes(frame, content) {
  const { x, y, plot } = frame;
  const plain = niceTicks(...frame.yDomain, Math.max(3, plot.height / 48));
  const yTicks = content.yTicks ? content.yTicks(frame.yDomain) : plain.map((tick) => [tick, tickText(tick, plain)]);
  return mark("g", { class: "axes" },
    yTicks.map(([tick, text]) => [
      mark("line", { class: "grid", x1: plot.left, x2: plot.right, y1: y(tick), y2: y(tick) }),
      mark("text", { x: plot.left - 8, y: y(tick), dy: "0.33em", "text-anchor": "end" }, text),
    ]),
    stepTicks(x, axis.view).map((step) => [
      mark("line", { class: "tick", x1: x(step), x2: x(step), y1: plot.bottom + 9, y2: plot.bottom + 13 }),
      mark("text", { x: x(step), y: plot.bottom + 25, "text-anchor": "middle" }, formatStep(step)),
    ]),
    mark("line", { class: "base", x1: plot.left, x2: plot.right, y1: plot.bottom, y2: plot.bottom }),
    axis.checkpoints.filter((step) => x(step) >= plot.left - 0.5 && x(step) <= plot.right + 0.5).map((step) => mark("line", { class: "checkpoint", x1: x(step), x2: x(step), y1: plot.bottom, y2: plot.bottom + 7 })),
    mark("text", { class: "axis-title", x: (plot.left + plot.right) / 2, y: plot.bottom + 41, "text-anchor": "middle" }, "training step"),
    mark("text", { class: "axis-title", x: plot.left - 46, y: plot.top - 14, "text-anchor": "start" }, content.yTitle));
}

function nearestCheckpoint(step) {
  return axis.checkpoints.reduce((best, other) => (best === null || Math.abs(toAxis(other) - toAxis(step)) < Math.abs(toAxis(best) - toAxis(step)) ? other : best), null);
}

function setCursor(step) {
  axis.cursor = step;
  axis.charts.forEach((chart) => chart.point());
  highlightColumn(step === null ? null : nearestCheckpoint(step));
}

function attachPointer(svg, chart) {
  let start = null;
  const place = (event) => Math.min(chart.frame.plot.right, Math.max(chart.frame.plot.left, event.clientX - svg.getBoundingClientRect().left));
  const finish = (event) => {
    if (start === null) return;
    const ends = [start, place(event)].sort((a, b) => a - b);
    start = null;
    chart.selection.setAttribute("width", 0);
    if (event.type === "pointerup" && ends[1] - ends[0] > 8) zoomTo(...ends.map(chart.frame.scale.invert));
  };
  svg.addEventListener("pointerdown", (event) => { if (event.button === 0) start = place(event); });
  svg.addEventListener("pointermove", (event) => {
    const here = place(event);
    setCursor(Math.max(0, fromAxis(chart.frame.scale.invert(here))));
    if (start === null || Math.abs(here - start) < 5) return;
    if (!svg.hasPointerCapture(event.pointerId)) svg.setPointerCapture(event.pointerId);
    hideTip();
    chart.selection.setAttribute("x", Math.min(start, here));
    chart.selection.setAttribute("width", Math.abs(here - start));
  });
  svg.addEventListener("pointerup", finish);
  svg.addEventListener("pointercancel", finish);
  svg.addEventListener("pointerleave", () => start === null && setCursor(null));
  svg.addEventListener("dblclick", () => zoomTo(...axis.home));
}

function attachKeys(svg, chart) {
  svg.addEventListener("keydown", (event) => {
    const centre = toAxis(axis.cursor ?? fromAxis((axis.view[0] + axis.view[1]) / 2));
    const width = axis.view[1] - axis.view[0];
    const rescale = (factor) => zoomTo(centre - (width * factor) / 2, centre + (width * factor) / 2);
    const index = axis.checkpoints.indexOf(nearestCheckpoint(fromAxis(centre)));
    const visit = (next) => {
      const step = axis.checkpoints[Math.min(axis.checkpoints.length - 1, Math.max(0, next))];
      if (step === undefined) return;
      const half = width / 2;
      if (toAxis(step) < axis.view[0] || toAxis(step) > axis.view[1]) zoomTo(toAxis(step) - half, toAxis(step) + half);
      setCursor(step);
      speak(`step ${step}: ${chart.sentence()}`);
    };
    const actions = { ArrowLeft: () => visit(axis.cursor === null ? index : index - 1), ArrowRight: () => visit(axis.cursor === null ? index : index + 1), "+": () => rescale(0.5), "=": () => rescale(0.5), "-": () => rescale(2), 0: () => zoomTo(...axis.home), Escape: () => zoomTo(...axis.home) };
    if (!actions[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  });
  svg.addEventListener("blur", () => setCursor(null));
}

// A chart on the shared axis. `content` gives: label, yTitle, height, domain(view), yTicks(domain) giving [place, text] or null, marks(frame), legend [{key, name, swatch, at(step)}].
function stepChart(host, content) {
  const hidden = new Set();
  const outputs = content.legend.map(() => el("output", {}));
  const stepOutput = el("output", { class: "step-readout" });
  const reset = el("button", { type: "button", class: "quiet reset", click: () => zoomTo(...axis.home) }, "Reset zoom");
  const svg = mark("svg", { class: "chart", role: "group", tabindex: 0, "aria-label": `${content.label}. Left and right move between checkpoints, plus and minus zoom, 0 resets.` });
  const toggles = content.legend.map((entry, index) => el("button", { type: "button", class: "legend-entry", "aria-pressed": "true", click: (event) => {
    if (!hidden.delete(entry.key)) hidden.add(entry.key);
    event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(entry.key)));
    chart.redraw();
  } }, entry.swatch(), el("span", {}, entry.name), outputs[index]));
  const chart = { id: content.id, frame: null, selection: null, sentence: () => content.legend.map((entry) => `${entry.name} ${entry.at(axis.cursor)}`).join(", ") };
  const line = mark("line", { class: "crosshair" });
  chart.point = () => {
    const { plot, x } = chart.frame;
    const shown = axis.cursor !== null && x(axis.cursor) >= plot.left - 1 && x(axis.cursor) <= plot.right + 1;
    line.setAttribute("visibility", shown ? "visible" : "hidden");
    for (const [key, value] of Object.entries({ x1: x(axis.cursor ?? 0), x2: x(axis.cursor ?? 0), y1: plot.top, y2: plot.bottom })) line.setAttribute(key, value);
    stepOutput.textContent = axis.cursor === null ? "" : `step ${formatStep(Math.round(axis.cursor))}`;
    content.legend.forEach((entry, index) => { outputs[index].textContent = axis.cursor === null ? "" : entry.at(axis.cursor); });
  };
  chart.redraw = () => {
    const width = Math.max(280, host.clientWidth);
    const plot = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: content.height - MARGIN.bottom };
    plot.height = plot.bottom - plot.top;
    const scale = linearScale(axis.view, [plot.left, plot.right]);
    const yDomain = content.domain(axis.view, hidden);
    const clipId = `clip-${content.id}`;
    chart.frame = { plot, scale, x: (step) => scale(toAxis(step)), y: linearScale(yDomain, [plot.bottom, plot.top]), yDomain, hidden, clip: `url(#${clipId})` };
    chart.selection = mark("rect", { class: "selection", y: plot.top, height: plot.height, width: 0 });
    svg.setAttribute("viewBox", `0 0 ${width} ${content.height}`);
    svg.replaceChildren(
      mark("clipPath", { id: clipId }, mark("rect", { x: plot.left, y: plot.top, width: plot.right - plot.left, height: plot.height })),
      mark("rect", { class: "catch", x: plot.left, y: 0, width: plot.right - plot.left, height: content.height }),
      ...drawBands(chart.frame).filter(Boolean), drawAxes(chart.frame, content), ...drawFlags(chart.frame), line, content.marks(chart.frame), chart.selection);
    reset.disabled = !isZoomed();
    chart.point();
  };
  attachPointer(svg, chart);
  attachKeys(svg, chart);
  host.append(el("div", { class: "legend" }, toggles, stepOutput, reset), svg);
  axis.charts.push(chart);
  chart.redraw();
}

const inView = (step) => toAxis(step) >= axis.view[0] && toAxis(step) <= axis.view[1];
const swatchLine = (index) => mark("svg", { class: "swatch", width: 22, height: 10, "aria-hidden": "true" }, mark("line", { x1: 1, x2: 21, y1: 5, y2: 5, stroke: lineColour(index), "stroke-width": 2, "stroke-dasharray": lineDash(index) }));

// ---- training strip

// At most the extremes of each pixel column: a million recorded steps draw like a thousand.
function tracePath(xs, ys) {
  let path = "";
  let pen = false;
  let column = null;
  const flush = () => {
    if (!column) return;
    const ends = column.low.order <= column.high.order ? [column.low, column.high] : [column.high, column.low];
    for (const end of ends[0] === ends[1] ? [ends[0]] : ends) { path += `${pen ? "L" : "M"}${end.x.toFixed(1)},${end.y.toFixed(1)}`; pen = true; }
    column = null;
  };
  xs.forEach((x, order) => {
    if (!isNumber(ys[order])) { flush(); pen = false; return; }
    const point = { x, y: ys[order], order };
    if (column && Math.abs(x - column.x) >= 0.75) flush();
    if (!column) column = { x, low: point, high: point };
    if (point.y < column.low.y) column.low = point;
    if (point.y > column.high.y) column.high = point;
  });
  flush();
  return path;
}

function nearestIndex(steps, step) {
  let low = 0;
  let high = steps.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (steps[middle] <= step) low = middle;
    else high = middle;
  }
  return Math.abs(steps[high] - step) < Math.abs(steps[low] - step) ? high : low;
}

function trainingPanel(body, report) {
  const steps = list(report.training?.steps);
  const signals = list(report.training?.signals).filter((signal) => list(signal.values).some(isNumber));
  if (!steps.length || !signals.length) {
    body.append(emptySentence("Nothing was recorded while this network trained, so there are no signals to draw."));
    return;
  }
  stepChart(body, {
    id: "training", label: "Watched losses against training step", yTitle: "watched loss", height: 320,
    legend: signals.map((signal, index) => ({ key: signal.name, name: signal.name, swatch: () => swatchLine(index), at: (step) => formatNumber(signal.values[nearestIndex(steps, step)]) })),
    domain: (view, hidden) => paddedDomain(signals.filter((signal) => !hidden.has(signal.name)).flatMap((signal) => signal.values.filter((_, index) => inView(steps[index])))),
    marks: ({ x, y, clip, hidden }) => mark("g", { "clip-path": clip }, signals.map((signal, index) => hidden.has(signal.name) ? null
      : mark("path", { class: "signal", d: tracePath(steps.map(x), signal.values.map((value) => isNumber(value) ? y(value) : null)), stroke: lineColour(index), "stroke-dasharray": lineDash(index) }))),
  });
}

// ---- learning coefficient

const ESTIMATORS = [
  { key: "mean", name: "mean estimator", error: "se", shift: -3, shape: (x, y) => `M${x - 4},${y}a4,4 0 1,0 8,0a4,4 0 1,0 -8,0` },
  { key: "variance", name: "variance estimator", error: "variance_se", shift: 3, shape: (x, y) => `M${x},${y - 5.2}l5.2,5.2l-5.2,5.2l-5.2,-5.2z` },
];

function llcDomain(readings, view, hidden) {
  const seen = readings.filter((reading) => inView(reading.step));
  const trusted = seen.filter((reading) => isTrusted(reading.verdict));
  const shown = ESTIMATORS.filter((estimator) => !hidden.has(estimator.key));
  const ends = (trusted.length ? trusted : seen).flatMap((reading) => shown.flatMap(({ key, error }) => isNumber(reading[key]) ? [reading[key] - (reading[error] ?? 0), reading[key] + (reading[error] ?? 0)] : []));
  return paddedDomain([...ends, isZoomed() ? null : 0], 0.07);
}

function llcTip(reading) {
  return { title: `step ${formatStep(reading.step)}`, rows: ESTIMATORS.map(({ key, name, error }) => [name, withError(reading[key], reading[error])]), text: [`Verdict: ${verdictName(reading.verdict)}. ${reading.sentence ?? ""}`, ...list(reading.reasons)] };
}

function llcPoint(frame, reading, estimator, index) {
  const { x, y, plot } = frame;
  const value = reading[estimator.key];
  const px = x(reading.step) + estimator.shift;
  const py = Math.min(plot.bottom - 6, Math.max(plot.top + 6, y(value)));
  const outside = Math.abs(py - y(value)) > 1;
  const upward = y(value) < py ? -1 : 1;
  const error = reading[estimator.error];
  const trusted = isTrusted(reading.verdict);
  const colour = lineColour(index);
  return mark("g", { class: trusted ? "reading" : "reading doubtful", role: "img", "aria-label": `step ${reading.step}, ${estimator.name} ${withError(value, error)}, ${verdictName(reading.verdict)}`, tip: llcTip(reading), focus: () => setCursor(reading.step) },
    mark("circle", { class: "catch", cx: px, cy: py, r: 9 }),
    isNumber(error) && !outside ? mark("path", { class: "error", stroke: colour, "clip-path": frame.clip, d: `M${px},${y(value - error)}V${y(value + error)}M${px - 3},${y(value - error)}h6M${px - 3},${y(value + error)}h6` }) : null,
    mark("path", { class: "point", d: outside ? `M${px - 5},${py}h10l-5,${upward * 6}z` : estimator.shape(px, py), stroke: colour, fill: trusted ? colour : "var(--paper)" }),
    trusted ? null : mark("path", { class: "cross", d: `M${px - 3},${py - 14}l6,6m0,-6l-6,6` }));
}

function llcPanel(body, report) {
  const readings = list(report.llc).filter((reading) => isNumber(reading.step) && ESTIMATORS.some(({ key }) => isNumber(reading[key]))).sort((a, b) => a.step - b.step);
  const silent = list(report.llc).filter((reading) => !readings.includes(reading));
  if (!readings.length) {
    body.append(emptySentence("No learning coefficient was measured, or no reading came out finite."));
    return;
  }
  const at = ({ key, error }, step) => {
    const reading = readings.find((other) => other.step === nearestCheckpoint(step));
    return reading ? withError(reading[key], reading[error]) + (isTrusted(reading.verdict) ? "" : ` \u00d7 ${verdictName(reading.verdict)}`) : "\u2013";
  };
  const swatch = (estimator, index) => mark("svg", { class: "swatch", width: 14, height: 14, "aria-hidden": "true" }, mark("path", { d: estimator.shape(7, 7), fill: lineColour(index) }));
  stepChart(body, {
    id: "llc", label: "Local learning coefficient against training step", yTitle: "learning coefficient \u03bb\u0302", height: 340,
    legend: ESTIMATORS.map((estimator, index) => ({ key: estimator.key, name: estimator.name, swatch: () => swatch(estimator, index), at: (step) => at(estimator, step) })),
    domain: (view, hidden) => llcDomain(readings, view, hidden),
    marks: (frame) => {
      const rows = [];
      const group = mark("g", {});
      ESTIMATORS.forEach((estimator, index) => {
        if (frame.hidden.has(estimator.key)) return;
        const known = readings.filter((reading) => isNumber(reading[estimator.key]));
        const path = known.filter((reading) => isTrusted(reading.verdict)).map((reading, order) => `${order ? "L" : "M"}${frame.x(reading.step) + estimator.shift},${frame.y(reading[estimator.key])}`).join("");
        group.append(mark("path", { class: "thread", d: path, stroke: lineColour(index), "clip-path": frame.clip }));
        rows.push(known.filter((reading) => inView(reading.step)).map((reading) => llcPoint(frame, reading, estimator, index)));
      });
      rows.flat().forEach((node) => group.append(node));
      rove(rows);
      return group;
    },
  });
  if (silent.length) body.append(el("p", { class: "note" }, `Without a finite value: ${silent.map((reading) => `step ${formatStep(reading.step)} (${verdictName(reading.verdict)})`).join(", ")}.`));
}
