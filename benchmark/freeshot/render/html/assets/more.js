// Numbers that papers report, and pictures of surrogates.
function fillPublished() {
  $("published-section").hidden = !state.board.published.length;
  $("published").replaceChildren(
    ...state.board.published.flatMap(({ section, heads, lines }) => [
      el("h3", {}, section),
      el("div", { class: "scroll", role: "region", "aria-label": "Reported, " + section, tabindex: 0 }, textTable(heads, lines)),
    ]),
  );
}

function fillSheets() {
  const { sheets } = state.board;
  $("sheets-section").hidden = !sheets.length;
  $("sheets").replaceChildren(
    ...sheets.map((sheet) =>
      el(
        "figure",
        {},
        el("img", { src: sheet.data, alt: "Surrogates of " + sheet.name + ", one class per row, next to what their masks keep" }),
        el("figcaption", {}, sheet.name),
      ),
    ),
  );
}
