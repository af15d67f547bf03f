// What is behind a number: intervals in words, episodes, classes, costs, the records and the command.
function cellDialog(row, track) {
  const c = cellOf(row, track),
    quality = c.records.map(qualityOf);
  return {
    title: el("span", {}, named(row), " on " + track.name),
    blocks: [
      el(
        "p",
        { class: "links" },
        button({ class: "plain" }, () => go({ open: ["row", row.label] }), "About the row"),
        button({ class: "plain" }, () => go({ open: ["track", track.name] }), "About the track"),
      ),
      list(c.facts),
      c.histogram && histogram(c),
      ...quality.filter(Boolean).map((one, i) => recall(one, quality.length > 1 ? ", record " + (i + 1) : "")),
      el("h3", {}, "Reproduce it"),
      ...c.commands.map((command) => copyable(command, "command")),
      el("h3", {}, c.records.length > 1 ? "Records" : "Record"),
      ...c.records.flatMap(recordBlock),
    ],
  };
}

function list(facts) {
  return el(
    "dl",
    {},
    ...facts.filter(([, text]) => text).flatMap(([name, text]) => [el("dt", {}, term(name)), el("dd", {}, text)]),
  );
}

function histogram(c) {
  const counts = c.histogram,
    w = 420,
    h = 90,
    most = Math.max(...counts),
    bins = counts.length;
  const bars = counts.map((n, i) =>
    draw(
      "rect",
      { class: "hist", x: (i * w) / bins + 1, width: w / bins - 2, y: h - (h * n) / most, height: (h * n) / most },
      draw("title", {}, plural(n, "episode") + " at " + points(i / bins, 0) + " to " + points((i + 1) / bins, 0) + " %"),
    ),
  );
  const middle = draw("line", { class: "middle", x1: w * c.mean, x2: w * c.mean, y1: 0, y2: h });
  const texts = [
    ["start", 0, "0 %"],
    ["middle", w / 2, "50 %"],
    ["end", w, "100 %"],
  ].map(([anchor, x, text]) => draw("text", { class: "soft", x, y: h + 16, "text-anchor": anchor }, text));
  return el(
    "div",
    {},
    el("h3", {}, "Episodes by accuracy"),
    draw(
      "svg",
      {
        viewBox: `0 0 ${w} ${h + 20}`,
        width: w,
        role: "img",
        "aria-label": "Histogram of episodes by accuracy, mean " + points(c.mean) + " %",
      },
      ...bars,
      middle,
      ...texts,
    ),
  );
}

/** Recall of each class, the hardest first. */
function recall(quality, suffix) {
  const classes = Object.entries(quality.recall).sort(([, x], [, y]) => x - y);
  return el(
    "div",
    {},
    el("h3", {}, "Classes" + suffix),
    el("p", { class: "hint" }, "Share of each class's queries that were recognised, the hardest class first:"),
    el(
      "ul",
      { class: "recall" },
      ...classes.map(([name, share]) =>
        el(
          "li",
          {},
          el("bdi", {}, name),
          el("meter", { min: 0, max: 1, value: share, "aria-hidden": "true" }),
          points(share, 0) + " %",
        ),
      ),
    ),
  );
}
