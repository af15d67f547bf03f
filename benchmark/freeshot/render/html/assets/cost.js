// Accuracy against what it costs, with the rows that no other row beats in both.
// Each axis with its unit, and the least that it shows: its scale is logarithmic.
const AXES = [
  ["total", "seconds a track", "s", 0.1], ["prepare", "seconds to prepare a track", "s", 0.1], ["evaluate", "seconds to evaluate a track", "s", 0.1], ["peak", "peak memory, MiB", "MiB", 1],
  ["flops", "operations to prepare a track", "FLOP", 1e9], ["task", "operations of one task", "FLOP", 1e6], ["learned", "weights learned before the first task", "", 1], ["tuned", "weights tuned for each task", "", 1], ["queries", "images that LoRAs were asked about", "", 1], ["joules", "energy of a track", "J", 1],
];
const OF_A_DEVICE = ["total", "prepare", "evaluate", "peak", "joules"];
const axisOf = (axis) => AXES.find(([key]) => key === axis);
const PREFIXES = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

/** Write an amount in its unit as a person says it. */
function amount(value, unit) {
  if (unit === "s") return duration(value);
  if (unit === "MiB") return spaced(value) + " MiB";
  const [scale, letter] = PREFIXES.find(([least]) => value >= least) || [1, ""];
  return Number((value / scale).toPrecision(3)) + (letter || unit ? " " + letter + unit : "");
}

function offerCost() {
  options($("cost-track"), [["", "the mean over shown tracks"], ...state.board.tracks.map((t) => [t.name, t.name])]);
  const known = AXES.filter(([key]) => state.board.rows.some((row) => costOf(row, key) !== null));
  options($("cost-axis"), known, known.some(([key]) => key === $("cost-axis").value) ? $("cost-axis").value : "total");
}

function costPoints(rows, tracks, axis) {
  const least = axisOf(axis)[3];
  return rows.map((row) => ({ row, cost: costOf(row, axis), y: overall(row, tracks), cells: tracks.map((t) => cellOf(row, t)) }))
    .filter((p) => p.cost !== null && p.y !== null)
    .map((p) => ({ ...p, x: Math.max(p.cost, least) }));
}

/** Methods that no other method beats in both, from cheap to dear; controls set no front. */
function front(found) {
  const ranked = found.filter((p) => !p.row.control);
  const beats = (q, p) => q.x <= p.x && q.y >= p.y && (q.x < p.x || q.y > p.y);
  return ranked.filter((p) => !ranked.some((q) => beats(q, p))).sort((a, b) => a.x - b.x);
}

function plotCost() {
  const { rows, tracks } = visible();
  const name = $("cost-track").value, axis = $("cost-axis").value;
  const all = costPoints(rows, name ? state.board.tracks.filter((t) => t.name === name) : tracks, axis);
  const found = all.filter((p) => !OF_A_DEVICE.includes(axis) || !elsewhere(p.row)), left = all.filter((p) => !found.includes(p));
  $("cost-note").textContent = "Up and to the left is better. The dashed line joins the methods that no other beats in both; controls are hollow. Nothing counts as cached."
    + (left.length ? " Drawn are costs on " + state.board.device + "; left out, because they were run elsewhere: " + left.map((p) => p.row.short).join(", ") + "." : "");
  $("cost-plot").replaceChildren(found.length ? costPicture(found, axis) : el("p", {}, "No shown row has a cost and numbers on all of these tracks."));
}

function costPicture(found, axis) {
  const w = Math.max(300, Math.min(1240, $("cost-plot").clientWidth || 800)), h = w < 500 ? 300 : 380;
  const m = { left: 52, right: 14, top: 14, bottom: 40 };
  const logs = found.map((p) => Math.log10(p.x)), ys = found.map((p) => p.y);
  const x0 = Math.floor(Math.min(...logs)), x1 = Math.max(Math.ceil(Math.max(...logs)), x0 + 1);
  const pad = Math.max(0.01, 0.12 * (Math.max(...ys) - Math.min(...ys))), y0 = Math.min(...ys) - pad, y1 = Math.max(...ys) + pad;
  const X = (v) => m.left + ((w - m.left - m.right) * (Math.log10(v) - x0)) / (x1 - x0);
  const Y = (v) => h - m.bottom - ((h - m.top - m.bottom) * (v - y0)) / (y1 - y0);
  const picture = draw("svg", { width: w, height: h, viewBox: `0 0 ${w} ${h}`, role: "group", "aria-label": "Accuracy against " + axisOf(axis)[1] });
  for (const v of decades(x0, x1)) {
    const unit = axisOf(axis)[2], text = unit === "s" ? (v < 1 ? v.toFixed(1) : v.toFixed(0)) + " s" : amount(v, unit);
    const anchor = v === 10 ** x0 ? "start" : v === 10 ** x1 ? "end" : "middle";
    picture.append(draw("line", { class: "axis", x1: X(v), x2: X(v), y1: m.top, y2: h - m.bottom }), draw("text", { class: "soft", x: X(v), y: h - m.bottom + 16, "text-anchor": anchor }, text));
  }
  for (const v of ticks(y0, y1)) picture.append(draw("line", { class: "axis", x1: m.left, x2: w - m.right, y1: Y(v), y2: Y(v) }), draw("text", { class: "soft", x: m.left - 6, y: Y(v) + 4, "text-anchor": "end" }, points(v, y1 - y0 < 0.05 ? 1 : 0) + " %"));
  picture.append(draw("text", { class: "soft", x: w - m.right, y: h - 6, "text-anchor": "end" }, axisOf(axis)[1] + ", log scale"));
  const best = front(found);
  picture.append(draw("polyline", { class: "front", points: best.map((p) => X(p.x) + "," + Y(p.y)).join(" ") }));
  const taken = found.map((p) => [X(p.x) - 7, Y(p.y) - 7, X(p.x) + 7, Y(p.y) + 7]);
  const dots = [...found].sort((a, b) => best.includes(b) - best.includes(a) || b.y - a.y).map((p) => dotted(p, X(p.x), Y(p.y), axis, taken, w));
  for (const [label] of dots) if (label) picture.append(label);
  for (const [, dot] of dots) picture.append(dot);
  return picture;
}

/** A focusable dot, and its label where there is room for one. */
function dotted(p, x, y, axis, taken, w) {
  const said = p.row.label + ": " + points(p.y) + " %, " + amount(p.cost, axisOf(axis)[2]) + " on " + costOf(p.row, "device");
  const dot = draw("circle", { class: p.row.control ? "dot control" : "dot", cx: x, cy: y, r: 6, tabindex: 0, role: "button", "aria-label": said }, draw("title", {}, said));
  dot.onclick = () => showRow(p.row);
  dot.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); showRow(p.row); } };
  const text = shortened(settingsOf(p.row) || p.row.short, w < 500 ? 26 : 44), wide = textWidth(text) + 4;
  for (const [left, low, anchor] of [[x + 10, y + 4, "start"], [x - 10, y + 4, "end"], [x, y - 11, "middle"], [x, y + 20, "middle"], [x + 8, y - 9, "start"], [x - 8, y + 18, "end"], [x + 8, y + 18, "start"], [x - 8, y - 9, "end"]]) {
    const from = anchor === "start" ? left : anchor === "end" ? left - wide : left - wide / 2;
    const box = [from, low - 12, from + wide, low + 3];
    if (from < 40 || from + wide > w - 2 || taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3])) continue;
    taken.push(box);
    return [draw("text", { x: left, y: low, "text-anchor": anchor, class: p.row.control ? "soft" : null }, text), dot];
  }
  return [null, dot];
}

/** Powers of ten, and between few of them also twos and fives. */
function decades(from, to) {
  const found = [];
  for (let d = from; d <= to; d++) for (const k of to - from > 2 ? [1] : [1, 2, 5]) if (d < to || k === 1) found.push(k * 10 ** d);
  return found;
}

/** Round values between two shares, about five of them. */
function ticks(from, to) {
  const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((s) => (to - from) / s <= 6) || 0.5;
  const found = [];
  for (let i = Math.ceil(from / step); i * step <= to; i++) found.push(i * step);
  return found;
}
