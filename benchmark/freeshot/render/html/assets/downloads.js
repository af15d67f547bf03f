// Downloads: the table as it is shown, the records of its rows, and what to cite.
const numberOf = (row, column) => {
  const value = column.value(row);
  return value === null ? "" : value;
};

/** One object per shown row, with the shown columns: accuracies in 0 … 1, costs in seconds. */
function tableObjects() {
  const { rows, columns } = shownTable();
  return rows.map((row) => ({
    place: placeOf(row),
    ...Object.fromEntries(columns.map((column) => [column.key, numberOf(row, column)])),
    class: row.class,
    data: row.free,
  }));
}

/** Comma-separated values; texts that a spreadsheet would run as a formula are escaped. */
function csv(objects) {
  const inert = (value) => (typeof value === "string" && /^[=+\-@]/.test(value) ? "'" + value : String(value ?? ""));
  const quoted = (value) => (/[",\n]/.test(inert(value)) ? '"' + inert(value).replaceAll('"', '""') + '"' : inert(value));
  return [Object.keys(objects[0] || {}), ...objects.map(Object.values)].map((line) => line.map(quoted).join(",") + "\n").join("");
}

const bibtexOf = (rows) => [...new Set([state.board.cite, ...rows.map((row) => row.bibtex)])].filter(Boolean).join("\n\n") + "\n";

const DOWNLOADS = {
  "Table as CSV": (name) => save(name + ".csv", csv(tableObjects()), "text/csv"),
  "Table as JSON": (name) => save(name + ".json", jsonOf(tableObjects(), 1), "application/json"),
  "Records of the shown rows as JSON": (name) => {
    const { rows } = shownTable(),
      indices = rows.flatMap((row) => Object.values(row.cells).flatMap((c) => c.records));
    save(name + "-records.json", jsonOf(indices.map(unpacked)), "application/json");
  },
  "BibTeX of FreeShot and the shown rows": (name) => save(name + ".bib", bibtexOf(shownTable().rows), "application/x-bibtex"),
};

function startDownloads() {
  $("download-list").append(
    ...Object.entries(DOWNLOADS).map(([text, action]) =>
      button(
        { class: "plain" },
        () => {
          $("downloads").open = false;
          action(fileName(state.board.suite || "board", String(state.board.version)));
        },
        text,
      ),
    ),
  );
  $("cite-link").addEventListener("click", (event) => {
    event.preventDefault();
    go({ open: ["cite"] });
  });
}
