// Bands of tokens: their strength along training and along n\u03b2, the density of tokens beside it, and the components that carry them.

const bandView = { loading: null, step: null, ladder: null };
const DENSITY_WIDTH = 128;
// What tokens are compared by, and what its null is made of.
const STATISTICS = { rho: { unit: "\u03c1", null: "permuted draws" }, spread: { unit: "log spread", null: "halves that differ" } };
const statisticOf = (map) => STATISTICS[map?.statistic ?? "rho"];
const ENDS = { birth: "begins", split: "splits from another", death: "ends", merge: "merges into another" };

const bandStrengths = (maps) => maps.flatMap((map) => map.bands.flatMap((band) => [band.strength - (band.strength_se ?? 0), band.strength + (band.strength_se ?? 0)]));
// The two axes along which bands are connected.
const STEPS = { at: (map) => map.step, id: (band) => band.track, points: (track) => track.steps, told: (map) => `step ${formatStep(map.step)}`, focus: (map) => setCursor(map.step), shows: (map) => inView(map.step) };
const RUNGS = { at: (map) => map.n_beta, id: (band) => band.ladder, points: (track) => track.n_betas, told: (map) => `n\u03b2 ${short(map.n_beta)}`, focus: () => {}, shows: () => true };
const bandAt = (maps, place, track, along = STEPS) => maps.find((map) => along.at(map) === place)?.bands.find((band) => along.id(band) === track) ?? null;
const isTold = (map, band) => band.above_null && isTrusted(band.verdict ?? map.verdict);

function bandTip(map, band, track, along) {
  const points = along.points(track);
  const ends = [along.at(map) === points[0] ? ENDS[track.birth] : null, along.at(map) === points[points.length - 1] ? ENDS[track.death] : null];
  return {
    title: `${band.name}, ${along.told(map)}`,
    rows: [["strength", withError(band.strength, band.strength_se)], ["tokens", grouped(String(band.size))], ["seen under", Object.keys(band.seen_under ?? {}).join(", ")]],
    text: [band.above_null ? null : `The null (${statisticOf(map).null}) shows a cluster as strong: it may be chance.`, isTrusted(band.verdict ?? map.verdict) ? null : `Draws: ${verdictName(band.verdict ?? map.verdict)}.`, ...ends.filter(Boolean).map((end) => `The band ${end} here.`)],
  };
}

function bandPoint(frame, map, band, track, index, along) {
  const [px, py] = [frame.x(along.at(map)), frame.y(band.strength)];
  const colour = lineColour(index);
  const error = band.strength_se;
  return mark("g", { class: isTold(map, band) ? "reading" : "reading doubtful", role: "img", "aria-label": `${band.name}, ${along.told(map)}: strength ${withError(band.strength, error)}`, tip: bandTip(map, band, track, along), focus: () => along.focus(map) },
    mark("circle", { class: "catch", cx: px, cy: py, r: 9 }),
    isNumber(error) ? mark("path", { class: "error", stroke: colour, "clip-path": frame.clip, d: `M${px},${frame.y(band.strength - error)}V${frame.y(band.strength + error)}M${px - 3},${frame.y(band.strength - error)}h6M${px - 3},${frame.y(band.strength + error)}h6` }) : null,
    mark("circle", { class: "point", cx: px, cy: py, r: 4, stroke: colour, fill: isTold(map, band) ? colour : "var(--paper)" }));
}

function bandMarks(frame, maps, tracks, along) {
  const rows = [];
  const group = mark("g", {});
  // The strongest cluster of the null at each place: what lies under it may be chance.
  const floor = maps.filter((map) => list(map.null_strengths).length).map((map) => [along.at(map), Math.max(...map.null_strengths)]);
  group.append(...floor.map(([place, value]) => mark("path", { class: "null-floor", "clip-path": frame.clip, d: `M${frame.x(place) - 9},${frame.y(value)}h18` })));
  tracks.forEach((track, index) => {
    if (frame.hidden.has(String(track.id))) return;
    const points = along.points(track).map((place) => [maps.find((map) => along.at(map) === place), bandAt(maps, place, track.id, along)]).filter(([, band]) => band);
    group.append(mark("path", { class: "signal", stroke: lineColour(index), "stroke-dasharray": lineDash(index), "clip-path": frame.clip, d: points.map(([map, band], order) => `${order ? "L" : "M"}${frame.x(along.at(map))},${frame.y(band.strength)}`).join("") }));
    rows.push(points.filter(([map]) => along.shows(map)).map(([map, band]) => bandPoint(frame, map, band, track, index, along)));
  });
  rows.flat().forEach((node) => group.append(node));
  rove(rows);
  return group;
}

// Strengths of the modes above noise, and the significant gaps between neighbouring groups of them.
function modeLevels(modes) {
  const levels = list(modes?.strengths);
  const groups = list(modes?.groups).map((group) => group.map((mode) => levels[mode]).filter(isNumber)).filter((group) => group.length);
  const gaps = groups.slice(1).map((group, index) => [Math.max(...group), Math.min(...groups[index])]).filter(([low, high]) => high > low);
  return [levels, gaps];
}

// How many tokens answer how strongly, on the strength axis of the diagram; dashed, what the null gives.
function tokenDensity(map, domain, height, along) {
  const data = map.density;
  const plot = { left: 6, right: DENSITY_WIDTH - 6, top: MARGIN.top, bottom: height - MARGIN.bottom };
  const y = linearScale(domain, [plot.bottom, plot.top]);
  const most = Math.max(1, ...data.tokens, ...data.null);
  const x = linearScale([0, most], [plot.left, plot.right]);
  const outline = (counts) => `M${plot.left},${y(data.edges[0])}${counts.map((count, index) => `H${x(count)}V${y(data.edges[index + 1])}`).join("")}H${plot.left}`;
  const clip = `clip-band-density-${along === STEPS ? "steps" : "rungs"}`;
  const [ticks, gaps] = modeLevels(map.modes);
  const told = { title: along.told(map), text: [`How many tokens stand out how far from the mean token. Dashed: the same of ${statisticOf(map).null}.`, ticks.length ? `Ticks: the strength of each mode above noise (${ticks.map((value) => formatNumber(value, 2)).join(", ")}); shaded: gaps between them that noise does not make.` : null] };
  return mark("svg", { class: "band-density", width: DENSITY_WIDTH, height, viewBox: `0 0 ${DENSITY_WIDTH} ${height}`, role: "img", "aria-label": `Number of tokens by strength at ${along.told(map)}`, tip: told },
    mark("clipPath", { id: clip }, mark("rect", { x: 0, y: plot.top, width: DENSITY_WIDTH, height: plot.bottom - plot.top })),
    gaps.map(([low, high]) => mark("rect", { class: "mode-gap", x: plot.left, width: plot.right - plot.left, y: y(high), height: y(low) - y(high), "clip-path": `url(#${clip})` })),
    mark("path", { class: "density-fill", d: outline(data.tokens), "clip-path": `url(#${clip})` }),
    mark("path", { class: "density-null", d: outline(data.null), "clip-path": `url(#${clip})` }),
    ticks.map((value) => mark("path", { class: "mode-level", "clip-path": `url(#${clip})`, d: `M${plot.right - 18},${y(value)}h18` })),
    mark("line", { class: "base", x1: plot.left, x2: plot.left, y1: plot.top, y2: plot.bottom }),
    mark("text", { class: "axis-title", x: plot.left, y: plot.top - 14 }, "tokens"),
    mark("text", { x: plot.left, y: plot.bottom + 25 }, along.told(map)));
}

// Room for a diagram with the density of its last map on the same axis of strength.
function bandFrame(body, maps, height, along) {
  const last = [...maps].reverse().find((map) => map.density);
  const domain = paddedDomain([0, ...bandStrengths(maps), ...maps.flatMap((map) => list(map.null_strengths))]);
  domain[0] = 0;
  const chart = el("div", { class: "band-chart" });
  body.append(el("div", { class: "band-diagram" }, chart, last ? el("div", { class: "band-side" }, tokenDensity(last, domain, height, along)) : null));
  return [chart, domain];
}

function bandDiagram(body, maps, tracks) {
  const height = 360;
  const [chart, domain] = bandFrame(body, maps, height, STEPS);
  const at = (track, step) => {
    const map = maps.reduce((best, other) => (best === null || Math.abs(toAxis(other.step) - toAxis(step)) < Math.abs(toAxis(best.step) - toAxis(step)) ? other : best), null);
    const band = map ? bandAt(maps, map.step, track.id) : null;
    return band ? withError(band.strength, band.strength_se) : "\u2013";
  };
  stepChart(chart, {
    id: "bands", label: "Strength of each band against training step", yTitle: `strength (${statisticOf(maps[0]).unit})`, height,
    legend: tracks.map((track, index) => ({ key: String(track.id), name: `${track.id} ${track.name}`, swatch: () => swatchLine(index), at: (step) => at(track, step) })),
    domain: () => domain,
    marks: (frame) => bandMarks(frame, maps, tracks, STEPS),
  });
}

// ---- components

function carrierLook(map, limit, row, column) {
  const band = map.bands[column];
  const [value, error] = [band.response[row], band.response_se[row]];
  const resolved = isNumber(value) && isNumber(error) && Math.abs(value) >= RESOLVED_AT * error;
  const shown = withError(value, error);
  const lost = list(band.ablation?.components).indexOf(map.components[row]);
  const effect = lost < 0 ? [] : [["lost without it (nats)", withError(band.ablation.effect[lost], band.ablation.effect_se[lost])], ...(list(band.ablation.direct).length ? [["of it straight to the logits", withError(band.ablation.direct[lost], band.ablation.direct_se[lost])]] : []), ["stands out in", band.ablation.evidence[map.components[row]]]];
  return {
    fill: isNumber(value) ? diverging(value / limit) : null,
    faint: isNumber(value) && !resolved,
    text: isNumber(value) ? compact(value) : null,
    spoken: `${map.components[row]}, band ${band.track} ${band.name}: mean ${statisticOf(map).unit} ${shown}${resolved ? "" : ", not resolved"}`,
    tip: { title: `${map.components[row]} \u2192 ${band.name}`, rows: [[`mean ${statisticOf(map).unit}`, shown], ["less the mean token", withError(band.contrast[row], band.contrast_se[row])], ...effect], text: [resolved ? null : "Below three standard errors: may be zero."] },
  };
}

function carrierMap(map, limit) {
  const names = map.bands.map((band) => `${band.track} ${band.name}`);
  const box = { x: widest(map.components) + 22, y: 14 + 0.72 * widest(names), width: 44, height: 22 };
  const cells = cellGrid(map.components, map.bands, box, (row, column) => carrierLook(map, limit, row, column));
  rove(cells);
  const width = box.x + box.width * names.length + 0.7 * widest(names);
  const height = box.y + box.height * map.components.length + 4;
  return el("figure", { class: "response" }, el("figcaption", {}, el("strong", {}, `step ${formatStep(map.step)}`)),
    el("div", { class: "scroller" }, mark("svg", { class: "map", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Mean response of each component over each band at step ${map.step}; the arrows move between cells` },
      names.map((name, column) => mark("text", { transform: `translate(${box.x + (column + 0.5) * box.width},${box.y - 5}) rotate(-45)` }, shorten(name))),
      map.components.map((name, row) => mark("text", { class: "row-label", x: box.x - 8, y: box.y + (row + 0.5) * box.height, dy: "0.33em", "text-anchor": "end" }, shorten(name))),
      cells.flat())));
}

// Components that answer together: those that carry more than an even share of a mode, by the side that they are on.
function modeRows(map) {
  const even = 1 / Math.sqrt(map.components.length);
  const side = (loadings, sign) => map.components.map((name, index) => [name, sign * loadings[index]]).filter(([, value]) => value > even).sort((a, b) => b[1] - a[1]).map(([name, value]) => `${name} ${formatNumber(value, 2)}`).join(", ") || "\u2013";
  return list(map.modes?.loadings).map((loadings, index) => el("tr", {},
    el("td", { class: "figure" }, formatStep(map.step)), el("td", { class: "figure" }, String(index + 1)), el("td", { class: "figure" }, formatNumber(map.modes.strengths[index], 2)),
    el("td", { class: "figure" }, formatNumber(map.modes.p_values[index], 2)), el("td", { class: "figure" }, index ? formatNumber(map.modes.gap_p_values[index - 1], 2) : "\u2013"),
    el("td", {}, side(loadings, 1)), el("td", {}, side(loadings, -1))));
}

function modeTable(maps) {
  const heads = [["step", 1], ["mode", 1], ["strength", 1], ["p", 1], ["p of the gap above", 1], ["components on one side", 0], ["on the other", 0]];
  return el("div", { class: "beneath" }, el("h3", {}, "Groups of components", el("span", { class: "aside" }, `modes of the matrix above ${statisticOf(maps[0]).null}, and the components that carry more than an even share of each`)),
    el("div", { class: "tall" }, el("table", { class: "health modes" }, el("thead", {}, el("tr", {}, heads.map(([text, figure]) => el("th", { class: figure ? "figure" : null }, text)))), el("tbody", {}, maps.flatMap(modeRows)))));
}

// ---- table

function typicalTokens(band) {
  return list(band.typical).slice(0, 3).map((token) => {
    const from = Math.max(0, token.at - (token.text ? 16 : 8));
    return contextLine(token.probe, list(token.text ?? token.ids).slice(from, token.at + 3), token.at - from, Boolean(token.text));
  });
}

// The components whose figure stands out from its error, the largest first.
const topOf = (names, values, errors, most = 2) => list(names).map((name, index) => [name, list(values)[index], list(errors)[index]]).filter(([, value, error]) => isNumber(value) && isNumber(error) && Math.abs(value) > RESOLVED_AT * error).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, most).map(([name, value]) => `${name} ${signed(formatNumber(value, 2))}`).join(", ");

// The heads and MLPs without which the band's tokens lose most, beyond three standard errors.
function ablated(band) {
  const found = band.ablation;
  if (!found) return "\u2013";
  const straight = topOf(found.components, found.direct, found.direct_se, 3);
  return [topOf(found.components, found.effect, found.effect_se, 3) || "none resolved", list(found.direct).length ? el("div", { class: "aside" }, `straight to the logits: ${straight || "none resolved"}`) : null];
}

function bandRow(map, band) {
  const held = Object.entries(band.probes ?? {}).filter(([, count]) => count).sort((a, b) => b[1] - a[1]).slice(0, 3);
  return el("tr", {},
    el("td", { class: "figure" }, formatStep(map.step)), el("td", { class: "figure" }, String(band.track)),
    el("td", {}, band.name, isTold(map, band) ? null : el("span", { class: "chip chip-bad" }, " \u00d7")),
    el("td", { class: "figure" }, grouped(String(band.size))), el("td", { class: "figure" }, withError(band.strength, band.strength_se)),
    el("td", {}, Object.keys(band.seen_under ?? {}).join(", ")), el("td", {}, ablated(band)), el("td", {}, held.map(([name, count]) => `${name} ${count}`).join(", ")),
    el("td", {}, typicalTokens(band)));
}

function bandTable(maps) {
  const heads = [["step", 1], ["band", 1], ["name", 0], ["tokens", 1], ["strength", 1], ["seen under", 0], ["ablation (nats)", 0], ["from", 0], ["typical tokens", 0]];
  return el("div", { class: "tall" }, el("table", { class: "health" },
    el("thead", {}, el("tr", {}, heads.map(([text, figure]) => el("th", { class: figure ? "figure" : null }, text)))),
    el("tbody", {}, maps.flatMap((map) => map.bands.map((band) => bandRow(map, band))))));
}

// ---- what is learned, kept and lost

function historyCell(map, track) {
  const band = map.bands.find((one) => one.track === track.id);
  const [first, last] = [track.steps[0], track.steps[track.steps.length - 1]];
  if (!band) return el("td", { class: "aside" }, map.step < first ? "not yet" : map.step > last ? { death: "lost", merge: "merged" }[track.death] ?? "gone" : "unseen");
  const [carries, needs] = [topOf(map.components, band.contrast, band.contrast_se), topOf(band.ablation?.components, band.ablation?.effect, band.ablation?.effect_se)];
  return el("td", {}, el("strong", {}, formatNumber(band.strength, 2)), isTold(map, band) ? null : el("span", { class: "chip chip-bad" }, " \u00d7"),
    carries ? el("div", { class: "aside" }, `responds: ${carries}`) : null, needs ? el("div", { class: "aside" }, `needs: ${needs}`) : null);
}

function bandHistory(maps, tracks) {
  const fate = (track) => {
    const begins = { birth: `learned by step ${formatStep(track.steps[0])}`, split: `split off by step ${formatStep(track.steps[0])}` }[track.birth] ?? "there at the first step read";
    const ends = { death: "lost after", merge: "merged after" }[track.death];
    return ends ? `${begins}, ${ends} ${formatStep(track.steps[track.steps.length - 1])}` : `${begins}, kept`;
  };
  return el("div", { class: "beneath" }, el("h3", {}, "Learned, kept, lost", el("span", { class: "aside" }, "strength of each band at each step, the components that stand out in it (\u03c1, below 0 where moving one hurts these tokens more than others) and those it loses most without (nats)")),
    el("div", { class: "tall" }, el("table", { class: "health history" },
      el("thead", {}, el("tr", {}, el("th", {}, "band"), maps.map((map) => el("th", {}, `step ${formatStep(map.step)}`)))),
      el("tbody", {}, tracks.map((track) => el("tr", {}, el("td", {}, `${track.id} ${track.name}`, el("div", { class: "aside" }, fate(track))), maps.map((map) => historyCell(map, track))))))));
}

function bandNotes(maps) {
  return maps.map((map) => {
    const where = `Step ${formatStep(map.step)}: `;
    if (!map.modes) return el("p", { class: "note" }, where + (list(map.agreement_reasons).join(" ") || "no bands could be looked for."));
    const chances = map.modes.p_values.slice(0, map.modes.count).map((p) => formatNumber(p, 2));
    const held = Object.entries({ tokens: "half of the tokens", neighbours: "other neighbours" }).filter(([key]) => isNumber(map.stability?.[key]?.[0])).map(([key, name]) => `, ${name} ${withError(...map.stability[key])}`).join("");
    const stable = isNumber(map.agreement) ? `halves of the chains agree to ${withError(map.agreement, map.agreement_se)} (adjusted Rand index)${held}` : list(map.agreement_reasons).join(" ");
    const left = [...Object.entries(map.left_out ?? {}).map(([name, why]) => ` ${name} was left out: ${why}`), ...Object.entries(map.unresolved ?? {}).map(([name, why]) => ` ${name}: ${why}.`)].join("");
    return el("p", { class: "note" }, `${where}${map.bands.length} bands, ${map.modes.count} modes above noise${chances.length ? ` (p ${chances.join(", ")})` : ""}; ${statisticOf(map).null} show ${list(map.null_strengths).length} clusters; ${stable}.${left}`);
  });
}

function bandsPanel(body, report) {
  const every = list(report.bands?.maps).filter((map) => isNumber(map.step)).map((map) => ({ ...map, bands: list(map.bands) }));
  const all = every.filter((map) => !map.aside);
  if (!all.length) {
    body.append(emptySentence("Bands were not looked for; give zeeman examine the option --bands, or run zeeman bands on the examination."));
    return;
  }
  const loadings = [...new Set(all.map((map) => map.loading))];
  if (!loadings.includes(bandView.loading)) bandView.loading = loadings[0];
  const again = () => { axis.charts = axis.charts.filter((chart) => chart.id !== "bands"); body.replaceChildren(); bandsPanel(body, report); };
  const maps = all.filter((map) => map.loading === bandView.loading).sort((a, b) => a.step - b.step);
  const tracks = list(report.bands.tracks).filter((track) => track.loading === bandView.loading);
  const limit = all.flatMap((map) => map.bands).reduce((most, band) => Math.max(most, matrixLimit([band.response])), 0) || 1;
  body.append(el("div", { class: "controls" }, segmented("Which draws", loadings.map((loading) => [loading, LOADINGS[loading]?.[0] ?? loading]), bandView.loading, (key) => { bandView.loading = key; again(); })));
  const found = maps.filter((map) => map.bands.length);
  if (found.length) {
    bandDiagram(body, maps, tracks);
    ladderPanel(body, every, list(report.bands.ladders), again);
    body.append(el("div", { class: "controls beneath" }, el("h3", {}, "Components", el("span", { class: "aside" }, `mean ${statisticOf(found[0]).unit} over the tokens of each band`)), colourBar((share) => diverging(share * 2 - 1), [signed(`-${formatNumber(limit, 2)}`), `+${formatNumber(limit, 2)}`], "mean \u03c1")),
      el("div", { class: "multiples" }, found.map((map) => carrierMap(map, limit))), modeTable(found), bandHistory(maps, tracks), el("div", { class: "beneath" }, bandTable(found)));
    tokenMap(body, found, tracks, report.bands.tokens);
  } else body.append(emptySentence("No set of tokens stands out from noise in these draws."));
  body.append(...bandNotes(maps));
}
