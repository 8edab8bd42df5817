// Reads the document out of the page and draws its panels; nothing here computes a reading.

const report = JSON.parse(document.getElementById("document").textContent) ?? {};
const PANELS = { calibration: calibrationPanel, training: trainingPanel, llc: llcPanel, density: densityPanel, behaviours: behavioursPanel, susceptibility: susceptibilityPanel, bands: bandsPanel, health: healthPanel, transitions: transitionsPanel, dictionary: dictionaryPanel, provenance: provenancePanel };

function drawPanels() {
  hideTip();
  axis.charts = [];
  behaviourBars = null;
  for (const [id, panel] of Object.entries(PANELS)) {
    const body = document.querySelector(`#${id} .body`);
    body.replaceChildren();
    panel(body, report);
  }
}

// A calibration or a dictionary alone has no series to draw: the panels of an examination stay away, as these two do from it.
function showPanels(report) {
  const alone = report.calibration ? "calibration" : report.dictionary && !report.series ? "dictionary" : null;
  const absent = (id) => (alone ? id !== alone : id === "calibration" || (id === "dictionary" && !report.dictionary));
  for (const panel of document.querySelectorAll("main .panel")) panel.hidden = absent(panel.id);
  for (const link of document.querySelectorAll("nav a")) link.hidden = absent(link.getAttribute("href").slice(1));
  if (alone) document.querySelector("nav").hidden = true;
}

function drawHead() {
  document.getElementById("title").textContent = report.title || "zeeman report";
  const created = report.created ? new Date(report.created) : null;
  const when = created && !Number.isNaN(created.valueOf()) ? created.toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" }) : report.created;
  const series = [report.series?.name, list(report.series?.steps).length ? `${report.series.steps.length} checkpoints` : null, when];
  document.getElementById("created").textContent = series.filter(Boolean).join(" \u00b7 ");
  const sentences = list(report.headline).filter(Boolean);
  document.getElementById("headline").append(...(sentences.length ? sentences.map((sentence, index) => el("p", { class: index ? "" : "lead" }, sentence)) : [emptySentence("This report came without a summary.")]));
}

function setTheme(name, keep) {
  document.documentElement.dataset.theme = name;
  document.getElementById("theme").textContent = name === "dark" ? "Light" : "Dark";
  document.getElementById("theme").setAttribute("aria-label", `Switch to ${name === "dark" ? "light" : "dark"} colours`);
  if (keep) try { localStorage.setItem("zeeman-theme", name); } catch { /* a page from a file may have no storage */ }
  drawPanels();
}

function watchTheme() {
  document.getElementById("theme").addEventListener("click", () => setTheme(theme() === "dark" ? "light" : "dark", true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light", false));
  let before = null;
  window.addEventListener("beforeprint", () => { before = theme(); if (before === "dark") setTheme("light", false); });
  window.addEventListener("afterprint", () => before === "dark" && setTheme("dark", false));
}

function watchWidth() {
  let known = document.documentElement.clientWidth;
  let waiting = 0;
  window.addEventListener("resize", () => {
    // Phones resize in height whenever their bars hide; only the width matters here.
    if (document.documentElement.clientWidth === known) return;
    known = document.documentElement.clientWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(drawPanels);
  });
}

prepareAxis(report);
showPanels(report);
drawHead();
watchTips();
setTheme(theme(), false);
watchTheme();
watchWidth();
