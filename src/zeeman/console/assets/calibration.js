// The pilots of a calibration: heat and efficiency against the step size, and what the temperature changes.

const PILOT_BOX = { width: 480, height: 250, left: 58, right: 14, top: 30, bottom: 44 };

const powers = (low, high) => Array.from({ length: Math.max(0, Math.floor(high + 1e-9) - Math.ceil(low - 1e-9) + 1) }, (_, index) => Math.ceil(low - 1e-9) + index);
const powerText = (power) => (power >= -2 && power <= 4 ? String(Number((10 ** power).toPrecision(1))) : scientific(10 ** power, 0));

// Axes that may be logarithmic: ends in the units of the axis, ticks as [place, text].
function pilotAxis(values, logarithmic, range) {
  const known = values.filter((value) => isNumber(value) && (!logarithmic || value > 0)).map((value) => (logarithmic ? Math.log10(value) : value));
  let [low, high] = paddedDomain(known, 0.08);
  if (logarithmic && high - low < 1.2) [low, high] = [(low + high) / 2 - 0.6, (low + high) / 2 + 0.6];
  const scale = linearScale([low, high], range);
  const linear = niceTicks(low, high, 4);
  const factors = high - low < 1.6 ? [0, Math.log10(3)] : [0];
  const ticks = logarithmic
    ? powers(low - 1, high).flatMap((power) => factors.map((more) => [power + more, more ? powerText(power).startsWith("1\u00d7") ? scientific(3 * 10 ** power, 0) : String(Number((3 * 10 ** power).toPrecision(1))) : powerText(power)]))
    : linear.map((tick) => [tick, tickText(tick, linear)]);
  const place = (value) => scale(Math.min(high, Math.max(low, logarithmic ? Math.log10(Math.max(value, 1e-300)) : value)));
  return { place, ticks: ticks.filter(([tick]) => tick >= low && tick <= high).map(([tick, text]) => [scale(tick), text]) };
}

function pilotMark(point, x, y, colour) {
  const { low, high } = point;
  const shape = point.lost ? mark("path", { class: "cross", d: `M${x - 4},${y - 4}l8,8m0,-8l-8,8` })
    : mark("circle", { class: "point", cx: x, cy: y, r: point.chosen ? 5 : 3.6, stroke: colour, fill: point.under ? "var(--paper)" : colour });
  return mark("g", { class: point.chosen || point.lost ? "reading" : "reading pilot-faint", role: "img", "aria-label": `${point.tip.title}: ${point.tip.rows.map((row) => row.join(" ")).join(", ")}`, tip: point.tip },
    mark("circle", { class: "catch", cx: x, cy: y, r: 9 }),
    isNumber(low) && !point.lost ? mark("path", { class: "error", stroke: colour, d: `M${x},${low}V${high}` }) : null, shape);
}

// One chart; `chart` gives title, xTitle, x(point), y(point), error(point), logY, line {y, text}, chosen (x).
function pilotChart(chart, points, steps) {
  const { width, height, left, right, top, bottom } = PILOT_BOX;
  const seen = points.filter((point) => isNumber(chart.x(point)) && (point.lost ? chart.lost : isNumber(chart.y(point))));
  const horizontal = pilotAxis([...seen.map(chart.x), chart.chosen], true, [left, width - right]);
  const vertical = pilotAxis([...seen.filter((point) => !point.lost).map(chart.y), chart.line?.y], chart.logY, [height - bottom, top]);
  const dodge = (point) => (steps.indexOf(point.step) - (steps.length - 1) / 2) * 7;
  const marks = seen.map((point) => {
    const value = chart.y(point);
    const error = chart.error?.(point);
    const ends = isNumber(error) ? { low: vertical.place(value - error), high: vertical.place(value + error) } : {};
    const x = horizontal.place(chart.x(point)) + (chart.dodge ? dodge(point) : 0);
    return pilotMark({ ...point, ...ends }, x, point.lost ? top + 4 : vertical.place(value), lineColour(steps.indexOf(point.step)));
  });
  rove([marks]);
  const chosen = isNumber(chart.chosen) ? horizontal.place(chart.chosen) : null;
  const line = isNumber(chart.line?.y) ? vertical.place(chart.line.y) : null;
  return el("figure", { class: "response pilot" }, el("figcaption", {}, el("strong", {}, chart.title), el("span", { class: "resolved" }, chart.note)),
    mark("svg", { class: "chart trace", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${chart.title}; the arrows move between points` },
      vertical.ticks.map(([y, text]) => [mark("line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y }), mark("text", { x: left - 8, y, dy: "0.33em", "text-anchor": "end" }, text)]),
      horizontal.ticks.map(([x, text]) => [mark("line", { class: "tick", x1: x, x2: x, y1: height - bottom, y2: height - bottom + 5 }), mark("text", { x, y: height - bottom + 18, "text-anchor": "middle" }, text)]),
      mark("line", { class: "base", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
      mark("text", { class: "axis-title", x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, chart.xTitle),
      chosen === null ? null : mark("g", {}, mark("line", { class: "date", x1: chosen, x2: chosen, y1: top, y2: height - bottom }), mark("text", { class: "pilot-label", x: chosen, y: top - 8, "text-anchor": "middle" }, `chosen ${formatNumber(chart.chosen, 2)}`)),
      line === null ? null : mark("g", {}, mark("line", { class: "pilot-line", x1: left, x2: width - right, y1: line, y2: line }), mark("text", { class: "pilot-label", x: left + 5, y: line - 5 }, chart.line.text)),
      marks));
}

function pilotTip(pilot) {
  const rows = pilot.lost ? [["chains", "left the finite numbers"]] : [
    ["\u03bb\u0302", withError(pilot.llc, pilot.llc_se)], ["heat", `${withError(100 * pilot.bias, 100 * pilot.bias_se)} %`], ["var/mean", withError(pilot.ratio, pilot.ratio_se)],
    ["below", `${Math.round(100 * pilot.below)} %`], ["effective draws a step", formatNumber(pilot.efficiency, 2)]];
  return { title: `step ${formatStep(pilot.step)}`, rows: [["\u03b5", formatNumber(pilot.lr, 2)], ["n\u03b2, \u03b3", `${formatNumber(pilot.n_beta)}, ${formatNumber(pilot.localization)}`], ...rows] };
}

function pilotSettings(data) {
  const settings = data.settings ?? {};
  const names = ["lr", "n_beta", "localization", "num_chains", "num_burnin_steps", "num_draws", "num_steps_bw_draws", "batch_size", "method"];
  return el("dl", { class: "facts" }, names.filter((name) => name in settings).map((name) => el("div", {}, el("dt", {}, name), el("dd", {}, String(settings[name])))));
}

function pilotCandidates(data) {
  const chosen = (one) => one.n_beta === data.settings.n_beta && one.localization === data.settings.localization;
  return el("ul", { class: "moved" }, list(data.candidates).map((one) => el("li", { class: "pilot-pair" },
    el("span", {}, `n\u03b2 ${formatNumber(one.n_beta)}, \u03b3 ${formatNumber(one.localization)}, \u03b5 ${formatNumber(one.lr, 2)}`),
    el("span", {}, list(one.objections).length ? one.objections.join("; ") : chosen(one) ? "meets every demand: chosen" : "meets every demand"))));
}

function calibrationPanel(body, report) {
  const data = report.calibration;
  if (!data) return;
  const { settings, objective } = data;
  const same = (pilot) => pilot.n_beta === settings.n_beta && pilot.localization === settings.localization;
  const dress = (pilot, chosen) => ({ ...pilot, chosen, tip: pilotTip(pilot) });
  const runs = [...list(data.pilots).map((pilot) => dress(pilot, same(pilot))), ...list(data.checks).map((pilot) => dress(pilot, true))];
  const steps = [...new Set(runs.map((pilot) => pilot.step))].sort((a, b) => a - b);
  const pairs = list(data.candidates).flatMap((one) => list(one.pilots).map((pilot) => dress(pilot, same(pilot))));
  const warm = (pilot) => (pilot.under ? null : pilot);
  const byStep = { xTitle: "step size \u03b5 (lr)", x: (pilot) => pilot.lr, chosen: settings.lr };
  const byCold = { xTitle: "inverse temperature n\u03b2", x: (pilot) => pilot.n_beta, chosen: settings.n_beta, dodge: true };
  const charts = [
    [{ ...byStep, title: "Heat", note: "share of the reading that is heat of step and minibatch; \u00d7 a chain that was lost", y: (pilot) => (warm(pilot) ? pilot.bias : null), error: (pilot) => pilot.bias_se, logY: true, lost: true, line: { y: objective?.bias, text: `budget ${formatNumber(100 * objective?.bias, 2)} %` } }, runs],
    [{ ...byStep, title: "Efficiency", note: "effective draws of n\u03b2\u0394L a gradient step", y: (pilot) => pilot.efficiency, logY: true }, runs],
    [{ ...byCold, title: "Reading", note: "\u03bb\u0302 = n\u03b2\u27e8\u0394L\u27e9 of each pair of n\u03b2 and \u03b3", y: (pilot) => pilot.llc, error: (pilot) => pilot.llc_se }, pairs],
    [{ ...byCold, title: "Variance over mean", note: "of n\u03b2\u0394L without the minibatch; 1 in the asymptotic regime", y: (pilot) => (warm(pilot) ? pilot.ratio : null), error: (pilot) => pilot.ratio_se, line: { y: 1, text: "asymptotic" } }, pairs],
    [{ ...byCold, title: "Below the reference", note: "share of steps clearly under the loss of the checkpoint; hollow: no minimum at this scale", y: (pilot) => pilot.below, line: { y: 0.2, text: "limit" } }, pairs],
  ];
  const swatch = (index) => mark("svg", { class: "swatch", width: 12, height: 12, "aria-hidden": "true" }, mark("circle", { cx: 6, cy: 6, r: 4, fill: lineColour(index) }));
  body.append(
    el("p", {}, verdictChip(data.verdict), isTrusted(data.verdict) ? null : ` ${data.sentence ?? ""}`),
    pilotSettings(data),
    el("div", { class: "legend" }, steps.map((step, index) => el("span", { class: "legend-entry" }, swatch(index), `step ${formatStep(step)}`)), el("span", { class: "aside" }, "faint: other pairs of n\u03b2 and \u03b3")),
    el("div", { class: "multiples" }, charts.map(([chart, points]) => pilotChart(chart, points, steps))),
    el("h3", {}, "Pairs tried"), pilotCandidates(data));
}
