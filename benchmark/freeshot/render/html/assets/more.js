// What papers report, and pictures of what was recovered.
function fillPublished() {
  $("published-section").hidden = !state.board.published.length;
  $("published").replaceChildren(...state.board.published.flatMap((table) => [el("h3", {}, table.section), publishedTable(table)]));
}

function publishedTable(table) {
  const tracks = table.tracks.map((name) => state.board.tracks.find((track) => track.name === name));
  const text = (c) => (c ? points(c[0]) + (c[1] === null ? "" : " ± " + points(c[1])) : "–");
  const heads = ["Method", ...tracks.map((track) => track.title.join(" ")), "Source"];
  const line = (row) => el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, row.method)), ...tracks.map((track) => el("td", {}, text(row.cells[track.name]))), el("td", {}, el("bdi", {}, row.source)));
  return el("div", { class: "scroll", role: "region", "aria-label": "Reported, " + table.section, tabindex: 0 },
    el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...table.rows.map(line))));
}

function fillSheets() {
  const found = state.board.sheets;
  $("sheets-section").hidden = !found.length;
  $("sheets").replaceChildren(...found.map((sheet) => el("figure", {},
    el("img", { src: sheet.data, alt: "Images recovered from " + sheet.name + ", one class a row, beside what their masks leave" }), el("figcaption", {}, sheet.name))));
}
