// Every token as a point in the two strongest modes, with its context where the pointer is.

const tokenView = { step: null, frame: null };
const TOKENS_HEIGHT = 420;
const NEAR = 12;
const EDGE = 14;

const visible = (text) => text.replace(/\n/g, "\u23ce").replace(/\t/g, "\u21e5");

// A token among those around it; ids are parted by spaces, text is as it stands.
function contextLine(probe, words, at, isText) {
  const join = (part) => (isText ? visible(part.join("")) : part.join(" "));
  const space = isText ? "" : " ";
  return el("div", { class: "context" }, el("span", { class: "aside" }, probe), "  ", join(words.slice(0, at)), space, el("mark", {}, join([words[at]])), space, join(words.slice(at + 1)));
}

function tokenContext(tokens, index) {
  const probe = tokens.probes[tokens.probe[index]];
  const row = tokens.rows[probe][tokens.row[index]];
  const [position, from] = [tokens.position[index], Math.max(0, tokens.position[index] - 24)];
  const isText = Object.keys(tokens.texts).length > 0;
  const words = row.slice(from, position + 9).map((id) => tokens.texts[id] ?? String(id));
  return contextLine(probe, words, position - from, isText);
}

const extent = (values) => values.reduce(([low, high], value) => (isNumber(value) ? [Math.min(low, value), Math.max(high, value)] : [low, high]), [Infinity, -Infinity]);

// Where each token stands on the screen, those of no band first, and chains of tokens through cells of NEAR pixels.
function layTokens(places, frame, width) {
  const x = linearScale(frame.x, [EDGE, width - EDGE]);
  const y = linearScale(frame.y, [TOKENS_HEIGHT - EDGE, EDGE]);
  const count = places.band.length;
  const laid = { places, count: 0, columns: Math.ceil(width / NEAR), order: new Int32Array(count), x: new Float32Array(count), y: new Float32Array(count), next: new Int32Array(count), first: null };
  laid.first = new Int32Array(laid.columns * Math.ceil(TOKENS_HEIGHT / NEAR)).fill(-1);
  for (const inBand of [false, true]) {
    for (let index = 0; index < count; index += 1) {
      if (places.band[index] >= 0 !== inBand || !isNumber(places.x[index]) || !isNumber(places.y[index])) continue;
      const [px, py] = [x(places.x[index]), y(places.y[index])];
      if (px < 0 || py < 0 || px >= width || py >= TOKENS_HEIGHT) continue;
      const cell = Math.floor(px / NEAR) + laid.columns * Math.floor(py / NEAR);
      laid.order[laid.count] = index;
      laid.x[laid.count] = px;
      laid.y[laid.count] = py;
      laid.next[laid.count] = laid.first[cell];
      laid.first[cell] = laid.count;
      laid.count += 1;
    }
  }
  return laid;
}

function nearestToken(laid, x, y) {
  let [best, least] = [-1, NEAR ** 2];
  const [column, row] = [Math.floor(x / NEAR), Math.floor(y / NEAR)];
  for (let j = Math.max(0, row - 1); j <= row + 1; j += 1) {
    for (let i = Math.max(0, column - 1); i <= Math.min(laid.columns - 1, column + 1); i += 1) {
      for (let at = laid.first[i + laid.columns * j] ?? -1; at >= 0; at = laid.next[at]) {
        const distance = (laid.x[at] - x) ** 2 + (laid.y[at] - y) ** 2;
        if (distance < least) [best, least] = [at, distance];
      }
    }
  }
  return best;
}

// Pixels are written directly: a call for each of 100 000 tokens would take seconds without a graphics card.
function paintTokens(canvas, laid, width, colours) {
  const scale = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * scale), Math.round(TOKENS_HEIGHT * scale)];
  Object.assign(canvas, { width: across, height: down });
  const image = new ImageData(Math.max(1, across), Math.max(1, down));
  const pixels = new Uint32Array(image.data.buffer);
  const size = Math.max(1, Math.round((laid.count > 20000 ? 1.5 : 3) * scale));
  for (let at = 0; at < laid.count; at += 1) {
    const colour = colours.get(laid.places.band[laid.order[at]]);
    const [left, top] = [Math.round(laid.x[at] * scale - size / 2), Math.round(laid.y[at] * scale - size / 2)];
    for (let row = Math.max(0, top); row < Math.min(down, top + size); row += 1) pixels.fill(colour, row * across + Math.max(0, left), row * across + Math.min(across, left + size));
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Drag to look closer, double-click or Escape to see all again; the arrows go from token to token.
function watchTokens(canvas, state, { look, zoom, whole }) {
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let start = null;
  canvas.addEventListener("pointerdown", (event) => { start = place(event); canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => look(nearestToken(state.laid, ...place(event)), start ? [start, place(event)] : null));
  canvas.addEventListener("pointerup", (event) => {
    const end = place(event);
    if (start && Math.abs(end[0] - start[0]) > 8 && Math.abs(end[1] - start[1]) > 8) zoom(start, end);
    start = null;
  });
  canvas.addEventListener("dblclick", whole);
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") whole();
    if (!move || !state.laid.count) return;
    event.preventDefault();
    state.at = (state.at + move + state.laid.count) % state.laid.count;
    look(state.at, null, true);
  });
}

function tokenChart(map, tracks, tokens) {
  const places = map.places;
  const all = { x: paddedDomain(extent(places.x)), y: paddedDomain(extent(places.y)) };
  const track = (band) => map.bands.find((one) => one.id === band)?.track ?? null;
  const styles = getComputedStyle(document.documentElement);
  const colour = (band) => {
    const [r, g, b] = hex(styles.getPropertyValue(band < 0 ? "--faint" : `--line${Math.max(0, tracks.findIndex((one) => one.id === track(band))) % LINE_COUNT}`).trim());
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  };
  const colours = new Map([...new Set(places.band)].map((band) => [band, colour(band)]));
  const canvas = el("canvas", { class: "tokens", tabindex: "0", role: "img", "aria-label": `${places.x.length} tokens in the two strongest modes at step ${map.step}; the arrows go from token to token` });
  const [ring, box, line] = [el("div", { class: "token-ring", hidden: "" }), el("div", { class: "token-box", hidden: "" }), el("div", { class: "token-line" }, "Point at a token to read it; drag to look closer, double-click to see all.")];
  const state = { laid: null, at: -1, width: 0 };
  const draw = () => {
    state.width = canvas.clientWidth;
    state.laid = layTokens(places, tokenView.frame ?? all, state.width);
    paintTokens(canvas, state.laid, state.width, colours);
    state.at = -1;
    ring.hidden = true;
  };
  const show = (node, left, top, width, height) => Object.assign(node.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  const look = (at, drag, aloud) => {
    ring.hidden = at < 0;
    box.hidden = !drag;
    if (drag) show(box, Math.min(drag[0][0], drag[1][0]), Math.min(drag[0][1], drag[1][1]), Math.abs(drag[1][0] - drag[0][0]), Math.abs(drag[1][1] - drag[0][1]));
    if (at < 0) return;
    show(ring, state.laid.x[at] - 6, state.laid.y[at] - 6, 12, 12);
    const band = map.bands.find((one) => one.id === places.band[state.laid.order[at]]);
    line.replaceChildren(el("strong", {}, band ? `${band.track} ${band.name}` : "no band"), tokenContext(tokens, state.laid.order[at]));
    if (aloud) speak(line.textContent);
  };
  const whole = () => { tokenView.frame = null; draw(); };
  const zoom = ([ax, ay], [bx, by]) => {
    const frame = tokenView.frame ?? all;
    const [x, y] = [linearScale([EDGE, state.width - EDGE], frame.x), linearScale([TOKENS_HEIGHT - EDGE, EDGE], frame.y)];
    tokenView.frame = { x: [x(Math.min(ax, bx)), x(Math.max(ax, bx))], y: [y(Math.max(ay, by)), y(Math.min(ay, by))] };
    box.hidden = true;
    draw();
  };
  watchTokens(canvas, state, { look, zoom, whole });
  new ResizeObserver(() => canvas.clientWidth !== state.width && draw()).observe(canvas);
  return el("div", {}, el("div", { class: "token-map" }, canvas, ring, box), line);
}

function tokenMap(body, maps, tracks, tokens) {
  const drawn = maps.filter((map) => map.places && map.bands.length);
  if (!drawn.length || !tokens) return;
  const shown = drawn.find((map) => map.step === tokenView.step) ?? drawn[drawn.length - 1];
  const host = el("div", { class: "beneath" });
  const again = (step) => {
    Object.assign(tokenView, { step, frame: null });
    const other = el("div");
    tokenMap(other, maps, tracks, tokens);
    host.replaceWith(...other.childNodes);
  };
  const some = tokens.probe.length < tokens.count ? `; ${grouped(String(tokens.probe.length))} of ${grouped(String(tokens.count))} are shown` : "";
  host.append(
    el("div", { class: "controls" }, el("h3", {}, "Tokens", el("span", { class: "aside" }, `scores in the two strongest modes${some}`)), segmented("Which step", drawn.map((map) => [map.step, `step ${formatStep(map.step)}`]), shown.step, again)),
    tokenChart(shown, tracks, tokens),
    el("p", { class: "token-legend" }, shown.bands.map((band) => el("span", { class: "token-key" }, el("span", { class: "dot", style: `background:${lineColour(Math.max(0, tracks.findIndex((one) => one.id === band.track)))}` }), `${band.track} ${band.name}`, isTold(shown, band) ? null : " \u00d7")), el("span", { class: "token-key" }, el("span", { class: "dot", style: "background:var(--faint)" }), "no band")));
  body.append(host);
}
