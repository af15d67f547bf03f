// What stands behind a number or a row, in a dialog that Escape closes.
function open(title, ...blocks) {
  $("detail-title").replaceChildren(title);
  $("detail-body").replaceChildren(...blocks.filter(Boolean));
  $("detail").showModal();
  $("detail").scrollTop = 0;
}
$("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });

function list(pairs) {
  const dl = el("dl");
  for (const [term, text] of pairs) if (text) dl.append(el("dt", {}, term), el("dd", {}, text));
  return dl;
}

function showCell(row, track, c) {
  const of = c.seeds > 1 ? " and " + c.seeds + " seeds" : "";
  const facts = c.mean === null ? [["status", WORDS[c.status]]] : [
    ["accuracy", points(c.mean) + " %" + (c.rank ? ", rank " + c.rank + " on this track" : ", not ranked")],
    ["95 % interval", points(c.low) + " … " + points(c.high) + " over " + c.episodes + " episodes" + of],
    ["over seeds too", c.wider && points(c.wider[0]) + " … " + points(c.wider[1]) + " over episodes and training seeds"],
    ...spreads(c),
    ["hardest tenth", points(c.worst) + " %, the mean of the tenth of the episodes that went worst"],
  ];
  open(
    el("span", {}, named(row), " on " + track.name),
    list([...facts, ["notes", c.notes], ["made with", row.made], ["records", c.records.map((r) => r.cell + ", seed " + r.seed + ", " + r.day).join("; ")]]),
    histogramOf(c) && histogram(c),
    ...c.records.filter((r) => r.quality).map((r) => calibration(r, c.records.length > 1)),
  );
}

/** Further intervals around the same mean, which cover something else than the sampling of episodes. */
function spreads(c) {
  return c.records.flatMap((r) => (r.spreads || []).map(([low, high, place]) => {
    const [covers, level] = state.board.intervals[place];
    return ["over " + covers, points(low) + " … " + points(high) + ", " + points(level, 0) + " %" + (c.records.length > 1 ? ", seed " + r.seed : "")];
  }));
}

function histogram(c) {
  const counts = histogramOf(c), w = 420, h = 90, most = Math.max(...counts), bins = counts.length;
  const bars = counts.map((n, i) => draw("rect", { class: "hist", x: (i * w) / bins + 1, width: w / bins - 2, y: h - (h * n) / most, height: (h * n) / most }, draw("title", {}, plural(n, "episode") + " at " + points(i / bins, 0) + " to " + points((i + 1) / bins, 0) + " %")));
  const middle = draw("line", { class: "middle", x1: w * c.mean, x2: w * c.mean, y1: 0, y2: h });
  const texts = [["start", 0, "0 %"], ["middle", w / 2, "50 %"], ["end", w, "100 %"]].map(([anchor, x, text]) => draw("text", { class: "soft", x, y: h + 16, "text-anchor": anchor }, text));
  return el("div", {}, el("h3", {}, "Episodes by accuracy"), draw("svg", { viewBox: `0 0 ${w} ${h + 20}`, width: w, role: "img", "aria-label": "Histogram of " + c.episodes + " episodes by accuracy" }, ...bars, middle, ...texts));
}

function calibration(record, several) {
  const q = record.quality, names = state.board.classes[q.classes];
  const recall = decoded(q.recall, 10000).map((share, i) => [names[i], share]).sort((a, b) => a[1] - b[1]);
  const classes = recall.map(([name, share]) => el("li", {}, el("bdi", {}, name), el("meter", { min: 0, max: 1, value: share, "aria-hidden": "true" }), points(share, 0) + " %"));
  return el("div", {},
    el("h3", {}, "Calibration and classes" + (several ? ", seed " + record.seed : "")),
    list([["expected calibration error", points(q.ece) + " %, in 15 bins"], ["Brier score", q.brier.toFixed(3) + ", 0 is perfect"]]),
    el("p", { class: "hint" }, "Share of each class's queries that was recognised, the hardest class first:"), el("ul", { class: "recall" }, ...classes));
}

function showRow(row) {
  open(
    el("bdi", {}, row.label),
    list([
      ["what it is", [row.role, row.free, row.tuning, ...(row.pool === "black box" ? ["black box"] : []), ...(row.queries === "transductive" ? ["transductive"] : [])].join(", ")],
      ["made with", row.made],
      ["average rank", row.rank === null ? null : row.rank.toFixed(2) + " over all tracks"],
      ...state.board.columns.map((title, i) => [title, row.extras[i]]),
      ...row.costs.map((cost) => ["cost of a track", duration(cost.prepare) + " to prepare, nothing cached; " + duration(cost.evaluate) + " to evaluate; peak " + cost.peak + " MiB; on " + cost.device + "; " + plural(cost.records, "record") + " in " + duration(cost.all) + ", what they share made once"]),
      ...row.costs.flatMap((cost) => AXES.slice(4).map(([key, title, unit]) => [title, cost[key] === null ? null : amount(cost[key], unit)])),
      ...row.origins.map((text) => ["made by", text]),
    ]),
    el("h3", {}, "On each track"),
    list(state.board.tracks.map((track) => {
      const c = cellOf(row, track);
      return [track.name, !c ? "not run" : c.mean === null ? WORDS[c.status] + ": " + c.notes : inWords(c)];
    })),
  );
}
