// Accuracy in ten groups of the episodes, from easy to hard by the log-odds of the reference row.
const INKS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#8c6bb1", "#7f7f7f"];

function plotDifficulty() {
  const { difficulty } = state.board,
    chosen = difficulty.find((curves) => curves.track === state.hard) || difficulty[0];
  $("difficulty-section").hidden = !chosen;
  if (!chosen) return;
  options(
    $("difficulty-track"),
    difficulty.map((curves) => [curves.track, curves.track]),
    chosen.track,
  );
  const shown = new Set(visible().rows),
    reference = state.board.rows[chosen.reference];
  const curves = chosen.curves.map(([i, values]) => ({ row: state.board.rows[i], values })).filter((c) => shown.has(c.row));
  $("difficulty-note").textContent =
    "Each point is a tenth of the episodes, ordered by the log-odds of '" +
    reference.label +
    "': the easiest on the left, the hardest on the right." +
    (curves.length > INKS.length
      ? " The first rows and that one are in colour, the others grey; search or filter above to see others."
      : "");
  $("difficulty-plot").replaceChildren(
    curves.length ? difficultyPicture(chosen, curves, reference) : el("p", {}, "No shown row has numbers on this track."),
  );
}

/** As many rows as there are inks: the first ones, and always the reference. */
function inColour(curves, reference) {
  const first = curves.slice(0, INKS.length),
    own = curves.find((c) => c.row === reference);
  return own && !first.includes(own) ? [...first.slice(0, -1), own] : first;
}

function difficultyPicture(chosen, curves, reference) {
  const w = widthOf("difficulty-plot", 1240),
    side = Math.min(w * 0.35, 220),
    h = 320,
    m = { left: 52, top: 12, bottom: 36 };
  const all = curves.flatMap((c) => c.values),
    y0 = Math.max(0, Math.min(...all) - 0.02),
    y1 = Math.min(1, Math.max(...all) + 0.02),
    last = chosen.odds.length - 1;
  const X = (i) => m.left + ((w - m.left - side) * i) / last,
    Y = (v) => h - m.bottom - ((h - m.top - m.bottom) * (v - y0)) / (y1 - y0);
  const picture = axes(
    w,
    h,
    m.left,
    side,
    Y,
    ticks(y0, y1),
    "Accuracy in tenths of the episodes from easy to hard on " + chosen.track,
  );
  for (const [i, odds] of chosen.odds.entries())
    if (i % 3 === 0)
      picture.append(
        draw(
          "text",
          { class: "soft", x: X(i), y: h - m.bottom + 16, "text-anchor": "middle" },
          odds.toFixed(1).replace("-", "−"),
        ),
      );
  picture.append(draw("text", { class: "soft", x: w - side, y: h - 4, "text-anchor": "end" }, "mean log-odds, harder →"));
  const inked = inColour(curves, reference);
  const described = (c) => draw("title", {}, c.row.label + ": " + c.values.map((v) => points(v, 1)).join(", ") + " %");
  const curve = (c, attributes) =>
    draw("polyline", { ...attributes, points: c.values.map((v, j) => X(j) + "," + Y(v)).join(" ") }, described(c));
  for (const c of curves.filter((c) => !inked.includes(c))) picture.append(curve(c, { class: "curve faint" }));
  let low = -Infinity,
    left = inked.length;
  for (const c of [...inked].sort((a, b) => Y(a.values[last]) - Y(b.values[last]))) {
    const ink = INKS[inked.indexOf(c)];
    low = Math.max(low + 14, Math.min(Y(c.values[last]) + 4, h - m.bottom - 14 * --left));
    picture.append(
      curve(c, { class: "curve", stroke: ink }),
      ...c.values.map((v, j) => draw("circle", { cx: X(j), cy: Y(v), r: 3, fill: ink })),
      draw("circle", { cx: w - side + 12, cy: low - 4, r: 4, fill: ink }),
      draw("text", { x: w - side + 20, y: low }, shortened(c.row.short, Math.floor(side / 7)), described(c)),
    );
  }
  return picture;
}
