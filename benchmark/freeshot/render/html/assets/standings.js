// Comparison across tracks: average ranks, groups without significant difference, and win rates.
function fillStandings() {
  const s = state.board.standings;
  $("standings-section").hidden = !s;
  if (!s) return;
  $("standings-note").textContent = s.note;
  $("cautions").replaceChildren(...s.cautions.map((text) => el("li", {}, text)));
  plotStandings();
  fillWins(s);
}

/** A critical difference diagram on its side, so that labels of any length fit. */
function plotStandings() {
  const s = state.board.standings;
  if (!s) return;
  const rows = s.rows.map((i) => state.board.rows[i]), step = 26, top = 30;
  const w = Math.max(300, Math.min(900, $("standings-plot").clientWidth || 800)), h = top + step * rows.length + 4;
  const text = (row) => shortened(row.settings || row.short, w < 500 ? 20 : 48);
  const side = Math.min(w * 0.5, 16 + Math.max(...rows.map((row) => textWidth(text(row)))));
  const bars = 16 + 12 * s.cliques.length;
  const X = (rank) => side + 12 + ((w - side - bars - 24) * (rank - 1)) / Math.max(rows.length - 1, 1), Y = (i) => top + step * (i + 0.5);
  const picture = draw("svg", { width: w, height: h, viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": "Critical difference diagram: " + rows.map((row, i) => row.label + " " + s.ranks[i].toFixed(2)).join("; ") });
  const every = Math.ceil(rows.length / (w < 500 ? 6 : 12));
  for (let rank = 1; rank <= rows.length; rank += every) picture.append(draw("line", { class: "axis", x1: X(rank), x2: X(rank), y1: top, y2: h }), draw("text", { class: "soft", x: X(rank), y: top - 10, "text-anchor": "middle" }, String(rank)));
  rows.forEach((row, i) => {
    picture.append(
      draw("line", { class: "axis", x1: side, x2: X(s.ranks[i]), y1: Y(i), y2: Y(i) }),
      draw("text", { x: side - 6, y: Y(i) + 4, "text-anchor": "end" }, text(row), draw("title", {}, row.label)),
      draw("circle", { class: "dot", cx: X(s.ranks[i]), cy: Y(i), r: 5 }, draw("title", {}, s.texts[i])),
    );
  });
  s.cliques.forEach((clique, i) => picture.append(draw("line", { class: "thick", x1: w - bars + 12 * i + 8, x2: w - bars + 12 * i + 8, y1: Y(clique[0]), y2: Y(clique.at(-1)) }, draw("title", {}, "No significant difference: " + clique.map((at) => rows[at].label).join("; ")))));
  $("standings-plot").replaceChildren(picture);
}

function fillWins(s) {
  const heads = s.rows.map((at, i) => el("th", { scope: "col", title: state.board.rows[at].label }, String(i + 1)));
  const cell = (won) => (won ? el("td", { class: won.mostly ? "first" : null, title: won.text }, won.share, el("span", { class: "tags" }, won.counts)) : el("td", {}, "–"));
  const lines = s.rows.map((at, i) => el("tr", {}, el("th", { scope: "row" }, i + 1 + ". ", named(state.board.rows[at])), ...s.wins[i].map(cell)));
  $("wins").replaceChildren(el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Wins over"), ...heads)), el("tbody", {}, ...lines));
}
