// Accuracy against cost, with the methods that no other shown method beats in both.
const axisOf = (key) => state.board.axes.find((axis) => axis.key === key);

function offerCost() {
  options($("cost-track"), [["", "the mean over shown tracks"], ...state.board.tracks.map((t) => [t.name, t.name])]);
  const before = $("cost-axis").value, known = state.board.axes.filter((axis) => axis.ticks.length);
  options($("cost-axis"), known.map((axis) => [axis.key, axis.title]), known.some((axis) => axis.key === before) ? before : "seconds");
}

/** Methods that no other method beats in both, from cheap to expensive; controls are not on the front. */
function front(dots) {
  const ranked = dots.filter((p) => !p.row.control);
  const beats = (q, p) => q.x <= p.x && q.y >= p.y && (q.x < p.x || q.y > p.y);
  return ranked.filter((p) => !ranked.some((q) => beats(q, p))).sort((a, b) => a.x - b.x);
}

function plotCost() {
  const { rows, tracks } = visible(), axis = axisOf($("cost-axis").value), name = $("cost-track").value;
  const on = name ? state.board.tracks.filter((t) => t.name === name) : tracks;
  const known = rows.filter((row) => axis && row.cost && row.cost.values[axis.key] && overall(row, on) !== null);
  const shown = known.filter((row) => !axis.of_device || !row.cost.elsewhere), left = known.filter((row) => !shown.includes(row));
  $("cost-note").textContent = "Up and to the left is better. The dashed line joins the methods that no other beats in both; controls are hollow. Nothing counts as cached."
    + (left.length ? " Costs on " + state.board.device + " are drawn; left out, because they were run elsewhere: " + left.map((row) => row.short).join(", ") + "." : "");
  const dots = shown.map((row) => ({ row, y: overall(row, on), x: row.cost.values[axis.key][0], text: row.cost.values[axis.key][1] }));
  $("cost-plot").replaceChildren(dots.length ? costPicture(dots, axis) : el("p", {}, "No shown row has a cost and numbers on all of these tracks."));
}

function costPicture(dots, axis) {
  const w = Math.max(300, Math.min(1240, $("cost-plot").clientWidth || 800)), h = w < 500 ? 300 : 380;
  const m = { left: 52, right: 14, top: 14, bottom: 40 };
  const logs = dots.map((p) => Math.log10(p.x)), ys = dots.map((p) => p.y);
  const x0 = Math.floor(Math.min(...logs)), x1 = Math.max(Math.ceil(Math.max(...logs)), x0 + 1);
  const pad = Math.max(0.01, 0.12 * (Math.max(...ys) - Math.min(...ys))), y0 = Math.min(...ys) - pad, y1 = Math.max(...ys) + pad;
  const X = (v) => m.left + ((w - m.left - m.right) * (Math.log10(v) - x0)) / (x1 - x0);
  const Y = (v) => h - m.bottom - ((h - m.top - m.bottom) * (v - y0)) / (y1 - y0);
  const picture = axes(w, h, m.left, m.right, Y, ticks(y0, y1), "Accuracy against " + axis.title);
  const inside = axis.ticks.filter(([v, , power]) => Math.log10(v) > x0 - 0.01 && Math.log10(v) < x1 + 0.01 && (power || x1 - x0 <= 2));
  for (const [v, text] of inside) {
    const anchor = X(v) < m.left + 1 ? "start" : X(v) > w - m.right - 1 ? "end" : "middle";
    picture.append(draw("line", { class: "axis", x1: X(v), x2: X(v), y1: m.top, y2: h - m.bottom }), draw("text", { class: "soft", x: X(v), y: h - m.bottom + 16, "text-anchor": anchor }, text));
  }
  picture.append(draw("text", { class: "soft", x: w - m.right, y: h - 6, "text-anchor": "end" }, axis.title + ", log scale"));
  const best = front(dots);
  picture.append(draw("polyline", { class: "front", points: best.map((p) => X(p.x) + "," + Y(p.y)).join(" ") }));
  const taken = dots.map((p) => [X(p.x) - 7, Y(p.y) - 7, X(p.x) + 7, Y(p.y) + 7]);
  const drawn = [...dots].sort((a, b) => best.includes(b) - best.includes(a) || b.y - a.y).map((p) => dotted(p, X(p.x), Y(p.y), taken, w));
  for (const [label] of drawn) if (label) picture.append(label);
  for (const [, dot] of drawn) picture.append(dot);
  return picture;
}

/** A focusable dot, and its label where there is room for one. */
function dotted(p, x, y, taken, w) {
  const text = p.row.label + ": " + points(p.y) + " %, " + p.text + " on " + p.row.cost.device;
  const dot = draw("circle", { class: p.row.control ? "dot control" : "dot", cx: x, cy: y, r: 6, tabindex: 0, role: "button", "aria-label": text }, draw("title", {}, text));
  dot.onclick = () => showRow(p.row);
  dot.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); showRow(p.row); } };
  const label = shortened(p.row.settings || p.row.short, w < 500 ? 26 : 44), wide = textWidth(label) + 4;
  for (const [left, low, anchor] of [[x + 10, y + 4, "start"], [x - 10, y + 4, "end"], [x, y - 11, "middle"], [x, y + 20, "middle"], [x + 8, y - 9, "start"], [x - 8, y + 18, "end"], [x + 8, y + 18, "start"], [x - 8, y - 9, "end"]]) {
    const from = anchor === "start" ? left : anchor === "end" ? left - wide : left - wide / 2;
    const box = [from, low - 12, from + wide, low + 3];
    if (from < 40 || from + wide > w - 2 || taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3])) continue;
    taken.push(box);
    return [draw("text", { x: left, y: low, "text-anchor": anchor, class: p.row.control ? "soft" : null }, label), dot];
  }
  return [null, dot];
}

/** Round values between two shares, about five of them. */
function ticks(from, to) {
  const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((s) => (to - from) / s <= 6) || 0.5;
  const first = Math.ceil(from / step), count = Math.floor(to / step) - first + 1;
  return Array.from({ length: count }, (_, i) => (first + i) * step);
}
