// Which board is shown, how it is sorted, and what the filters leave of it.
const state = { board: boards[0], sort: "rank", down: false };
const FILTERS = {
  "by-tuning": (row) => row.tuning,
  "by-free": (row) => row.free,
  "by-pool": (row) => row.pool,
  "by-queries": (row) => row.queries,
  "by-role": (row) => (row.control ? "controls" : "methods"),
};
const TRACK_FILTERS = { "by-section": (track) => track.section, "by-shot": (track) => track.shot + "-shot" };

const address = (board) => "#" + encodeURIComponent(board.suite || "board") + "@" + board.version;
const boardAt = (hash) => boards.find((board) => address(board) === hash);

/** Offer the values of a tag; a tag with one value is no choice. */
function offer(id, values) {
  const set = $(id);
  const found = [...new Set(values)];
  set.hidden = found.length < 2;
  set.querySelectorAll("label").forEach((label) => label.remove());
  for (const value of found) {
    set.append(el("label", { class: "chip" }, el("input", { type: "checkbox", value, checked: true }), value));
  }
}

function offerFilters() {
  const { rows, tracks } = state.board;
  for (const [id, of] of Object.entries(FILTERS)) offer(id, rows.map(of));
  for (const [id, of] of Object.entries(TRACK_FILTERS)) offer(id, tracks.map(of));
}

const chosen = (id) => new Set([...$(id).querySelectorAll("input:checked")].map((box) => box.value));
function passing(things, filters) {
  const sets = Object.entries(filters).map(([id, of]) => [chosen(id), of]);
  return things.filter((thing) => sets.every(([set, of]) => set.has(of(thing))));
}

/** The rows and tracks that the filters and the search leave. */
function visible() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const said = (row) => [row.label, row.made, row.role, row.free, row.tuning, row.pool, row.queries].join(" ").toLowerCase();
  const rows = passing(state.board.rows, FILTERS).filter((row) => words.every((word) => said(row).includes(word)));
  return { rows, tracks: passing(state.board.tracks, TRACK_FILTERS) };
}

const cellOf = (row, track) => row.cells[track.name];
const scored = (row, track) => cellOf(row, track) && cellOf(row, track).mean !== null;

/** The mean over tracks, or null for a row that lacks one of them. */
function overall(row, tracks) {
  return tracks.length && tracks.every((track) => scored(row, track)) ? mean(tracks.map((track) => cellOf(row, track).mean)) : null;
}

/** Episodes by accuracy: as told, or counted from the single accuracies, once. */
function histogramOf(c) {
  if (!c.histogram && c.scores) {
    const bins = state.board.bins;
    c.histogram = new Array(bins).fill(0);
    for (const a of accuracies(c)) c.histogram[Math.min(Math.floor(a * bins), bins - 1)] += 1;
  }
  return c.histogram;
}

/** What one track costs, on the device that most records were made on. */
function costOf(row, axis) {
  if (!row.costs.length) return null;
  const cost = row.costs.reduce((most, one) => (one.records > most.records ? one : most));
  return axis === "total" ? cost.prepare + cost.evaluate : cost[axis];
}

/** Whether a row was run on another device than most: its seconds do not compare with theirs. */
const elsewhere = (row) => row.costs.length > 0 && costOf(row, "device") !== state.board.device;
