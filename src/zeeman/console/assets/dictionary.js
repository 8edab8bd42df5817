// The dictionary of singularities: what was matched, and a table of entries to search, sort and walk along.

const dictionaryView = { text: "", kind: null, sort: null, down: false, open: null };

const fraction = (text) => {
  const [whole, part] = String(text ?? "").split("/").map(Number);
  return text === null || text === undefined ? null : part ? whole / part : whole;
};

const readLlc = (measured) => (measured ? `${measured.convention === "f^2" ? "f\u00b2: " : ""}${withError(measured.llc, measured.standard_error)}` : "\u2013");

const ENTRY_COLUMNS = [
  { key: "name", title: "name", show: (entry) => entry.name, by: (entry) => entry.name },
  { key: "kind", title: "kind", show: (entry) => entry.kind, by: (entry) => entry.kind },
  { key: "rlct", title: "\u03bb", numeric: true, show: (entry) => entry.rlct ?? "\u2013", by: (entry) => fraction(entry.rlct) },
  { key: "multiplicity", title: "m", numeric: true, show: (entry) => entry.multiplicity ?? "\u2013", by: (entry) => entry.multiplicity },
  { key: "ade", title: "class", show: (entry) => entry.ade ?? "\u2013", by: (entry) => entry.ade },
  { key: "measured", title: "\u03bb\u0302 measured", show: (entry) => (entry.measured ? [readLlc(entry.measured), " ", verdictChip(entry.measured.verdict)] : "\u2013"), by: (entry) => entry.measured?.llc ?? null },
  { key: "story", title: "what it is", show: (entry) => entry.story, by: (entry) => entry.story },
];

function shownEntries(entries) {
  const { text, kind, sort, down } = dictionaryView;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (entry) => {
    const all = [entry.name, entry.kind, entry.story, entry.source, entry.rlct, entry.ade].filter(Boolean).join(" ").toLowerCase();
    return (kind === null || entry.kind === kind) && words.every((word) => all.includes(word));
  };
  const found = entries.filter(matches);
  const column = ENTRY_COLUMNS.find((one) => one.key === sort);
  if (!column) return found;
  const order = (a, b) => {
    const [first, second] = [column.by(a) ?? null, column.by(b) ?? null];
    if (first === null || second === null) return (first === null) - (second === null);
    const raw = isNumber(first) && isNumber(second) ? first - second : String(first).localeCompare(String(second), undefined, { numeric: true });
    return down ? -raw : raw;
  };
  return found.sort(order);
}

// Names of entries lead to them; the parts of a collection such as 2A1+A3 each on their own.
function entryLink(name, data, go) {
  if (!list(data.entries).some((entry) => entry.name === name)) return name;
  return el("a", { href: "#dictionary", click: (event) => { event.preventDefault(); go(name); } }, name);
}

function neighbourLinks(names, data, go) {
  const parts = (name) => name.split("+").map((part, index) => [index ? "+" : null, /^\d/.test(part) ? part.match(/^\d+/)[0] : null, entryLink(part.replace(/^\d+/, ""), data, go)]);
  return names.map((name, index) => [index ? ", " : null, parts(name)]);
}

function deformationTable(entry) {
  const rows = list(entry.deformations);
  if (!rows.length) return null;
  const dimensions = rows.some((one) => one.y !== null);
  const more = entry.deformations_in_all - rows.length;
  return el("details", { class: "nest", open: rows.length <= 12 }, el("summary", {}, dimensions ? "Deformations" : "Error syndromes", el("span", { class: "aside" }, String(entry.deformations_in_all))),
    el("div", { class: "scroller" }, el("table", { class: "health deformations" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, dimensions ? "monomial" : "entries that err together"), dimensions ? [el("th", { scope: "col", class: "figure" }, "y"), el("th", { scope: "col", class: "figure" }, "crossover exponent")] : null)),
      el("tbody", {}, rows.map((one) => el("tr", {}, el("td", {}, one.what.replace("error syndrome of ", "")), dimensions ? [el("td", { class: "figure" }, signed(one.y ?? "\u2013")), el("td", { class: "figure" }, one.crossover_exponent ?? "\u2013")] : null))))),
    more > 0 ? el("p", { class: "note" }, `and ${more} more, with zeeman dictionary show.`) : null);
}

function measuredFact(measured) {
  if (!measured) return null;
  const order = isNumber(measured.multiplicity) ? `, m ${measured.multiplicity} (${Math.round(100 * measured.multiplicity_probability)} %)` : "";
  const against = isNumber(measured.z) ? `, z ${signed(measured.z.toFixed(1))}${measured.exact ? ` against ${measured.exact}` : ""}` : "";
  return `${readLlc(measured)}${order}${against}`;
}

function entryDetail(entry, data, go) {
  const weights = entry.weights ? Object.entries(entry.weights).map(([variable, weight]) => `${variable} ${weight}`).join(", ") : null;
  const neighbours = list(entry.neighbours);
  const facts = [
    [entry.kind === "program" ? "what K is" : "K", entry.source], ["number of weights", entry.dimension], ["is a loss", entry.is_loss ? "yes" : "no, it changes sign: \u03bb is that of its absolute value"],
    ["proof of \u03bb", entry.certificate], ["Milnor number", entry.milnor_number], ["weights", weights], ["central charge", entry.central_charge],
    ["measured", measuredFact(entry.measured)], ["splits into", neighbours.length ? neighbourLinks(neighbours, data, go) : null],
  ].filter(([, value]) => value !== null && value !== undefined);
  return el("div", { class: "detail" }, el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))), deformationTable(entry));
}

function entryRows(data, draw, go) {
  return shownEntries(list(data.entries)).flatMap((entry) => {
    const open = dictionaryView.open === entry.name;
    const toggle = () => { dictionaryView.open = open ? null : entry.name; draw(); };
    const cell = (column, index) => (index ? column.show(entry) : el("button", { type: "button", class: "opener", "aria-expanded": String(open), "aria-label": `More on ${entry.name}`, click: (event) => { event.stopPropagation(); toggle(); } }, entry.name, el("span", { class: "arrow", "aria-hidden": "true" }, open ? "\u25be" : "\u25b8")));
    const row = el("tr", { class: open ? "dictionary-entry open" : "dictionary-entry", click: toggle }, ENTRY_COLUMNS.map((column, index) => el("td", { class: column.numeric ? "figure" : column.key === "story" ? "story" : null }, cell(column, index))));
    return open ? [row, el("tr", { class: "opened" }, el("td", { colspan: ENTRY_COLUMNS.length }, entryDetail(entry, data, go)))] : [row];
  });
}

function entryHead(draw) {
  return el("tr", {}, ENTRY_COLUMNS.map((column) => {
    const sorted = dictionaryView.sort === column.key;
    const sort = () => { dictionaryView.down = sorted && !dictionaryView.down; dictionaryView.sort = column.key; draw(`[data-sort="${column.key}"]`); };
    return el("th", { scope: "col", class: column.numeric ? "figure" : null, "aria-sort": sorted ? (dictionaryView.down ? "descending" : "ascending") : null },
      el("button", { type: "button", "data-sort": column.key, click: sort }, column.title, el("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (dictionaryView.down ? "\u2193" : "\u2191") : "")));
  }));
}

// ---- what was matched

const evidenceText = (evidence) => Object.entries(evidence ?? {}).map(([name, nats]) => `${name} ${isNumber(nats) ? `${nats > 0 ? "+" : ""}${signed(nats.toFixed(1))}` : "rules it out"}`).join(", ");

function rivalRow(label, probability, aside, note) {
  return el("li", { class: "rival" }, el("span", { class: "name" }, label), el("span", { class: "ends" }, aside),
    el("span", { class: "share", role: "img", "aria-label": `probability ${formatNumber(probability, 2)}` }, el("span", { class: "share-bar", style: `width: ${Math.max(0.5, 100 * probability)}%` })),
    el("span", { class: "change" }, probability.toFixed(3)), note ? el("span", { class: "rival-note" }, note) : null);
}

function matchFigure(match, data, go) {
  const head = [el("h3", {}, match.what), el("p", { class: "note" }, list(match.measured).join("; "))];
  if (match.sentence) return el("article", { class: "match" }, head[0], el("p", { class: "note" }, match.sentence));
  const invariants = (rival) => [rival.rlct === null ? null : `\u03bb ${rival.rlct}`, rival.multiplicity === null ? null : `m ${rival.multiplicity}`].filter(Boolean).join(", ");
  const names = (rival) => rival.names.map((name, index) => [index ? "; " : null, entryLink(name, data, go)]);
  const none = match.span ? `\u03bb anywhere from ${formatNumber(match.span[0])} to ${formatNumber(match.span[1])}` : null;
  return el("article", { class: "match" }, head, el("ul", { class: "moved" },
    list(match.rivals).map((rival) => rivalRow(names(rival), rival.probability, invariants(rival), `evidence over none, in nats: ${evidenceText(rival.evidence)}`)),
    rivalRow(el("em", {}, "none of these"), match.none_of_these, "", none)));
}

function dictionaryPanel(body, report) {
  const data = report.dictionary;
  if (!data) return;
  const entries = list(data.entries);
  const matches = el("div", {});
  const count = el("span", { class: "aside", "aria-live": "polite" });
  const kinds = el("div", {});
  const scroller = el("div", { class: "scroller tall dictionary-list", tabindex: 0, role: "region", "aria-label": "Entries of the dictionary" });
  const draw = (focused) => {
    const had = focused ?? (scroller.contains(document.activeElement) && document.activeElement.getAttribute("aria-label") ? `[aria-label="${CSS.escape(document.activeElement.getAttribute("aria-label"))}"]` : null);
    const place = scroller.scrollTop;
    count.textContent = `${shownEntries(entries).length} of ${data.total ?? entries.length} entries`;
    kinds.replaceChildren(segmented("Kind", [[null, "all"], ["germ", "germs"], ["network", "networks"], ["program", "programs"]], dictionaryView.kind, (key) => { dictionaryView.kind = key; draw(); }));
    scroller.replaceChildren(el("table", { class: "health entries" }, el("thead", {}, entryHead(draw)), el("tbody", {}, entryRows(data, () => draw(), go))));
    scroller.scrollTop = place;
    if (had) scroller.querySelector(had)?.focus({ preventScroll: true });
  };
  const go = (name) => {
    Object.assign(dictionaryView, { text: "", kind: null, open: name });
    search.value = "";
    draw();
    const button = scroller.querySelector(`[aria-label="${CSS.escape(`More on ${name}`)}"]`);
    button.focus({ preventScroll: true });
    scroller.scrollTop = button.closest("tr").offsetTop - 40;
    scroller.scrollIntoView({ block: "nearest" });
  };
  const search = el("input", { type: "search", class: "search", placeholder: "name, \u03bb, class or story", "aria-label": "Search the dictionary", value: dictionaryView.text, input: (event) => { dictionaryView.text = event.target.value; draw(); } });
  matches.append(...list(data.matches).map((match) => matchFigure(match, data, go)));
  body.append(matches, el("div", { class: "controls" }, search, kinds, count), scroller);
  draw();
}
