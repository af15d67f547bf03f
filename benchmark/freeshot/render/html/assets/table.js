// The table: sorted by any column, an interval in each cell; every name and number opens what is behind it.
function columnsOf(tracks) {
  const extras = state.board.columns.map((text, i) => ({
    key: "extra " + i,
    text,
    below: "",
    value: (row) => row.extras[i] || null,
  }));
  const whole = tracks.length === state.board.tracks.length;
  return [
    { key: "row", text: "Row", below: "place", value: (row) => row.label, term: "place" },
    { key: "rank", text: "Rank", below: "average", value: (row) => row.rank, term: "rank" },
    {
      key: "mean",
      text: "Mean",
      below: whole ? "all tracks" : "shown tracks",
      value: (row) => overall(row, tracks),
      term: "mean",
    },
    {
      key: "cost",
      text: "Cost",
      below: "one track",
      value: (row) => (row.cost ? row.cost.values.seconds[0] : null),
      term: "cost",
    },
    ...extras,
    ...tracks.map((track) => ({
      key: track.name,
      text: track.title[0],
      below: track.title[1] || "",
      value: (row) => (scored(row, track) ? cellOf(row, track).mean : null),
      track,
    })),
  ];
}
const downFirst = (key) => !["row", "rank", "cost"].includes(key);
const isShown = (column) =>
  column.key === "row" || (state.cols ? state.cols.includes(column.key) : !(narrow.matches && column.track));

/** Compare values; missing ones are last in both directions. */
function compare(x, y, down) {
  if (x === null || y === null) return (x === null) - (y === null);
  const order = typeof x === "string" && typeof y === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
  return down ? -order : order;
}

/** The shown rows in order, and the shown columns: what the table and its downloads have. */
function shownTable() {
  const { rows, tracks } = visible();
  const every = columnsOf(tracks),
    columns = every.filter(isShown);
  const down = state.sort.startsWith("-"),
    key = state.sort.replace(/^-/, "");
  const { value } = every.find((column) => column.key === key) || every[1];
  const last = (row) => (key === "rank" ? row.control : false);
  rows.sort((a, b) => last(a) - last(b) || compare(value(a), value(b), down) || compare(a.label, b.label, false));
  return { rows, columns, key, down };
}

/** Place by average rank among the rows of the shown classes, whatever the other filters leave; equal ranks share it. */
function placeOf(row) {
  const rivals = state.board.rows.filter((other) => other.rank !== null && classesShown().includes(other.class));
  return row.rank === null ? null : 1 + rivals.filter((other) => other.rank < row.rank).length;
}

function fillTable() {
  const { rows, columns, key, down } = shownTable(),
    tracks = columns.map((column) => column.track).filter(Boolean);
  const common = rows.length > 1 ? rows[0].tags.filter((tag) => rows.every((row) => row.tags.includes(tag))) : []; // shown once, above the table
  const focused = document.activeElement?.dataset.key,
    scales = new Map(tracks.map((track) => [track, scaleOf(track)]));
  $("board").tHead.replaceChildren(...heads(columns, tracks, key, down));
  $("board").tBodies[0].replaceChildren(...rows.map((row) => line(row, columns, tracks, scales, common)));
  const counted = (shown, all, thing) => (shown < all.length ? shown + " of " : "") + plural(all.length, thing);
  $("count").textContent =
    counted(rows.length, state.board.rows, "row") +
    " on " +
    counted(visible().tracks.length, state.board.tracks, "track") +
    (common.length ? ", all " + common.join(", ") : "") +
    "." +
    (columns.length - tracks.length > 1 && narrow.matches && !tracks.length ? " Tap a row for its numbers on each track." : "");
  if (focused) [...$("board").querySelectorAll("[data-key]")].find((head) => head.dataset.key === focused)?.focus();
  fillLegend(rows, tracks);
}

/** One line of sections above the tracks, and one of the buttons that sort and that describe a track. */
function heads(columns, tracks, key, down) {
  const groups = [
    el("td", { class: "corner" }),
    columns.length - tracks.length > 1 ? el("td", { colspan: columns.length - tracks.length - 1 }) : null,
  ];
  for (const [i, track] of tracks.entries()) {
    if (i && tracks[i - 1].section === track.section) groups.at(-1).colSpan += 1;
    else groups.push(el("th", { class: "group", scope: "colgroup", colspan: 1, "data-term": track.section }, track.section));
  }
  const buttons = columns.map((column) => {
    const sorting = () => go({ sort: (column.key === key ? !down : downFirst(column.key)) ? "-" + column.key : column.key });
    const label = column.text + (column.below ? " " + column.below : "");
    const th = el(
      "th",
      { scope: "col", class: starts(column.track, tracks) },
      button(
        { "data-key": column.key, "data-term": column.term, "aria-label": "Sort by " + label },
        sorting,
        el("span", {}, column.text),
        column.below ? el("small", {}, column.below) : null,
      ),
      column.track
        ? button(
            { class: "about", "aria-label": "About " + column.track.name },
            () => go({ open: ["track", column.track.name] }),
            "?",
          )
        : null,
    );
    if (column.key === key) th.setAttribute("aria-sort", down ? "descending" : "ascending");
    return th;
  });
  const named = tracks.some((track) => track.section !== tracks[0].section);
  return [named ? el("tr", {}, ...groups) : "", el("tr", {}, ...buttons)];
}
const starts = (track, tracks) =>
  track && (tracks.indexOf(track) === 0 || tracks[tracks.indexOf(track) - 1].section !== track.section) ? "split" : null;

function line(row, columns, tracks, scales, common) {
  const box = el("input", { type: "checkbox", "aria-label": "Choose " + row.short });
  box.checked = state.pick.includes(row.label);
  box.addEventListener("change", () => go({ pick: withOrWithout(state.pick, row.label, box.checked) }));
  const tags = row.tags
    .filter((tag) => !common.includes(tag))
    .flatMap((tag, i) => [i ? " · " : "", el("span", { "data-term": tag }, tag)]);
  const standing = placeOf(row);
  const made = el(
    "tr",
    { class: row.control ? "control" : null },
    el(
      "th",
      { scope: "row" },
      el(
        "div",
        { class: "head" },
        el("span", { class: "place" }, standing === null ? "–" : String(standing)),
        box,
        el(
          "span",
          {},
          button({ class: "name", title: row.label }, () => go({ open: ["row", row.label] }), named(row)),
          tags.length ? el("span", { class: "tags" }, tags) : null,
        ),
      ),
    ),
    ...columns
      .slice(1)
      .map((column) =>
        column.track ? cell(row, column.track, starts(column.track, tracks), scales.get(column.track)) : plain(row, column),
      ),
  );
  made.addEventListener("click", (event) => {
    if (!event.target.closest("button, input")) go({ open: ["row", row.label] });
  });
  return made;
}

/** Any other cell than an accuracy on a track. */
function plain(row, { key, value }) {
  if (key === "rank") return el("td", {}, row.average);
  if (key === "mean") return el("td", {}, value(row) === null ? "–" : points(value(row)));
  if (key !== "cost") return el("td", {}, value(row) || "–");
  const elsewhere = row.cost && row.cost.elsewhere;
  return el(
    "td",
    elsewhere ? { title: "on " + row.cost.device + "; most rows on " + state.board.device } : {},
    row.cost ? row.cost.values.seconds[1] + (elsewhere ? " †" : "") : "–",
  );
}

function cell(row, track, split, scale) {
  const c = cellOf(row, track);
  if (!c) return el("td", { class: split, title: "Not run" }, "–");
  const opener = button({ class: "value", title: c.text, "aria-label": row.short + " on " + track.name + ": " + c.text }, () =>
    go({ open: ["cell", row.label, track.name] }),
  );
  if (c.mean === null) opener.append(el("span", { class: "bad" }, c.mark));
  else
    opener.append(
      el("b", {}, points(c.mean)),
      el("span", { class: "rank" }, (c.rank ? "(" + c.rank + ")" : "") + (c.star ? "*" : "")),
      state.view === "episodes" ? spark(c) : interval(c, scale),
    );
  return el("td", { class: [split, c.rank === 1 ? "first" : null].filter(Boolean).join(" ") || null }, opener);
}

/** The marks that the table has, explained. */
function fillLegend(rows, tracks) {
  const cells = rows.flatMap((row) => tracks.map((track) => cellOf(row, track)));
  const some = (test) => cells.some((c) => c && test(c));
  const marks = [
    ["(3)", some((c) => c.rank)],
    ["shaded", some((c) => c.rank === 1)],
    ["*", some((c) => c.star)],
    ["†", rows.some((row) => row.cost && row.cost.elsewhere)],
    ["–", cells.some((c) => !c) || rows.some((row) => row.rank === null)],
    ...["failed", "void", "skipped"].map((word) => [word, some((c) => c.mark === word)]),
  ];
  $("legend").replaceChildren(
    ...marks.filter(([, there]) => there).map(([mark]) => el("li", {}, el("b", {}, mark), " ", TERMS.get(mark))),
  );
}

/** A small histogram of the episodes by accuracy. */
function spark(c) {
  const counts = c.histogram,
    most = Math.max(...counts);
  const bars = counts.map((n, i) => "M" + i + " 20V" + (20 - (20 * n) / most) + "h.9V20z").join("");
  return draw(
    "svg",
    { class: "spark", viewBox: "0 0 " + counts.length + " 20", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("path", { class: "hist", d: bars }),
  );
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
  const reach = positioned(el("i"), share(c.low), share(c.high) - share(c.low));
  return el("span", { class: wide ? "bar wide" : "bar", "aria-hidden": "true" }, reach, positioned(el("u"), share(c.mean)));
}
