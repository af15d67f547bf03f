// The table: sorted by any column, an interval in each cell.
function columnsOf(tracks) {
  const extras = state.board.columns.map((text, i) => ["extra " + i, text, "", (row) => row.extras[i] || null]);
  return [
    ["row", "Row", "", (row) => row.label],
    ["rank", "Rank", "average", (row) => row.rank],
    ["mean", "Mean", tracks.length === state.board.tracks.length ? "all tracks" : "shown tracks", (row) => overall(row, tracks)],
    ["cost", "Cost", "one track", (row) => (row.cost ? row.cost.values.seconds[0] : null)],
    ...extras,
    ...tracks.map((track) => [track.name, track.title[0], track.title[1] || "", (row) => (scored(row, track) ? cellOf(row, track).mean : null), track]),
  ];
}
const downFirst = (key) => !["row", "rank", "cost"].includes(key);

/** Compare values; missing ones are last in both directions. */
function compare(x, y, down) {
  if (x === null || y === null) return (x === null) - (y === null);
  const order = typeof x === "string" && typeof y === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
  return down ? -order : order;
}

function fillTable() {
  const { rows, tracks } = visible();
  const columns = columnsOf(tracks);
  if (!columns.some(([key]) => key === state.sort)) Object.assign(state, { sort: "rank", down: false });
  const value = columns.find(([key]) => key === state.sort)[3];
  const first = (row) => (state.sort === "rank" ? row.control : false);
  rows.sort((a, b) => first(a) - first(b) || compare(value(a), value(b), state.down) || compare(a.label, b.label, false));
  const focused = document.activeElement && document.activeElement.dataset.key;
  $("board").tHead.replaceChildren(...heads(columns, tracks));
  $("board").tBodies[0].replaceChildren(...rows.map((row) => line(row, tracks)));
  const counted = (shown, all, thing) => (shown.length < all.length ? shown.length + " of " : "") + plural(all.length, thing);
  $("count").textContent = counted(rows, state.board.rows, "row") + " on " + counted(tracks, state.board.tracks, "track") + (state.board.common.length ? ", all " + state.board.common.join(", ") : "") + ".";
  if (focused) [...$("board").querySelectorAll("[data-key]")].find((button) => button.dataset.key === focused)?.focus();
}

/** One line of sections above the tracks, and one of the buttons that sort. */
function heads(columns, tracks) {
  const before = columns.length - tracks.length;
  const groups = [el("th", {}), el("td", { colspan: before - 1 })];
  for (const [i, track] of tracks.entries()) {
    if (i && tracks[i - 1].section === track.section) groups.at(-1).colSpan += 1;
    else groups.push(el("th", { class: "group", scope: "colgroup", colspan: 1 }, track.section));
  }
  const buttons = columns.map(([key, text, below, , track]) => {
    const th = el("th", { scope: "col", class: starts(track, tracks) });
    const button = el("button", { type: "button", "data-key": key, title: ("Sort by " + text + " " + below).trim() }, el("span", {}, text), below ? el("small", {}, below) : null);
    button.onclick = () => {
      state.down = state.sort === key ? !state.down : downFirst(key);
      state.sort = key;
      fillTable();
    };
    if (state.sort === key) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    th.append(button);
    return th;
  });
  const named = state.board.tracks.some((track) => track.section !== state.board.tracks[0].section);
  return [...(named ? [el("tr", {}, ...groups)] : []), el("tr", {}, ...buttons)];
}
const starts = (track, tracks) => (track && (tracks.indexOf(track) === 0 || tracks[tracks.indexOf(track) - 1].section !== track.section) ? "split" : null);

function line(row, tracks) {
  const name = el("button", { type: "button", class: "name", title: row.label }, named(row));
  name.onclick = () => showRow(row);
  const whole = overall(row, tracks), elsewhere = row.cost && row.cost.elsewhere;
  return el(
    "tr", { class: row.control ? "control" : null },
    el("th", { scope: "row" }, name, el("span", { class: "tags" }, row.tags.join(" · "))),
    el("td", {}, row.rank === null ? "–" : row.rank.toFixed(2)),
    el("td", {}, whole === null ? "–" : points(whole)),
    el("td", elsewhere ? { title: "on " + row.cost.device + "; most rows on " + state.board.device } : {}, row.cost ? row.cost.values.seconds[1] + (elsewhere ? " †" : "") : "–"),
    ...row.extras.map((text) => el("td", {}, text || "–")),
    ...tracks.map((track) => cell(row, track, starts(track, tracks))),
  );
}

function cell(row, track, split) {
  const c = cellOf(row, track);
  if (!c) return el("td", { class: split, title: "Not run" }, "–");
  const button = el("button", { type: "button", class: "value", title: c.text, "aria-label": row.short + " on " + track.name + ": " + c.text });
  if (c.mean === null) button.append(el("span", { class: "bad" }, c.mark));
  else button.append(el("b", {}, points(c.mean)), el("span", { class: "rank" }, (c.rank ? "(" + c.rank + ")" : "") + (c.star ? "*" : "")), viewed(c, track));
  button.onclick = () => showCell(row, track, c);
  return el("td", { class: [split, c.rank === 1 ? "first" : null].filter(Boolean).join(" ") || null }, button);
}

const viewed = (c, track) => (document.querySelector("[name=view]:checked").value === "episodes" ? spark(c) : interval(c, scaleOf(track)));

/** A small histogram of the episodes by accuracy. */
function spark(c) {
  const counts = c.histogram, most = Math.max(...counts);
  const bars = counts.map((n, i) => "M" + i + " 20V" + (20 - (20 * n) / most) + "h.9V20z").join("");
  return draw("svg", { class: "spark", viewBox: "0 0 " + counts.length + " 20", preserveAspectRatio: "none", "aria-hidden": "true" }, draw("path", { class: "hist", d: bars }));
}

/** The range that the intervals of a track's methods span, so that its bars can be compared; controls may lie outside. */
function scaleOf(track) {
  const every = state.board.rows.filter((row) => scored(row, track));
  const methods = every.filter((row) => !row.control);
  const cells = (methods.length ? methods : every).map((row) => cellOf(row, track));
  return [Math.min(...cells.map((c) => c.low)), Math.max(...cells.map((c) => c.high))];
}

function interval(c, [from, to], wide = false) {
  const share = (value) => Math.min(100, Math.max(0, (100 * (value - from)) / (to - from || 1)));
  const reach = place(el("i"), share(c.low), share(c.high) - share(c.low));
  return el("span", { class: wide ? "bar wide" : "bar", "aria-hidden": "true" }, reach, place(el("u"), share(c.mean)));
}
