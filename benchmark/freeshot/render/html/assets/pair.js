// Two rows of the reader's choice: the difference on each track as Python computed it, and the verdict in words.
const VERDICTS = {
  better: ["▲ A is better", "good"],
  worse: ["▼ B is better", "bad"],
  equal: ["= equal", null],
  undecided: ["? undecided", null],
};
const REVERSED = { better: "worse", worse: "better" };
const reversed = (word) => REVERSED[word] || word;

/** The comparison of row i with row j on a track; each pair is stored in one direction only. */
function comparison(i, j, track) {
  const stored = state.board.pairs[Math.min(i, j) + " " + Math.max(i, j)],
    numbers = stored && stored[state.board.tracks.indexOf(track)];
  if (!numbers) return null;
  const [mean, low, high, verdict, won, seeds] = numbers;
  return i < j
    ? { mean, low, high, verdict, won, seeds }
    : { mean: -mean, low: -high, high: -low, verdict: reversed(verdict), won: 1 - won, seeds };
}

/** Rows that are compared with another one, and the two that are shown. */
function chosenPair() {
  const { rows, pairs, pair } = state.board,
    compared = new Set(Object.keys(pairs).flatMap((key) => key.split(" ").map(Number)));
  const index = (label, otherwise) => {
    const i = rows.indexOf(rowOf(label));
    return compared.has(i) ? i : otherwise;
  };
  return { compared: [...compared].sort((a, b) => a - b), i: index(state.a, pair[0]), j: index(state.b, pair[1]) };
}

function fillPair() {
  const { rows, equivalent: region } = state.board,
    { compared, i, j } = chosenPair();
  $("pair-section").hidden = !compared.length;
  if (!compared.length) return;
  for (const [id, chosen] of [
    ["pair-first", i],
    ["pair-second", j],
  ])
    options(
      $(id),
      compared.map((at) => [rows[at].label, rows[at].short]),
      rows[chosen].label,
    );
  const shown = visible().tracks,
    lines = shown.map((track) => ({ track, ...comparison(i, j, track) })).filter((d) => d.verdict);
  const reach = Math.max(2 * region, ...lines.map((d) => Math.max(Math.abs(d.low), Math.abs(d.high))));
  $("pair").replaceChildren(
    headLine(["Track", "A − B, points", "95 % interval", "Verdict", "A", "B", "A wins"]),
    el("tbody", {}, ...lines.map((d) => pairLine(d, rows[i], rows[j], region, reach))),
  );
  const counts = Object.keys(VERDICTS)
    .map((word) => [lines.filter((d) => d.verdict === word).length, word])
    .filter(([n]) => n);
  const covers = lines.every((d) => d.seeds)
    ? "95 % over episodes and training seeds"
    : lines.some((d) => d.seeds)
      ? "95 % over episodes, and where both have several training seeds over these too"
      : "Student-t 95 % over shared episodes";
  $("pair-verdict").replaceChildren(...(lines.length ? inWords(i, j) : []));
  $("pair-note").textContent = !lines.length
    ? "Choose two rows that share a shown track."
    : "A is " +
      counts.map(([n, word]) => word + " on " + n).join(", ") +
      " of " +
      plural(lines.length, "track") +
      "; mean difference " +
      signed(mean(lines.map((d) => d.mean))) +
      " points. " +
      covers +
      "; equal means within ±" +
      100 * region +
      " points, the grey band. For tests and their limits: freeshot compare." +
      (compared.length < rows.length
        ? " The page compares the first " + compared.length + " rows; for others: freeshot compare."
        : "");
  fillScatter(rows[i], rows[j], lines);
}

/** Python's conclusion over the tracks of the board, as a sentence. */
function inWords(i, j) {
  const { rows, tracks, conclusions } = state.board,
    verdicts = tracks.map((track) => comparison(i, j, track)?.verdict).filter(Boolean);
  const stored = conclusions[Math.min(i, j) + " " + Math.max(i, j)],
    conclusion = i < j ? stored : reversed(stored);
  const count = (word) => verdicts.filter((verdict) => verdict === word).length,
    every = plural(verdicts.length, "track");
  const a = nameLink(rows[i]),
    b = nameLink(rows[j]);
  if (conclusion === "equal") return [a, " and ", b, " are equal on all of " + every + "."];
  if (conclusion === "undecided") return ["None of " + every + " separates ", a, " from ", b, " with these episodes."];
  if (conclusion === "mixed")
    return [a, " is better than ", b, " on " + count("better") + " of " + every + " and worse on " + count("worse") + "."];
  const [ahead, behind] = conclusion === "better" ? [a, b] : [b, a];
  return [ahead, " is better than ", behind, " on " + count(conclusion) + " of " + every + " and worse on none."];
}

function pairLine(d, a, b, region, reach) {
  const share = (value) => (100 * (value + reach)) / (2 * reach);
  const bar = interval(d, [-reach, reach], true);
  bar.prepend(positioned(el("s"), share(-region), share(region) - share(-region)), positioned(el("em"), 50));
  const [words, tone] = VERDICTS[d.verdict];
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      button({ class: "link" }, () => go({ on: d.track.name }), ...breakable(d.track.name)),
    ),
    el("td", {}, signed(d.mean) + " ± " + points((d.high - d.low) / 2)),
    el("td", {}, bar),
    el("td", { class: tone }, words),
    el("td", { "data-label": "A" }, points(cellOf(a, d.track).mean)),
    el("td", { "data-label": "B" }, points(cellOf(b, d.track).mean)),
    el("td", { "data-label": "A wins", title: "of the episodes; ties count half" }, points(d.won, 0) + " %"),
  );
}
