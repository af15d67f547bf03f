// Comparison across tracks: a rank plot, and for each row whom it wins against.
const MOST_RANKED = 40;

/** The rows of the standings that the table shows, by position in the standings. */
function standingRows() {
  const { standings, rows } = state.board,
    shown = new Set(visible().rows);
  return standings.rows
    .map((index, at) => ({ row: rows[index], at }))
    .filter(({ row }) => shown.has(row))
    .slice(0, MOST_RANKED);
}

function fillStandings() {
  const s = state.board.standings;
  $("standings-section").hidden = !s;
  if (!s) return;
  $("standings-note").textContent = s.note;
  $("cautions").replaceChildren(...s.cautions.map((text) => el("li", {}, text)));
  const shown = standingRows();
  $("standings-plot").replaceChildren(shown.length ? ranksPicture(s, shown) : el("p", {}, "No shown row has all tracks."));
  $("wins").replaceChildren(...shown.map(({ row, at }) => el("li", {}, nameLink(row), winsOf(at))));
}

/** Which rows a row is ahead of and behind, by name on request. */
function winsOf(at) {
  const s = state.board.standings,
    count = s.rows.length - 1;
  const ahead = s.ahead[at].map(([index, text]) => el("li", {}, nameLink(state.board.rows[index]), ": " + text));
  const behind = s.behind[at].map((index) => el("li", {}, nameLink(state.board.rows[index])));
  const part = (word, items) =>
    items.length
      ? el("details", {}, el("summary", {}, word + " " + items.length + " of " + count), el("ul", {}, ...items))
      : el("span", { class: "soft" }, word + " none");
  return el("div", { class: "win" }, part("ahead of", ahead), part("behind", behind));
}

/** Average ranks as dots, the rank on each track as ticks; bars on the right join rows without a significant difference. */
function ranksPicture(s, shown) {
  const w = widthOf("standings-plot", 900),
    step = 26,
    top = 30,
    h = top + step * shown.length + 4,
    count = s.rows.length;
  const text = (row) => shortened(row.settings || row.short, w < 500 ? 20 : 48);
  const side = Math.min(w * 0.5, 16 + Math.max(...shown.map(({ row }) => textWidth(text(row)))));
  const cliques = shown.length === count ? s.cliques : [],
    bars = 16 + 12 * cliques.length;
  const X = (rank) => side + 12 + ((w - side - bars - 24) * (rank - 1)) / Math.max(count - 1, 1),
    Y = (i) => top + step * (i + 0.5);
  const picture = draw("svg", {
    width: w,
    height: h,
    viewBox: `0 0 ${w} ${h}`,
    role: "img",
    "aria-label": "Average ranks: " + shown.map(({ row, at }) => row.label + " " + s.ranks[at].toFixed(2)).join("; "),
  });
  const every = Math.ceil(count / (w < 500 ? 6 : 12));
  for (let rank = 1; rank <= count; rank += every)
    picture.append(
      draw("line", { class: "axis", x1: X(rank), x2: X(rank), y1: top, y2: h }),
      draw("text", { class: "soft", x: X(rank), y: top - 10, "text-anchor": "middle" }, String(rank)),
    );
  shown.forEach(({ row, at }, i) => {
    const each = s.each[at];
    picture.append(
      draw("line", { class: "reach", x1: X(Math.min(...each)), x2: X(Math.max(...each)), y1: Y(i), y2: Y(i) }),
      ...each.map((rank) => draw("line", { class: "tick", x1: X(rank), x2: X(rank), y1: Y(i) - 5, y2: Y(i) + 5 })),
      draw("text", { x: side - 6, y: Y(i) + 4, "text-anchor": "end" }, text(row), draw("title", {}, row.label)),
      draw("circle", { class: "dot", cx: X(s.ranks[at]), cy: Y(i), r: 5 }, draw("title", {}, s.texts[at])),
    );
  });
  cliques.forEach((clique, i) =>
    picture.append(
      draw(
        "line",
        { class: "thick", x1: w - bars + 12 * i + 8, x2: w - bars + 12 * i + 8, y1: Y(clique[0]), y2: Y(clique.at(-1)) },
        draw("title", {}, "No significant difference: " + clique.map((at) => shown[at].row.label).join("; ")),
      ),
    ),
  );
  return picture;
}
