// What papers report, and pictures of what was recovered.
function fillPublished() {
  const found = state.board.published, tracks = state.board.tracks.filter((t) => found.some((row) => row.cells[t.name]));
  $("published-section").hidden = !found.length;
  const text = (c) => (c ? points(c[0]) + (c[1] === null ? "" : " ± " + points(c[1])) : "–");
  $("published").replaceChildren(
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Method"), ...tracks.map((t) => el("th", { scope: "col" }, t.title.join(" "))), el("th", { scope: "col" }, "Source"))),
    el("tbody", {}, ...found.map((row) => el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, row.method)), ...tracks.map((t) => el("td", {}, text(row.cells[t.name]))), el("td", {}, el("bdi", {}, row.source))))),
  );
}

function fillSheets() {
  const found = state.board.sheets;
  $("sheets-section").hidden = !found.length;
  $("sheets").replaceChildren(...found.map((sheet) => el("figure", {},
    el("img", { src: sheet.data, alt: "Images recovered from " + sheet.name + ", one class a row, beside what their masks leave" }), el("figcaption", {}, sheet.name))));
}
