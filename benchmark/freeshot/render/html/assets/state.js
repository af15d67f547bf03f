// Which board is shown, how it is sorted, and which rows and tracks the filters leave.
const state = { board: boards[0], sort: "rank", down: false };
const FILTERS = { "by-tuning": "tuning", "by-free": "free", "by-pool": "pool", "by-queries": "queries", "by-role": "role" };
const TRACK_FILTERS = { "by-section": "section", "by-shot": "shot" };

const address = (board) => "#" + encodeURIComponent(board.suite || "board") + "@" + board.version;
const boardAt = (hash) => boards.find((board) => address(board) === hash);

/** Offer the values of a tag; a tag with a single value needs no filter. */
function offer(id, values) {
  const set = $(id), distinct = [...new Set(values)];
  set.hidden = distinct.length < 2;
  set.querySelectorAll("label").forEach((label) => label.remove());
  for (const value of distinct) set.append(el("label", { class: "chip" }, el("input", { type: "checkbox", value, checked: true }), value));
}

function offerFilters() {
  for (const [id, field] of Object.entries(FILTERS)) offer(id, state.board.rows.map((row) => row[field]));
  for (const [id, field] of Object.entries(TRACK_FILTERS)) offer(id, state.board.tracks.map((track) => track[field]));
}

function passing(items, filters) {
  const chosen = Object.entries(filters).map(([id, field]) => [field, new Set([...$(id).querySelectorAll("input:checked")].map((box) => box.value))]);
  return items.filter((item) => chosen.every(([field, values]) => values.has(item[field])));
}

/** The rows and tracks that the filters and the search leave. */
function visible() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = passing(state.board.rows, FILTERS).filter((row) => words.every((word) => row.search.includes(word)));
  return { rows, tracks: passing(state.board.tracks, TRACK_FILTERS) };
}

const cellOf = (row, track) => row.cells[track.name];
const scored = (row, track) => cellOf(row, track) && cellOf(row, track).mean !== null;

/** The mean over tracks, or null for a row that lacks one of them. */
function overall(row, tracks) {
  return tracks.length && tracks.every((track) => scored(row, track)) ? mean(tracks.map((track) => cellOf(row, track).mean)) : null;
}
