// Which rows and tracks the reader's choices leave: classes, tags, search, chosen rows.
const FILTERS = { "by-free": "free", "by-pool": "pool", "by-queries": "queries" };
const TRACK_FILTERS = { "by-section": "section", "by-shot": "shot" };

const classesShown = () => state.class || state.board.opening;
const isOff = (field, item) => state.off.includes(field + "=" + item[field]);

/** The rows and tracks that are left. */
function visible() {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean),
    classes = classesShown();
  const rows = state.board.rows.filter(
    (row) =>
      classes.includes(row.class) &&
      !Object.values(FILTERS).some((field) => isOff(field, row)) &&
      words.every((word) => row.search.includes(word)) &&
      (!state.only || state.pick.includes(row.label)),
  );
  return {
    rows,
    tracks: state.board.tracks.filter((track) => !Object.values(TRACK_FILTERS).some((field) => isOff(field, track))),
  };
}

/** A group of chips; one with a single value decides nothing and is hidden. */
function chips(id, pairs, checked, change) {
  $(id).hidden = pairs.length < 2;
  $(id)
    .querySelectorAll("label")
    .forEach((label) => label.remove());
  for (const [value, text] of pairs) {
    const box = el("input", { type: "checkbox", value });
    box.checked = checked(value);
    box.addEventListener("change", () => change(value, box.checked));
    $(id).append(el("label", { class: "chip", "data-term": value }, box, text));
  }
}
const withOrWithout = (list, value, wanted) => (wanted ? [...list, value] : list.filter((other) => other !== value));

function fillFilters() {
  const { rows, tracks, classes } = state.board,
    focused = document.activeElement,
    group = focused.closest?.("fieldset")?.id;
  chips(
    "by-class",
    classes.map((name) => [name, name + " (" + rows.filter((row) => row.class === name).length + ")"]),
    (value) => classesShown().includes(value),
    (value, wanted) => go({ class: classes.filter((name) => withOrWithout(classesShown(), value, wanted).includes(name)) }),
  );
  for (const [filters, items] of [
    [FILTERS, rows],
    [TRACK_FILTERS, tracks],
  ]) {
    for (const [id, field] of Object.entries(filters)) {
      const offered = items.filter((item) => !item.class || classesShown().includes(item.class)); // tags of hidden classes decide nothing
      chips(
        id,
        [...new Set(offered.map((item) => item[field]))].map((value) => [value, value]),
        (value) => !state.off.includes(field + "=" + value),
        (value, wanted) => go({ off: withOrWithout(state.off, field + "=" + value, !wanted) }),
      );
    }
  }
  const every = columnsOf(tracks).slice(1);
  chips(
    "by-column",
    every.map((column) => [column.key, column.text + (column.below && column.track ? " " + column.below : "")]),
    (value) => isShown(every.find((column) => column.key === value)),
    (value, wanted) => go({ cols: every.filter((c) => (c.key === value ? wanted : isShown(c))).map((c) => c.key) }),
  );
  document.querySelectorAll("[name=view]").forEach((radio) => {
    radio.checked = radio.value === state.view;
  });
  if ($("search").value !== state.q) $("search").value = state.q;
  if (group && !focused.isConnected) [...$(group).querySelectorAll("input")].find((box) => box.value === focused.value)?.focus();
}

function startFilters() {
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("search").addEventListener("input", () => go({ q: $("search").value }, { replace: true }));
  document.querySelectorAll("[name=view]").forEach((radio) => radio.addEventListener("change", () => go({ view: radio.value })));
  $("all-columns").addEventListener("click", () =>
    go({
      cols: columnsOf(state.board.tracks)
        .slice(1)
        .map((column) => column.key),
    }),
  );
  $("show-all").addEventListener("click", () => go({ class: state.board.classes, off: [], q: "", only: "", view: "intervals" }));
  $("start-again").addEventListener("click", () => go(START));
  for (const menu of document.querySelectorAll(".menu")) {
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    });
    addEventListener("click", (event) => {
      if (!menu.contains(event.target) && event.target.isConnected) menu.open = false;
    });
  }
}

/** What the reader chose: compare two rows, or show only these. */
function fillPicked() {
  const rows = state.pick.map(rowOf).filter(Boolean);
  $("picked").hidden = !rows.length;
  $("picked").replaceChildren(
    el("span", {}, plural(rows.length, "row") + " chosen: " + shortened(rows.map((row) => row.short).join(", "), 160)),
    rows.length === 2
      ? button({ class: "plain" }, () => go({ a: rows[0].label, b: rows[1].label, at: "pair-section" }), "Compare")
      : null,
    button(
      { class: "plain", "aria-pressed": String(Boolean(state.only)) },
      () => go({ only: state.only ? "" : "picked" }),
      "Only these",
    ),
    button({ class: "plain" }, () => go({ pick: [], only: "" }), "Clear"),
  );
}
