// The small vocabulary that every panel is written in: elements, numbers, colours, scales, tips, keyboard.

const SVG_NAMESPACE = document.querySelector("svg.defs").namespaceURI;
const tips = new WeakMap();

function build(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "tip") {
      tips.set(node, value);
      node.setAttribute("data-tip", "");
    } else if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const el = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
const mark = (tag, attributes, ...children) => build(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);

// ---- numbers

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const list = (value) => (Array.isArray(value) ? value : []);
const signed = (text) => text.replace(/-/g, "\u2212");
const SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";

function grouped(text) {
  const [whole, fraction] = text.split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}

function scientific(value, digits) {
  const [mantissa, power] = value.toExponential(digits).split("e");
  const raised = [...String(Math.abs(Number(power)))].map((digit) => SUPERSCRIPTS[Number(digit)]).join("");
  return `${signed(mantissa)}\u00d710${Number(power) < 0 ? "\u207b" : ""}${raised}`;
}

const formatStep = (step) => (isNumber(step) ? grouped(String(Math.round(step))) : "\u2013");

function formatNumber(value, digits = 3) {
  if (!isNumber(value)) return "\u2013";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return scientific(value, digits - 1);
  const decimals = size === 0 ? 0 : Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return signed(grouped(value.toFixed(Math.min(decimals, 8))));
}

// A value is told to the second digit of its error, no further.
function withError(value, error) {
  if (!isNumber(value)) return "no value";
  if (!isNumber(error) || error <= 0) return formatNumber(value, 4);
  const decimals = 1 - Math.floor(Math.log10(error));
  const size = Math.abs(value);
  if (decimals > 6 || size >= 1e6) return `${formatNumber(value)} \u00b1 ${formatNumber(error, 2)}`;
  const places = Math.max(0, decimals);
  return signed(`${grouped(value.toFixed(places))} \u00b1 ${grouped(error.toFixed(places))}`);
}

// ---- verdicts

const verdictName = (verdict) => String(verdict ?? "unknown").toLowerCase().replace(/_/g, " ");
const isTrusted = (verdict) => verdictName(verdict) === "ok";

function verdictChip(verdict) {
  const trusted = isTrusted(verdict);
  return el("span", { class: trusted ? "chip chip-ok" : "chip chip-bad" }, el("span", { "aria-hidden": "true" }, trusted ? "\u2713" : "\u00d7"), verdictName(verdict));
}

// ---- scales

function linearScale(domain, range) {
  const slope = (range[1] - range[0]) / (domain[1] - domain[0] || 1);
  const scale = (value) => range[0] + (value - domain[0]) * slope;
  scale.invert = (position) => domain[0] + (position - range[0]) / slope;
  return scale;
}

function niceTicks(low, high, count) {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const ticks = [];
  for (let index = Math.ceil(low / unit - 1e-9); index * unit <= high + unit * 1e-9; index += 1) ticks.push(index * unit);
  return ticks;
}

function paddedDomain(values, share = 0.06) {
  const known = values.filter(isNumber);
  if (!known.length) return [0, 1];
  const low = known.reduce((a, b) => Math.min(a, b));
  const high = known.reduce((a, b) => Math.max(a, b));
  const room = (high - low) * share || Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

const tickText = (value, ticks) => {
  const gap = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : Math.abs(value) || 1;
  if (Math.abs(value) >= 1e6 || (gap < 1e-4 && value !== 0)) return scientific(value, 1);
  return signed(grouped(value.toFixed(Math.max(0, -Math.floor(Math.log10(gap) + 1e-9)))));
};

// ---- colours

const hex = (text) => [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16));

function ramp(stops) {
  const colours = stops.map(hex);
  return (share) => {
    const place = Math.min(1, Math.max(0, share)) * (colours.length - 1);
    const index = Math.min(colours.length - 2, Math.floor(place));
    return colours[index].map((from, channel) => Math.round(from + (colours[index + 1][channel] - from) * (place - index)));
  };
}

const VIRIDIS = ramp(["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"]);
const DIVERGING = {
  light: ramp(["#123f73", "#2c6aa8", "#6fa3d2", "#b7d1e8", "#f3f1ec", "#f3cfa6", "#e69b52", "#c4651a", "#823c06"]),
  dark: ramp(["#a9d4fb", "#6fb1ee", "#3d7fbe", "#2a4f78", "#24282e", "#6d4620", "#b3691f", "#ee9b48", "#fdd0a0"]),
};
const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");
const diverging = (share) => DIVERGING[theme()]((share + 1) / 2);
const css = (rgb) => `rgb(${rgb.join(",")})`;
const inkOn = (rgb) => (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 140 ? "#15181c" : "#ffffff");
const LINE_COUNT = 7;
const lineColour = (index) => `var(--line${index % LINE_COUNT})`;
const lineDash = (index) => ["", "7 3", "2 3"][Math.floor(index / LINE_COUNT) % 3] || null;

function colourBar(colour, ends, title) {
  const width = 148;
  const slices = 37;
  const bar = mark("svg", { class: "bar", width, height: 10, viewBox: `0 0 ${width} 10`, "aria-hidden": "true" });
  for (let index = 0; index < slices; index += 1) {
    bar.append(mark("rect", { x: (index * width) / slices, y: 0, width: width / slices + 0.5, height: 10, fill: css(colour(index / (slices - 1))) }));
  }
  return el("div", { class: "colour-bar" }, el("span", { class: "bar-title" }, title), el("span", { class: "bar-end" }, ends[0]), bar, el("span", { class: "bar-end" }, ends[1]));
}

// ---- tips: one box for mouse, touch and keyboard focus

const tipBox = document.getElementById("tip");
let tipTarget = null;

function fillTip({ title, rows, text }) {
  tipBox.replaceChildren(
    ...[
      title ? el("strong", {}, title) : null,
      list(rows).length ? el("dl", {}, list(rows).map(([key, value]) => [el("dt", {}, key), el("dd", {}, value)])) : null,
      ...list(text).filter(Boolean).map((line) => el("p", {}, line)),
    ].filter(Boolean),
  );
}

function placeTip() {
  if (!tipTarget?.isConnected) return hideTip();
  const target = tipTarget.getBoundingClientRect();
  const box = tipBox.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const left = Math.min(Math.max(8, target.left + target.width / 2 - box.width / 2), room - box.width - 8);
  const above = target.top - box.height - 9;
  const below = Math.min(target.bottom + 9, window.innerHeight - box.height - 8);
  tipBox.style.left = `${left}px`;
  tipBox.style.top = `${above >= 4 ? above : below}px`;
  return undefined;
}

function showTip(target) {
  tipTarget?.removeAttribute("aria-describedby");
  tipTarget = target;
  const content = tips.get(target);
  fillTip(typeof content === "function" ? content() : content);
  tipBox.hidden = false;
  target.setAttribute("aria-describedby", "tip");
  placeTip();
}

function hideTip() {
  tipTarget?.removeAttribute("aria-describedby");
  tipTarget = null;
  tipBox.hidden = true;
}

function watchTips() {
  const follow = (event) => {
    const target = event.target.closest?.("[data-tip]");
    if (target && tips.has(target)) showTip(target);
    else hideTip();
  };
  document.addEventListener("pointerover", follow);
  document.addEventListener("pointerdown", follow);
  document.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && follow(event));
  document.addEventListener("focusout", hideTip);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
  document.addEventListener("scroll", () => tipTarget && placeTip(), { capture: true, passive: true });
}

function speak(sentence) {
  document.getElementById("spoken").textContent = sentence;
}

// One tab stop for a whole grid of marks; the arrows move inside it.
function rove(rows) {
  const grid = rows.filter((row) => row.length);
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
  grid.forEach((row, r) =>
    row.forEach((node, c) => {
      node.setAttribute("tabindex", r === 0 && c === 0 ? "0" : "-1");
      node.addEventListener("keydown", (event) => {
        const move = moves[event.key];
        if (!move) return;
        event.preventDefault();
        event.stopPropagation();
        const next = grid[clamp(r + move[0], grid.length)];
        const chosen = next[clamp(c + move[1], next.length)];
        node.setAttribute("tabindex", "-1");
        chosen.setAttribute("tabindex", "0");
        chosen.focus();
      });
    }),
  );
}

const emptySentence = (sentence) => el("p", { class: "empty" }, sentence);

function segmented(label, options, chosen, choose) {
  return el(
    "div",
    { class: "segmented", role: "group", "aria-label": label },
    options.map(([key, text]) => el("button", { type: "button", "aria-pressed": String(key === chosen), click: () => choose(key) }, text)),
  );
}
