// Scale against training: the density of states as a map over step and n\u03b2 or loss, and the Hessian's spectrum under it.

const SCALES = {
  exponent: { value: "exponent", error: "exponent_se", name: "exponent \u03bb", title: "exponent \u03bb" },
  heat: { value: "heat_capacity", error: "heat_capacity_se", name: "heat capacity", title: "heat capacity C" },
  cost: { value: "cost", error: "log_volume_se", name: "\u2212log V", title: "\u2212log V (nats)" },
};
const densityView = { axis: "n_beta", quantity: "exponent" };

const logShare = (value, [low, high]) => (high > low ? (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low)) : 0.5);

// The stretch of the step axis that each reading stands for: half-way to its neighbours.
function columnEdges(steps) {
  const places = steps.map(toAxis);
  const middle = places.slice(1).map((place, index) => (place + places[index]) / 2);
  return places.map((_, index) => [index ? middle[index - 1] : axis.home[0], index < middle.length ? middle[index] : axis.home[1]].map(fromAxis));
}

// The same on the vertical axis; the outer cells are as large as their inner halves.
function rowEdges(places) {
  return places.map((place, index) => {
    const before = index ? (place - places[index - 1]) / 2 : null;
    const after = index < places.length - 1 ? (places[index + 1] - place) / 2 : null;
    return [place - (before ?? after ?? 0.5), place + (after ?? before ?? 0.5)];
  });
}

function densityRows(checkpoint) {
  const known = list(checkpoint.rungs).map((rung) => ({ ...rung, cost: isNumber(rung.log_volume) ? -rung.log_volume : null }))
    .filter((rung) => isNumber(densityView.axis === "loss" ? rung.loss : rung.n_beta));
  const places = known.map((rung) => (densityView.axis === "loss" ? rung.loss : Math.log10(rung.n_beta)));
  const order = places.map((_, index) => index).sort((a, b) => places[a] - places[b]);
  const edges = rowEdges(order.map((index) => places[index]));
  return order.map((index, row) => ({ ...known[index], place: places[index], edges: edges[row] }));
}

function densityTip(step, rung) {
  return {
    title: `step ${formatStep(step)}, n\u03b2 ${short(rung.n_beta)}`,
    rows: [...Object.values(SCALES).map(({ name, value, error }) => [name, withError(rung[value], rung[error])]), ["mean loss", formatNumber(rung.loss, 4)]],
    text: [`Verdict: ${verdictName(rung.verdict)}. ${rung.sentence ?? ""}`, ...list(rung.reasons), rung.volume_verdict && !isTrusted(rung.volume_verdict) ? `Volume: ${verdictName(rung.volume_verdict)}.` : null],
  };
}

// Colours are for positive figures on a logarithmic scale; others, and those that are not to be trusted, are marked.
function densityCell(frame, step, columns, rung, ends) {
  const quantity = SCALES[densityView.quantity];
  const value = rung[quantity.value];
  const verdict = densityView.quantity === "cost" ? rung.volume_verdict : rung.verdict;
  const fill = isNumber(value) && value > 0 ? VIRIDIS(logShare(value, ends)) : null;
  const [x1, x2] = columns.map(frame.x);
  const [y2, y1] = rung.edges.map(frame.y);
  const px = frame.x(step);
  const py = frame.y(rung.place);
  const ink = fill && isTrusted(verdict) ? inkOn(fill) : "var(--ink)";
  return mark("g", { class: isTrusted(verdict) ? "cell" : "cell faint", role: "img", "aria-label": `step ${step}, n\u03b2 ${short(rung.n_beta)}: ${quantity.name} ${withError(value, rung[quantity.error])}, ${verdictName(verdict)}`, tip: densityTip(step, rung), focus: () => setCursor(step), "clip-path": frame.clip },
    mark("rect", { x: x1, y: y1, width: Math.max(1, x2 - x1 - 1), height: Math.max(1, y2 - y1 - 1), fill: fill ? css(fill) : "url(#absent)" }),
    isTrusted(verdict) ? mark("circle", { cx: px, cy: py, r: 1.8, fill: ink }) : mark("path", { class: "cross", d: `M${px - 4},${py - 4}l8,8m0,-8l-8,8` }));
}

function densityEnds(data) {
  const { value } = SCALES[densityView.quantity];
  const rungs = data.checkpoints.flatMap(densityRows).filter((rung) => isNumber(rung[value]) && rung[value] > 0);
  const trusted = rungs.filter((rung) => isTrusted(densityView.quantity === "cost" ? rung.volume_verdict : rung.verdict));
  const values = (trusted.length ? trusted : rungs).map((rung) => rung[value]);
  return values.length ? [Math.min(...values), Math.max(...values)] : [1, 1];
}

// Whose window holds most of the volume below each loss: it changes hands where a later checkpoint takes over.
function densityRidge(frame, path) {
  if (densityView.axis !== "loss" || !list(path?.loss).length) return null;
  const points = path.loss.map((loss, index) => `${index ? "L" : "M"}${frame.x(path.owner[index]).toFixed(1)},${frame.y(loss).toFixed(1)}`);
  return [mark("path", { class: "ridge under", d: points.join(""), "clip-path": frame.clip }), mark("path", { class: "ridge", d: points.join(""), "clip-path": frame.clip })];
}

// The dates again, over cells that hide the bands.
const datesOver = (frame) => axis.transitions.filter((transition) => isNumber(transition.date)).flatMap((transition) => ["over under", "over"].map((name) =>
  mark("line", { class: name, x1: frame.x(transition.date), x2: frame.x(transition.date), y1: frame.plot.top, y2: frame.plot.bottom, "clip-path": frame.clip })));

const short = (value) => (isNumber(value) ? signed(String(Number(value.toPrecision(3)))) : "\u2013");
const decadeTicks = ([low, high]) => Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, index) => Math.ceil(low) + index)
  .map((power) => [power, power > -4 && power < 5 ? formatNumber(10 ** power, 1) : `10${[...String(power)].map((digit) => (digit === "-" ? "\u207b" : SUPERSCRIPTS[Number(digit)])).join("")}`]);

function densityChart(host, data) {
  const rows = data.checkpoints.map(densityRows);
  const steps = data.checkpoints.map((checkpoint) => checkpoint.step);
  const columns = columnEdges(steps);
  const ends = densityEnds(data);
  const quantity = SCALES[densityView.quantity];
  const ladder = [...new Set(rows.flat().map((rung) => rung.n_beta))].sort((a, b) => a - b);
  const nearest = (step) => steps.reduce((best, other, index) => (Math.abs(toAxis(other) - toAxis(step)) < Math.abs(toAxis(steps[best]) - toAxis(step)) ? index : best), 0);
  const at = (n_beta, step) => {
    const rung = rows[nearest(step)].find((other) => other.n_beta === n_beta);
    return rung ? withError(rung[quantity.value], rung[quantity.error]) : "\u2013";
  };
  stepChart(host, {
    id: "density", label: "Density of states against training step and scale", height: 400,
    yTitle: densityView.axis === "loss" ? "mean loss (nats)" : "inverse temperature n\u03b2",
    yTicks: densityView.axis === "loss" ? null : (domain) => decadeTicks(domain),
    legend: ladder.map((n_beta) => ({ key: String(n_beta), name: `n\u03b2 ${short(n_beta)}`, swatch: () => el("span", {}), at: (step) => at(n_beta, step) })),
    domain: () => { const edges = rows.flat().flatMap((rung) => rung.edges); return [Math.min(...edges), Math.max(...edges)]; },
    marks: (frame) => {
      const cells = rows.map((column, index) => column.filter((rung) => !frame.hidden.has(String(rung.n_beta))).map((rung) => densityCell(frame, steps[index], columns[index], rung, ends)));
      rove(cells);
      return mark("g", {}, cells.flat(), datesOver(frame), densityRidge(frame, data.path));
    },
  });
}

// ---- spectrum of the Hessian

const spectrumTicks = (linear) => (domain) => [-100, -10, -1, -0.1, 0, 0.1, 1, 10, 100, 1000].filter((value) => value === 0 || Math.abs(value) >= 2 * linear)
  .map((value) => [Math.asinh(value / linear), signed(String(value))]).filter(([place]) => place >= domain[0] && place <= domain[1]);

function spectrumTip(row) {
  const gap = list(row.gap).every(isNumber) && list(row.gap).length === 2;
  return {
    title: `step ${formatStep(row.step)}: Hessian`,
    rows: [["trace", withError(row.trace, row.trace_se)], [`eigenvalues over ${short(row.threshold)}`, withError(row.count, row.count_se)],
      ["lowest, highest", `${formatNumber(row.lowest)}, ${formatNumber(row.highest)}`], ["\u03bb of the quadratic form", withError(row.llc, row.llc_se)],
      ["rank", gap ? withError(row.rank, row.rank_se) : "no gap"]],
    text: [gap ? `No eigenvalue was seen between ${formatNumber(row.gap[0])} and ${formatNumber(row.gap[1])} in size.` : "The spectrum runs on without a gap of a factor ten, so that no rank is defined."],
  };
}

function spectrumColumn(frame, row, columns, top) {
  const [x1, x2] = columns.map(frame.x);
  const width = Math.max(1, x2 - x1 - 1);
  const places = row.eigenvalues.map((value) => Math.asinh(value / row.linear));
  const cells = [];
  for (let index = 0; index + 1 < places.length; index += 2) {
    const density = row.density[index + 1];
    if (!(density > 0.1)) continue;
    const [low, high] = [places[index], places[Math.min(index + 2, places.length - 1)]].map(frame.y);
    cells.push(mark("rect", { x: x1, y: high, width, height: low - high + 0.4, fill: css(VIRIDIS(logShare(density, [0.1, top]))) }));
  }
  const [foot, head] = [frame.y(places[places.length - 1]), frame.y(places[0])];
  const gap = list(row.gap).every(isNumber) && list(row.gap).length === 2 ? row.gap.map((value) => frame.y(Math.asinh(value / row.linear))) : null;
  return mark("g", { class: "spectrum", role: "img", "aria-label": `step ${row.step}: trace ${withError(row.trace, row.trace_se)}, ${withError(row.count, row.count_se)} eigenvalues over ${short(row.threshold)}`, tip: spectrumTip(row), focus: () => setCursor(row.step), "clip-path": frame.clip },
    cells, gap ? mark("path", { class: "gap", d: `M${x1 + 2},${gap[1]}H${x2 - 3}M${x1 + 2},${gap[0]}H${x2 - 3}` }) : null,
    mark("rect", { class: "catch", x: x1, y: foot, width, height: Math.max(1, head - foot) }));
}

function spectrumChart(host, rows) {
  const columns = columnEdges(rows.map((row) => row.step));
  const linear = rows[0].linear;
  const top = Math.max(...rows.flatMap((row) => row.density).filter(isNumber));
  const nearest = (step) => rows.reduce((best, row) => (Math.abs(toAxis(row.step) - toAxis(step)) < Math.abs(toAxis(best.step) - toAxis(step)) ? row : best), rows[0]);
  const entry = (key, name, at) => ({ key, name, swatch: () => el("span", {}), at: (step) => at(nearest(step)) });
  host.append(el("div", { class: "controls beneath" }, el("h3", {}, "Hessian", el("span", { class: "aside" }, "eigenvalues on the same axis")), colourBar(VIRIDIS, ["0.1", formatNumber(top, 2)], "eigenvalues per unit of asinh")));
  stepChart(host, {
    id: "spectrum", label: "Spectral density of the Hessian against training step", yTitle: "eigenvalue h", height: 330, yTicks: spectrumTicks(linear),
    legend: [entry("trace", "trace", (row) => withError(row.trace, row.trace_se)), entry("count", `h > ${short(rows[0].threshold)}`, (row) => withError(row.count, row.count_se)), entry("rank", "rank", (row) => (isNumber(row.rank) ? withError(row.rank, row.rank_se) : "no gap"))],
    domain: () => paddedDomain(rows.flatMap((row) => row.eigenvalues.filter((_, index) => row.density[index] > 0.1)).map((value) => Math.asinh(value / linear)), 0.04),
    marks: (frame) => {
      const marks = rows.map((row, index) => spectrumColumn(frame, row, columns[index], top));
      rove([marks]);
      const cut = frame.y(Math.asinh(rows[0].threshold / linear));
      return mark("g", {}, marks, datesOver(frame), mark("line", { class: "date", x1: frame.plot.left, x2: frame.plot.right, y1: cut, y2: cut }));
    },
  });
}

function densityPanel(body, report) {
  const data = { ...report.density, checkpoints: list(report.density?.checkpoints).filter((checkpoint) => isNumber(checkpoint.step) && list(checkpoint.rungs).length) };
  const spectra = list(report.hessian).filter((row) => isNumber(row.step) && list(row.eigenvalues).length);
  if (!data.checkpoints.length && !spectra.length) {
    body.append(emptySentence("No density of states was read; give zeeman examine the option --density, or run zeeman density."));
    return;
  }
  if (data.checkpoints.length) {
    const ends = densityEnds(data);
    const again = () => { axis.charts = axis.charts.filter((chart) => !["density", "spectrum"].includes(chart.id)); body.replaceChildren(); densityPanel(body, report); };
    body.append(el("div", { class: "controls" },
      segmented("Vertical axis", [["n_beta", "by n\u03b2"], ["loss", "by loss"]], densityView.axis, (key) => { densityView.axis = key; again(); }),
      segmented("Quantity", Object.entries(SCALES).map(([key, { name }]) => [key, name]), densityView.quantity, (key) => { densityView.quantity = key; again(); }),
      colourBar(VIRIDIS, ends.map((end) => formatNumber(end, 2)), SCALES[densityView.quantity].title)));
    densityChart(body, data);
    const apart = list(data.path?.separation).filter(isNumber);
    if (apart.length) body.append(el("p", { class: "note" }, `Neighbouring windows are ${[...new Set([Math.min(...apart), Math.max(...apart)].map((value) => formatNumber(value, 2)))].join(" to ")} standard deviations apart: ${Math.min(...apart) > 4 ? "they do not overlap, and each reading is of its own window" : "where it is less than about 4, they overlap"}.`));
  }
  if (spectra.length) spectrumChart(body, spectra);
}
