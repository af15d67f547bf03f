// Two rows of the reader's choice: the difference on each track, as computed by the report.
const VERDICTS = { better: ["▲ A is better", "good"], worse: ["▼ B is better", "bad"], equal: ["= equal", null], undecided: ["? undecided", null] };
const REVERSED = { better: "worse", worse: "better" };

/** The comparison of row i with row j on a track; each pair is stored in one direction only. */
function comparison(i, j, track) {
  const stored = state.board.pairs[Math.min(i, j) + " " + Math.max(i, j)], numbers = stored && stored[state.board.tracks.indexOf(track)];
  if (!numbers) return null;
  const [mean, low, high, verdict, won, seeds] = numbers;
  return i < j ? { mean, low, high, verdict, won, seeds } : { mean: -mean, low: -high, high: -low, verdict: REVERSED[verdict] || verdict, won: 1 - won, seeds };
}

function offerPair() {
  const rows = state.board.rows.map((row, i) => [i, row.short]);
  $("pair-section").hidden = !Object.keys(state.board.pairs).length;
  options($("pair-first"), rows, state.board.pair[0]);
  options($("pair-second"), rows, state.board.pair[1]);
}

function fillPair() {
  const [i, j] = [Number($("pair-first").value), Number($("pair-second").value)], region = state.board.equivalent;
  const lines = visible().tracks.map((track) => ({ track, ...comparison(i, j, track) })).filter((d) => d.verdict);
  const reach = Math.max(2 * region, ...lines.map((d) => Math.max(Math.abs(d.low), Math.abs(d.high))));
  $("pair").replaceChildren(
    headLine(["Track", "A − B, points", "95 % interval of A − B", "Verdict", "A", "B", "A wins"]),
    el("tbody", {}, ...lines.map((d) => pairLine(d, state.board.rows[i], state.board.rows[j], region, reach))),
  );
  const counts = Object.keys(VERDICTS).map((word) => [lines.filter((d) => d.verdict === word).length, word]).filter(([n]) => n);
  const covers = lines.every((d) => d.seeds) ? "95 % over episodes and training seeds" : lines.some((d) => d.seeds) ? "95 % over episodes, and where both have several training seeds over these too" : "Student-t 95 % over shared episodes";
  $("pair-note").textContent = !lines.length ? "Choose two rows that share a shown track."
    : "A is " + counts.map(([n, word]) => word + " on " + n).join(", ") + " of " + plural(lines.length, "track") + "; mean difference " + signed(mean(lines.map((d) => d.mean))) + " points. "
      + covers + "; equal means within ±" + 100 * region + " points, the grey band. For tests and their limits: freeshot compare.";
}

function pairLine(d, a, b, region, reach) {
  const share = (value) => (100 * (value + reach)) / (2 * reach);
  const bar = interval(d, [-reach, reach], true);
  bar.prepend(place(el("s"), share(-region), share(region) - share(-region)), place(el("em"), 50));
  const [words, tone] = VERDICTS[d.verdict];
  return el("tr", {},
    el("th", { scope: "row" }, ...breakable(d.track.name)), el("td", {}, signed(d.mean) + " ± " + points((d.high - d.low) / 2)), el("td", {}, bar),
    el("td", { class: tone }, words), el("td", {}, points(cellOf(a, d.track).mean)), el("td", {}, points(cellOf(b, d.track).mean)),
    el("td", { title: "of the episodes; ties count half" }, points(d.won, 0) + " %"));
}
