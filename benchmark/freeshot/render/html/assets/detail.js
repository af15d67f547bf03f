// The details of a number or a row, in a dialog that Escape closes.
function open(title, ...blocks) {
  $("detail-title").replaceChildren(title);
  $("detail-body").replaceChildren(...blocks.filter(Boolean));
  $("detail").showModal();
  $("detail").scrollTop = 0;
}
$("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });

function list(facts) {
  return el("dl", {}, ...facts.filter(([, text]) => text).flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]));
}

function showCell(row, track, c) {
  open(el("span", {}, named(row), " on " + track.name), list(c.facts), c.histogram && histogram(c), ...(c.quality || []).map(calibration));
}

function showRow(row) {
  const onTracks = state.board.tracks.map((track) => [track.name, cellOf(row, track) ? cellOf(row, track).text : "not run"]);
  open(el("bdi", {}, row.label), list(row.facts), el("h3", {}, "On each track"), list(onTracks));
}

function histogram(c) {
  const counts = c.histogram, w = 420, h = 90, most = Math.max(...counts), bins = counts.length;
  const bars = counts.map((n, i) => draw("rect", { class: "hist", x: (i * w) / bins + 1, width: w / bins - 2, y: h - (h * n) / most, height: (h * n) / most }, draw("title", {}, plural(n, "episode") + " at " + points(i / bins, 0) + " to " + points((i + 1) / bins, 0) + " %")));
  const middle = draw("line", { class: "middle", x1: w * c.mean, x2: w * c.mean, y1: 0, y2: h });
  const texts = [["start", 0, "0 %"], ["middle", w / 2, "50 %"], ["end", w, "100 %"]].map(([anchor, x, text]) => draw("text", { class: "soft", x, y: h + 16, "text-anchor": anchor }, text));
  return el("div", {}, el("h3", {}, "Episodes by accuracy"), draw("svg", { viewBox: `0 0 ${w} ${h + 20}`, width: w, role: "img", "aria-label": "Histogram of episodes by accuracy" }, ...bars, middle, ...texts));
}

function calibration(quality) {
  const classes = quality.recall.map(([name, share]) => el("li", {}, el("bdi", {}, name), el("meter", { min: 0, max: 1, value: share, "aria-hidden": "true" }), points(share, 0) + " %"));
  return el("div", {}, el("h3", {}, quality.title), list(quality.facts), el("p", { class: "hint" }, "Share of each class's queries that were recognised, the hardest class first:"), el("ul", { class: "recall" }, ...classes));
}
