// Bands of one step along n\u03b2: by chains that feel the loss, or by unloaded draws that are reweighted to it.

function ladderMarks(svg, width, height, maps, ladders, domain) {
  const plot = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
  const places = maps.map((map) => Math.log10(map.n_beta));
  const scale = linearScale([Math.min(...places) - 0.1, Math.max(...places) + 0.1], [plot.left, plot.right]);
  const frame = { x: (n_beta) => scale(Math.log10(n_beta)), y: linearScale(domain, [plot.bottom, plot.top]), hidden: new Set(), clip: "url(#clip-ladder)" };
  const ticks = niceTicks(...domain, 6);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(
    mark("clipPath", { id: "clip-ladder" }, mark("rect", { x: plot.left, y: plot.top, width: plot.right - plot.left, height: plot.bottom - plot.top })),
    mark("g", { class: "axes" },
      ticks.map((tick) => [mark("line", { class: "grid", x1: plot.left, x2: plot.right, y1: frame.y(tick), y2: frame.y(tick) }), mark("text", { x: plot.left - 8, y: frame.y(tick), dy: "0.33em", "text-anchor": "end" }, tickText(tick, ticks))]),
      maps.map((map) => [mark("line", { class: "tick", x1: frame.x(map.n_beta), x2: frame.x(map.n_beta), y1: plot.bottom, y2: plot.bottom + 7 }), mark("text", { x: frame.x(map.n_beta), y: plot.bottom + 22, "text-anchor": "middle" }, short(map.n_beta))]),
      mark("line", { class: "base", x1: plot.left, x2: plot.right, y1: plot.bottom, y2: plot.bottom }),
      mark("text", { class: "axis-title", x: (plot.left + plot.right) / 2, y: plot.bottom + 40, "text-anchor": "middle" }, "inverse temperature n\u03b2"),
      mark("text", { class: "axis-title", x: plot.left - 46, y: plot.top - 14, "text-anchor": "start" }, `strength (${statisticOf(maps[0]).unit})`)),
    bandMarks(frame, maps, ladders, RUNGS));
}

function ladderPanel(body, every, ladders, again) {
  const loadings = [...new Set(ladders.map((ladder) => ladder.loading))];
  const steps = [...new Set(ladders.map((ladder) => ladder.step))].sort((a, b) => a - b);
  if (!loadings.length) return;
  if (!loadings.includes(bandView.ladder)) bandView.ladder = loadings[loadings.length - 1];
  if (!steps.includes(bandView.step)) bandView.step = steps[steps.length - 1];
  const mine = ladders.filter((ladder) => ladder.loading === bandView.ladder && ladder.step === bandView.step);
  const maps = every.filter((map) => map.loading === bandView.ladder && map.step === bandView.step && map.n_beta > 0).sort((a, b) => a.n_beta - b.n_beta);
  body.append(el("div", { class: "controls beneath" }, el("h3", {}, "Along n\u03b2", el("span", { class: "aside" }, "which bands are there at which resolution; hollow: chance or doubtful draws")),
    segmented("Which draws along n\u03b2", loadings.map((name) => [name, LOADINGS[name]?.[0] ?? name]), bandView.ladder, (key) => { bandView.ladder = key; again(); }),
    steps.length > 1 ? segmented("Step", steps.map((step) => [step, formatStep(step)]), bandView.step, (key) => { bandView.step = Number(key); again(); }) : null));
  if (!mine.length) {
    body.append(emptySentence("No band was found on these rungs."));
    return;
  }
  const height = 320;
  const [chart, domain] = bandFrame(body, maps, height, RUNGS);
  const svg = mark("svg", { class: "chart ladder", role: "group", "aria-label": "Strength of each band against n\u03b2" });
  chart.append(el("div", { class: "legend" }, mine.map((ladder, index) => el("span", { class: "legend-entry" }, swatchLine(index), el("span", {}, `(${ladder.id}) ${ladder.name}`)))), svg);
  ladderMarks(svg, Math.max(280, chart.clientWidth), height, maps, mine, domain);
}
