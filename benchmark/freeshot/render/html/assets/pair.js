// Two rows of the reader's choice: the difference on each track, episode by episode.
const LETTERS = [...Array(94).keys()].map((i) => String.fromCharCode(33 + i)).filter((c) => !'"&<>\\'.includes(c));
const VALUES = new Map(LETTERS.map((letter, i) => [letter, i]));

/** Shares of 1 as integers of a unit, each in as many letters, the highest first. */
function decoded(text, unit) {
  let digits = 1;
  while (LETTERS.length ** digits <= unit) digits += 1;
  const found = [];
  for (let start = 0; start < text.length; start += digits) {
    let number = 0;
    for (let i = start; i < start + digits; i++) number = number * LETTERS.length + VALUES.get(text[i]);
    found.push(number / unit);
  }
  return found;
}
const accuracies = (c) => decoded(c.scores, c.unit);

/** Student's interval of the mean difference; both met the same episodes in the same order. */
function difference(first, second) {
  const ours = accuracies(first), theirs = accuracies(second), values = ours.map((a, i) => a - theirs[i]);
  const middle = mean(values), n = values.length;
  const spread = n > 1 ? Math.sqrt(values.reduce((sum, v) => sum + (v - middle) ** 2, 0) / (n - 1)) : 0;
  const reach = (state.board.critical[n] * spread) / Math.sqrt(n);
  return { mean: middle, low: middle - reach, high: middle + reach, wins: values.filter((v) => v > 0).length / n, ties: values.filter((v) => v === 0).length / n };
}

/** The interval over episodes and training seeds, where the rows share two seeds or more. */
function overSeeds(a, b, track) {
  const [i, j] = [a, b].map((row) => state.board.rows.indexOf(row));
  const found = (state.board.over_seeds[Math.min(i, j) + " " + Math.max(i, j)] || {})[track.name];
  if (!found) return {};
  return i < j ? { low: found[0], high: found[1], seeds: true } : { low: -found[1], high: -found[0], seeds: true };
}

/** Better or worse where the interval lies wholly outside of what matters to nobody, equal where wholly inside. */
function verdict({ low, high }, region) {
  if (low > region) return ["better", "▲ A is better", "good"];
  if (high < -region) return ["worse", "▼ B is better", "bad"];
  return low >= -region && high <= region ? ["equal", "= equal", ""] : ["undecided", "? undecided", ""];
}

function offerPair() {
  const rows = state.board.rows.map((row, i) => [i, row.short]);
  $("pair-section").hidden = rows.length < 2 || !state.board.rows.some((row) => Object.values(row.cells).some((c) => c.scores));
  options($("pair-first"), rows, state.board.pair[0]);
  options($("pair-second"), rows, state.board.pair[1]);
}

function fillPair() {
  if ($("pair-section").hidden) return;
  const [a, b] = [$("pair-first"), $("pair-second")].map((select) => state.board.rows[select.value]);
  const { tracks } = visible(), region = state.board.equivalent;
  const shared = tracks.filter((t) => [a, b].every((row) => cellOf(row, t) && cellOf(row, t).scores));
  const found = shared.map((t) => ({ track: t, a: cellOf(a, t), b: cellOf(b, t), ...difference(cellOf(a, t), cellOf(b, t)), ...overSeeds(a, b, t) }));
  const reach = Math.max(2 * region, ...found.map((d) => Math.max(Math.abs(d.low), Math.abs(d.high))));
  const heads = ["Track", "A − B, points", "95 % interval of A − B", "Verdict", "A", "B", "A wins"];
  $("pair").replaceChildren(
    el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...found.map((d) => pairLine(d, region, reach))),
  );
  const counted = ["better", "equal", "worse", "undecided"].map((word) => [found.filter((d) => verdict(d, region)[0] === word).length, word]).filter(([n]) => n);
  $("pair-note").textContent = !found.length ? "These rows share no shown track."
    : "A is " + counted.map(([n, word]) => word + " on " + n).join(", ") + " of " + plural(found.length, "track") + "; mean difference " + signed(mean(found.map((d) => d.mean))) + " points. "
      + (found.every((d) => d.seeds) ? "95 % over episodes and training seeds" : found.some((d) => d.seeds) ? "95 % over episodes, and where both have several training seeds over these too" : "Student-t 95 % over shared episodes") + "; equal means within ±" + (100 * region) + " points, the grey band. For tests and what they cannot say: freeshot compare.";
}

function pairLine(d, region, reach) {
  const share = (value) => (100 * (value + reach)) / (2 * reach);
  const bar = interval(d, [-reach, reach], true);
  bar.prepend(place(el("s"), share(-region), share(region) - share(-region)), place(el("em"), 50));
  const [, words, tone] = verdict(d, region);
  return el("tr", {},
    el("th", { scope: "row" }, ...breakable(d.track.name)), el("td", {}, signed(d.mean) + " ± " + points((d.high - d.low) / 2)), el("td", {}, bar),
    el("td", { class: tone || null }, words), el("td", {}, points(d.a.mean)), el("td", {}, points(d.b.mean)),
    el("td", { title: "of the episodes; ties count half" }, points(d.wins + d.ties / 2, 0) + " %"));
}
