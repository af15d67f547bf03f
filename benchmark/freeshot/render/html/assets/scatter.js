// The episodes of two rows on one track, with the paired interval that Python computed.

/** The episodes of both rows on one track: those above the diagonal are better with A. */
function fillScatter(a, b, lines) {
  $("scatter-box").hidden = !lines.length || a === b;
  if ($("scatter-box").hidden) return;
  const d = lines.find((line) => line.track.name === state.on) || lines[0];
  options(
    $("scatter-track"),
    lines.map((line) => [line.track.name, line.track.name]),
    d.track.name,
  );
  const xs = episodesOf(b, d.track),
    ys = episodesOf(a, d.track),
    counts = new Map();
  xs.forEach((x, i) => {
    const key = x + " " + ys[i];
    counts.set(key, (counts.get(key) || 0) + 1);
  });
  $("scatter-note").textContent =
    "Each dot is an episode, larger dots several: above the diagonal A is better, below it B. The line is the mean difference of " +
    signed(d.mean) +
    " points, the band its 95 % interval, " +
    signed(d.low) +
    " … " +
    signed(d.high) +
    "; A wins " +
    points(d.won, 0) +
    " % of the episodes. " +
    VERDICTS[d.verdict][0].slice(2).replace(/^./, (c) => c.toUpperCase()) +
    ".";
  $("scatter").replaceChildren(
    scatterPicture(
      a,
      b,
      d,
      [...counts].map(([key, n]) => [...key.split(" ").map(Number), n]),
    ),
  );
}

function scatterPicture(a, b, d, dots) {
  const size = Math.min(widthOf("scatter", 520), 520),
    m = { left: 52, right: 12, top: 12, bottom: 44 };
  const from = Math.min(...dots.map(([x, y]) => Math.min(x, y))),
    to = Math.max(...dots.map(([x, y]) => Math.max(x, y))),
    pad = 0.04 * (to - from) + 0.01;
  const low = Math.max(0, from - pad),
    high = Math.min(1, to + pad);
  const X = (v) => m.left + ((size - m.left - m.right) * (v - low)) / (high - low),
    Y = (v) => size - m.bottom - ((size - m.top - m.bottom) * (v - low)) / (high - low);
  const picture = axes(
    size,
    size,
    m.left,
    m.right,
    Y,
    ticks(low, high),
    "Episodes of " + a.short + " against those of " + b.short + " on " + d.track.name,
  );
  for (const v of ticks(low, high))
    picture.append(
      draw(
        "text",
        { class: "soft", x: X(v), y: size - m.bottom + 16, "text-anchor": X(v) > size - m.right - 20 ? "end" : "middle" },
        Number((100 * v).toFixed(1)) + " %",
      ),
    );
  picture.append(
    draw(
      "clipPath",
      { id: "inside" },
      draw("rect", { x: m.left, y: m.top, width: size - m.left - m.right, height: size - m.top - m.bottom }),
    ),
  );
  const along = (shift) =>
    [
      [low, low + shift],
      [high, high + shift],
    ].map(([x, y]) => X(x) + "," + Y(y));
  const inside = draw("g", { "clip-path": "url(#inside)" });
  inside.append(draw("polygon", { class: "band", points: [...along(d.low), ...along(d.high).reverse()].join(" ") }));
  for (const [x, y, n] of dots)
    inside.append(
      draw(
        "circle",
        { class: "episode", cx: X(x), cy: Y(y), r: 2.2 * Math.sqrt(n) },
        draw("title", {}, plural(n, "episode") + ": A " + points(y) + " %, B " + points(x) + " %"),
      ),
    );
  inside.append(
    draw("polyline", { class: "diagonal", points: along(0).join(" ") }),
    draw("polyline", { class: "difference", points: along(d.mean).join(" ") }),
  );
  picture.append(
    inside,
    draw("text", { x: size - m.right, y: size - 6, "text-anchor": "end" }, shortened("B: " + b.short, 60) + " →"),
    draw("text", { x: m.left + 8, y: m.top + 12 }, shortened("↑ A: " + a.short, 60)),
  );
  return picture;
}
