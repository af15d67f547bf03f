// What is shown: one plain object, which the address holds behind '#', so that a view can be shared and 'back' works.
const START = {
  sort: "rank", // column; '-mean' is from high to low
  class: null, // classes of rows; null: those that the board opens with
  off: [], // what filters take away: 'free=strict'
  q: "", // search
  cols: null, // columns; null: all, on a phone those that fit
  view: "intervals",
  pick: [], // chosen rows
  only: "", // 'picked': show only these
  a: "",
  b: "",
  on: "", // the pair, and the track of its episodes
  x: "seconds",
  y: "",
  device: "", // axes of the costs
  hard: "", // track of the difficulty
  open: [], // the dialog: 'row' label, 'track' name, 'cell' label name, 'cite'
  at: "", // section
};
const LISTS = ["class", "off", "cols", "pick", "open"];
let state = { board: boards[0], ...START };

const address = (board) => "#" + encodeURIComponent(board.suite || "board") + "@" + board.version;

/** The address of a state: the board, and what differs from the start. */
function addressOf(shown) {
  const params = new URLSearchParams();
  for (const [key, start] of Object.entries(START)) {
    const value = shown[key];
    if (LISTS.includes(key))
      (value && !value.length && start === null ? [""] : value || []).forEach((item) => params.append(key, item));
    else if (value !== start) params.set(key, value);
  }
  const query = params.toString();
  return address(shown.board) + (query ? "?" + query : "");
}

/** The state of an address; null if it names no board. */
function stateOf(hash) {
  const cut = hash.indexOf("?"),
    path = cut < 0 ? hash : hash.slice(0, cut);
  const board = path === "" || path === "#" ? boards[0] : boards.find((other) => address(other) === path);
  if (!board) return null;
  const params = new URLSearchParams(cut < 0 ? "" : hash.slice(cut + 1)),
    shown = { board, ...START };
  for (const key of Object.keys(START)) {
    if (params.has(key)) shown[key] = LISTS.includes(key) ? params.getAll(key).filter(Boolean) : params.get(key);
  }
  return shown;
}

/** Change the state, the address and what depends on it; `replace` makes no step for the back button. */
function go(change, { replace = false } = {}) {
  const before = state;
  state = { ...state, ...change };
  history[replace || addressOf(state) === location.hash ? "replaceState" : "pushState"](null, "", addressOf(state));
  redraw(before);
}

addEventListener("popstate", () => {
  const next = stateOf(location.hash),
    before = state;
  if (!next) return;
  state = next;
  redraw(before);
});

const rowOf = (label) => state.board.rows.find((row) => row.label === label);
const trackOf = (name) => state.board.tracks.find((track) => track.name === name);
const cellOf = (row, track) => row.cells[track.name];
const scored = (row, track) => cellOf(row, track) && cellOf(row, track).mean !== null;

/** The mean over tracks, or null for a row that lacks one of them. */
function overall(row, tracks) {
  return tracks.length && tracks.every((track) => scored(row, track))
    ? mean(tracks.map((track) => cellOf(row, track).mean))
    : null;
}
