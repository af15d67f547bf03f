// Where rows stand across tracks: average ranks, what cannot be told apart, and who wins how often.
function fillStandings() {
  const s = state.board.standings;
  $("standings-section").hidden = !s;
  if (!s) return;
  const many = plural(s.tracks, "track");
  $("standings-note").textContent = "Average ranks over " + many + " by the mean alone, the best on top; the table above lets rows share a rank instead. A bar joins rows that cannot be told apart there (Wilcoxon's signed ranks with Holm's adjustment, p ≥ 0.05). "
    + "Friedman's test that all rows are alike: p " + pValue(s.friedman) + ".";
  $("cautions").replaceChildren(...s.cautions.map((text) => el("li", {}, text)));
  plotStandings();
  fillWins(s);
}
const pValue = (p) => (p < 0.001 ? "< 0.001" : "= " + p.toFixed(3));

/** A critical difference diagram on its side, so that labels of any length fit. */
function plotStandings() {
  const s = state.board.standings;
  if (!s) return;
  const rows = s.rows.map((i) => state.board.rows[i]), step = 26, top = 30;
  const w = Math.max(300, Math.min(900, $("standings-plot").clientWidth || 800)), h = top + step * rows.length + 4;
  const text = (row) => (settingsOf(row) || row.short), most = w < 500 ? 20 : 48;
  const side = Math.min(w * 0.5, 16 + Math.max(...rows.map((row) => textWidth(shortened(text(row), most)))));
  const bars = 16 + 12 * s.cliques.length;
  const X = (rank) => side + 12 + ((w - side - bars - 24) * (rank - 1)) / Math.max(rows.length - 1, 1), Y = (i) => top + step * (i + 0.5);
  const picture = draw("svg", { width: w, height: h, viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": "Critical difference diagram: " + rows.map((row, i) => row.label + " " + s.ranks[i].toFixed(2)).join("; ") });
  const every = Math.ceil(rows.length / (w < 500 ? 6 : 12));
  for (let rank = 1; rank <= rows.length; rank += every) picture.append(draw("line", { class: "axis", x1: X(rank), x2: X(rank), y1: top, y2: h }), draw("text", { class: "soft", x: X(rank), y: top - 10, "text-anchor": "middle" }, String(rank)));
  rows.forEach((row, i) => {
    const said = row.label + ": average rank " + s.ranks[i].toFixed(2) + ", middle half of the tracks " + points(s.middle[i]) + " %";
    picture.append(
      draw("line", { class: "axis", x1: side, x2: X(s.ranks[i]), y1: Y(i), y2: Y(i) }),
      draw("text", { x: side - 6, y: Y(i) + 4, "text-anchor": "end" }, shortened(text(row), most), draw("title", {}, row.label)),
      draw("circle", { class: "dot", cx: X(s.ranks[i]), cy: Y(i), r: 5 }, draw("title", {}, said)),
    );
  });
  s.cliques.forEach((clique, i) => picture.append(draw("line", { class: "thick", x1: w - bars + 12 * i + 8, x2: w - bars + 12 * i + 8, y1: Y(clique[0]), y2: Y(clique.at(-1)) }, draw("title", {}, "Not told apart: " + clique.map((at) => rows[at].label).join("; ")))));
  $("standings-plot").replaceChildren(picture);
}

const COUNTED = ["better", "equal", "worse", "undecided"];

function fillWins(s) {
  const head = el("tr", {}, el("th", { scope: "col" }, "Wins over"), ...s.rows.map((at, i) => el("th", { scope: "col", title: state.board.rows[at].label }, String(i + 1))));
  const lines = s.rows.map((at, i) => el("tr", {}, el("th", { scope: "row" }, i + 1 + ". ", named(state.board.rows[at])), ...s.wins[i].map((won, j) => winCell(s, i, j, won))));
  $("wins").replaceChildren(el("thead", {}, head), el("tbody", {}, ...lines));
}

function winCell(s, i, j, [share, low, high]) {
  if (i === j) return el("td", {}, "–");
  const counts = s.verdicts[i][j], counted = COUNTED.map((word, k) => counts[k] + " " + word).filter((_, k) => counts[k]).join(", ");
  const said = "wins " + points(share, 0) + " % of tracks, interval " + points(low, 0) + " … " + points(high, 0) + " %; verdicts: " + counted + "; adjusted p " + pValue(s.adjusted[i][j]);
  return el("td", { class: low > 0.5 ? "first" : null, title: said }, points(share, 0) + " %", el("span", { class: "tags" }, counts.join("/")));
}
