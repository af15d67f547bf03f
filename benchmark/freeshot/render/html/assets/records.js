// Records as their files hold them, but for the log-odds; the inverse of `pack` in records.py.
function unpacked(index) {
  const { records, shared } = state.board,
    r = records[index],
    part = (i) => shared[i];
  const components = Object.fromEntries(Object.entries(part(r.components)).map(([option, i]) => [option, part(i)]));
  return {
    schema_version: r.schema_version,
    cell: r.cell,
    status: r.status,
    reason: r.reason,
    comparable: r.comparable,
    spec: {
      suite: r.suite,
      track: part(r.track),
      method: part(r.method),
      components,
      backbone: part(r.backbone),
      seed: r.seed,
      precision: r.precision,
      limit: r.limit,
    },
    tags: part(r.tags),
    interval: r.interval,
    accuracies: accuraciesOf(index),
    wider_intervals: r.wider_intervals,
    quality: qualityOf(index),
    log_odds: [],
    test_evaluations: r.test_evaluations,
    stages: r.stages.map(part),
    task_cost: r.task_cost,
    audit: r.audit,
    hashes: part(r.hashes),
    provenance: { ...part(r.provenance), finished: r.finished },
  };
}

function qualityOf(index) {
  const { quality } = state.board.records[index];
  const { names, values } = quality ? quality.recall : {};
  return quality && { ...quality, recall: Object.fromEntries(state.board.shared[names].map((name, i) => [name, values[i]])) };
}

function accuraciesOf(index) {
  const { accuracies } = state.board.records[index];
  return Array.isArray(accuracies)
    ? accuracies
    : Array.from(atob(accuracies.counts), (byte) => byte.charCodeAt(0) / accuracies.of);
}

/** Accuracy of each episode, averaged over the finished records of a cell. */
function episodesOf(row, track) {
  const runs = cellOf(row, track)
    .records.filter((i) => state.board.records[i].status === "ok")
    .map(accuraciesOf);
  return runs[0].map((_, episode) => mean(runs.map((run) => run[episode])));
}

/** A record: its command, and itself to read and to save. */
function recordBlock(index) {
  const r = state.board.records[index],
    shown = el("div", {});
  const text = () => jsonOf(unpacked(index), 1);
  const details = el(
    "details",
    {},
    el("summary", {}, "Record " + r.cell + " as JSON" + (r.log_odds ? ", without its log-odds" : "")),
    shown,
  );
  details.addEventListener("toggle", () => {
    if (details.open && !shown.firstChild) shown.append(copyable(text(), "record " + r.cell));
  });
  return [
    el("p", {}, "Seed " + r.seed + ", finished " + r.finished.slice(0, 10) + ", " + state.board.shared[r.made]),
    el(
      "p",
      {},
      button({ class: "plain" }, () => save(r.cell + ".json", text(), "application/json"), "Download the record"),
    ),
    details,
  ];
}
