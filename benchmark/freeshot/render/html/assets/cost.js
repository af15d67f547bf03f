// Accuracy against cost, with the methods that no other shown method beats in both.
const axisOf = (key) => state.board.axes.find((axis) => axis.key === key);

function plotCost() {
  const known = state.board.axes.filter((axis) => axis.ticks.length),
    axis = axisOf(state.x) && axisOf(state.x).ticks.length ? axisOf(state.x) : known[0];
  $("cost-section").hidden = !axis;
  if (!axis) return;
  const { rows, tracks } = visible(),
    { devices } = state.board,
    device = devices.includes(state.device) ? state.device : devices[0];
  const on = trackOf(state.y) ? [trackOf(state.y)] : tracks;
  options(
    $("cost-track"),
    [["", "the mean over shown tracks"], ...state.board.tracks.map((t) => [t.name, t.name])],
    trackOf(state.y) ? state.y : "",
  );
  options(
    $("cost-axis"),
    known.map((a) => [a.key, a.title]),
    axis.key,
  );
  options(
    $("cost-device"),
    devices.map((name) => [name, name]),
    device,
  );
  $("cost-device-choice").hidden = devices.length < 2 || !axis.of_device;
  const dots = rows.flatMap((row) => dotsOf(row, axis, device, overall(row, on)));
  const dimmed = dots.filter((p) => p.dimmed);
  $("cost-note").textContent =
    "Up and to the left is better. The dashed line joins the methods that no other beats in both; controls are hollow. Nothing counts as cached." +
    (dimmed.length
      ? " Dimmed, because they were measured on another device than " +
        device +
        ": " +
        dimmed.map((p) => p.row.short).join(", ") +
        "."
      : "");
  $("cost-plot").replaceChildren(
    dots.length ? costPicture(dots, axis) : el("p", {}, "No shown row has a cost and numbers on all of these tracks."),
  );
}

/** A row's dot: its cost on the chosen device, else its usual one, dimmed; none without a cost or an accuracy. */
function dotsOf(row, axis, device, y) {
  if (!row.cost || y === null) return [];
  const here = row.costs[device],
    dimmed = axis.of_device && !here,
    [x, text] = (here || row.cost.values)[axis.key] || [];
  return x === undefined
    ? []
    : [
        {
          row,
          x,
          y,
          dimmed,
          text: text + " on " + (here ? device : row.cost.device) + (dimmed ? ", which does not compare with " + device : ""),
        },
      ];
}

/** Methods that no other method beats in both, from cheap to expensive; controls and other devices are not on the front. */
function front(dots) {
  const ranked = dots.filter((p) => !p.row.control && !p.dimmed);
  const beats = (q, p) => q.x <= p.x && q.y >= p.y && (q.x < p.x || q.y > p.y);
  return ranked.filter((p) => !ranked.some((q) => beats(q, p))).sort((a, b) => a.x - b.x);
}

function costPicture(dots, axis) {
  const w = widthOf("cost-plot", 1240),
    h = w < 500 ? 320 : 400;
  const m = { left: 52, right: 14, top: 14, bottom: 40 };
  const logs = dots.map((p) => Math.log10(p.x)),
    ys = dots.map((p) => p.y);
  const x0 = Math.min(...logs) - 0.15,
    x1 = Math.max(...logs) + 0.15;
  const pad = Math.max(0.01, 0.12 * (Math.max(...ys) - Math.min(...ys))),
    y0 = Math.min(...ys) - pad,
    y1 = Math.max(...ys) + pad;
  const X = (v) => m.left + ((w - m.left - m.right) * (Math.log10(v) - x0)) / (x1 - x0);
  const Y = (v) => h - m.bottom - ((h - m.top - m.bottom) * (v - y0)) / (y1 - y0);
  const picture = axes(w, h, m.left, m.right, Y, ticks(y0, y1), "Accuracy against " + axis.title);
  const inside = axis.ticks.filter(
    ([v, , power]) => Math.log10(v) > x0 - 0.01 && Math.log10(v) < x1 + 0.01 && (power || x1 - x0 <= 2),
  );
  for (const [v, text] of inside) {
    const anchor = X(v) < m.left + 1 ? "start" : X(v) > w - m.right - 1 ? "end" : "middle";
    picture.append(
      draw("line", { class: "axis", x1: X(v), x2: X(v), y1: m.top, y2: h - m.bottom }),
      draw("text", { class: "soft", x: X(v), y: h - m.bottom + 16, "text-anchor": anchor }, text),
    );
  }
  picture.append(draw("text", { class: "soft", x: w - m.right, y: h - 6, "text-anchor": "end" }, axis.title + ", log scale"));
  const best = front(dots);
  picture.append(draw("polyline", { class: "front", points: best.map((p) => X(p.x) + "," + Y(p.y)).join(" ") }));
  const taken = dots.map((p) => [X(p.x) - 7, Y(p.y) - 7, X(p.x) + 7, Y(p.y) + 7]);
  const important = (p) => (p.dimmed ? 0 : 1) + (best.includes(p) ? 1 : 0);
  const drawn = [...dots]
    .sort((a, b) => important(b) - important(a) || b.y - a.y)
    .map((p) => dotted(p, X(p.x), Y(p.y), taken, w));
  for (const [label] of drawn) if (label) picture.append(label);
  for (const [, dot] of drawn.reverse()) picture.append(dot);
  return picture;
}

/** A focusable dot, and its label where there is room for one. */
function dotted(p, x, y, taken, w) {
  const text = p.row.label + ": " + points(p.y) + " %, " + p.text,
    style = [p.row.control ? "control" : "", p.dimmed ? "dimmed" : ""].join(" ");
  const dot = draw(
    "circle",
    { class: "dot " + style, cx: x, cy: y, r: 6, tabindex: 0, role: "button", "aria-label": text },
    draw("title", {}, text),
  );
  pressed(dot, () => go({ open: ["row", p.row.label] }));
  const label = shortened(p.row.settings || p.row.short, w < 500 ? 26 : 44),
    wide = textWidth(label) + 4;
  for (const [left, low, anchor] of [
    [x + 10, y + 4, "start"],
    [x - 10, y + 4, "end"],
    [x, y - 11, "middle"],
    [x, y + 20, "middle"],
    [x + 8, y - 9, "start"],
    [x - 8, y + 18, "end"],
    [x + 8, y + 18, "start"],
    [x - 8, y - 9, "end"],
  ]) {
    const from = anchor === "start" ? left : anchor === "end" ? left - wide : left - wide / 2;
    const box = [from, low - 12, from + wide, low + 3];
    if (from < 40 || from + wide > w - 2 || taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3]))
      continue;
    taken.push(box);
    return [
      draw("text", { x: left, y: low, "text-anchor": anchor, class: p.row.control || p.dimmed ? "soft" : null }, label),
      dot,
    ];
  }
  return [null, dot];
}
