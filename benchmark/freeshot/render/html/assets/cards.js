// Cards: what a row is, what a track is, how to cite; and the dialog that shows them and cells.
function showOpen() {
  const [kind, label, name] = state.open,
    row = rowOf(label),
    track = trackOf(kind === "track" ? label : name);
  const content =
    kind === "row" && row
      ? rowCard(row)
      : kind === "track" && track
        ? trackCard(track)
        : kind === "cell" && row && track && cellOf(row, track)
          ? cellDialog(row, track)
          : kind === "cite"
            ? citeCard()
            : null;
  if (!content) return $("detail").close();
  $("detail-title").replaceChildren(content.title);
  $("detail-body").replaceChildren(...content.blocks.filter(Boolean));
  if (!$("detail").open) $("detail").showModal();
  $("detail").scrollTop = 0;
}

function startDialog() {
  $("detail").addEventListener("click", (event) => {
    if (event.target === $("detail")) $("detail").close();
  });
  $("detail").addEventListener("close", () => {
    hideTip();
    if (state.open.length) go({ open: [] });
  });
}

/** A row's short name, which opens its card. */
const nameLink = (row) => button({ class: "link" }, () => go({ open: ["row", row.label] }), el("bdi", {}, row.short));

/** The card of a component; a card that several boards share is stored with the first of them. */
const cardOf = (key) => [state.board, ...boards].map((board) => board.cards[key]).find(Boolean) || {};

/** Citation and links of a component. */
function sources(card) {
  const links = [outside(card.paper, "Paper"), outside(card.code, "Code")].filter(Boolean);
  return card.citation || links.length ? el("p", { class: "links" }, el("cite", {}, card.citation || ""), ...links) : null;
}

function rowCard(row) {
  const record = unpacked(row.record),
    card = cardOf(row.card),
    standings = state.board.standings,
    at = standings ? standings.rows.indexOf(state.board.rows.indexOf(row)) : -1;
  const standing = placeOf(row),
    tags = [row.free, ...row.tags.filter((tag) => tag !== row.free), row.pool, row.queries];
  const components = Object.entries(record.spec.components).flatMap(([option, part]) =>
    component(option + ": " + part.name, part, cardOf(part.kind + " " + part.name)),
  );
  return {
    title: el("bdi", {}, row.label),
    blocks: [
      el("p", {}, card.summary),
      sources(card),
      el("p", { class: "terms-line" }, term(row.class), ...[...new Set(tags)].flatMap((tag) => [" · ", term(tag)])),
      list([
        ["place", standing === null ? "" : standing + " of the rows shown: " + classesShown().join("; ")],
        ["provided by", row.provider],
      ]),
      el("h3", {}, "On each track"),
      trackList(row),
      at < 0 ? null : winsOf(at),
      el("h3", {}, "Rank, cost and origin"),
      list(row.facts),
      el("h3", {}, "Options"),
      ...component(record.spec.method.name, record.spec.method, card),
      ...components,
      ...(row.bibtex ? [el("h3", {}, "BibTeX"), copyable(row.bibtex, "BibTeX")] : []),
    ],
  };
}

/** The row's number on each track, each a way to what is behind it. */
function trackList(row) {
  const items = state.board.tracks.map((track) => {
    const c = cellOf(row, track);
    const number = c
      ? button(
          { class: "value link" },
          () => go({ open: ["cell", row.label, track.name] }),
          c.mean === null ? c.mark : points(c.mean) + " %",
        )
      : "not run";
    return el(
      "li",
      {},
      el("span", {}, ...breakable(track.name)),
      number,
      el("span", { class: "rank" }, c && c.rank ? "(" + c.rank + ")" : ""),
      c && c.mean !== null ? interval(c, scaleOf(track)) : el("span"),
    );
  });
  return el("ul", { class: "tracks" }, ...items);
}

/** The options of a component as the row has them, those that differ from the defaults first. */
function component(title, part, card) {
  const changed = new Set(part.changed),
    chosen = (value) => value && typeof value === "object" && "name" in value && "options" in value;
  const lines = Object.entries(part.options)
    .filter(([, value]) => !chosen(value))
    .sort(([x], [y]) => changed.has(y) - changed.has(x));
  const shown = lines.map(([name, value]) =>
    el(
      "tr",
      { class: changed.has(name) ? "changed" : null },
      el("th", { scope: "row" }, name),
      el("td", {}, typeof value === "string" ? value || "''" : JSON.stringify(value)),
      el("td", {}, (card.helps || {})[name] || ""),
    ),
  );
  return [
    el(
      "details",
      { class: "component" },
      el(
        "summary",
        {},
        title +
          (lines.length
            ? ", " + plural(lines.length, "option") + (changed.size ? ", " + changed.size + " set" : "")
            : ", no options"),
      ),
      title.includes(": ") ? el("p", {}, card.summary) : null,
      title.includes(": ") ? sources(card) : null,
      lines.length
        ? scrolling(
            "Options of " + title,
            el("table", { class: "options" }, headLine(["Option", "Value", "Meaning"]), el("tbody", {}, ...shown)),
          )
        : null,
    ),
  ];
}

function trackCard(track) {
  const data = cardOf(track.dataset),
    rows = state.board.rows
      .filter((row) => scored(row, track) && cellOf(row, track).rank)
      .sort((a, b) => cellOf(a, track).rank - cellOf(b, track).rank || cellOf(b, track).mean - cellOf(a, track).mean);
  return {
    title: el("bdi", {}, track.name),
    blocks: [
      el("p", {}, track.question),
      el("p", {}, data.summary),
      sources(data),
      list([...track.facts, ["images", data.domain], ["licence", data.license]]),
      el("h3", {}, "An episode"),
      data.example
        ? pictures(data.example)
        : el("p", {}, "Its pictures are not shown here: their licence or their files do not allow it."),
      el("h3", {}, "Best rows on this track"),
      el(
        "ol",
        { class: "tracks" },
        ...rows.slice(0, 8).map((row) =>
          el(
            "li",
            {},
            nameLink(row),
            button(
              { class: "value link" },
              () => go({ open: ["cell", row.label, track.name] }),
              points(cellOf(row, track).mean) + " %",
            ),
            el("span", { class: "rank" }, "(" + cellOf(row, track).rank + ")"),
            interval(cellOf(row, track), scaleOf(track)),
          ),
        ),
      ),
      el(
        "p",
        {},
        button({ class: "plain" }, () => go({ open: [], sort: "-" + track.name }), "Sort the table by this track"),
      ),
    ],
  };
}

/** One episode: a class per column, the labelled picture on top and queries below. */
function pictures(example) {
  return el(
    "figure",
    { class: "example" },
    el("div", { class: "columns" }, ...example.classes.map((name) => el("span", {}, name))),
    el("img", {
      src: example.picture,
      alt:
        "Columns: " +
        example.classes.join(", ") +
        ". First row: the labelled support picture of each class; other rows: queries.",
    }),
    el("figcaption", {}, "First row: a labelled picture of each class. Below: queries, whose class is to be found."),
  );
}

function citeCard() {
  return {
    title: "Cite",
    blocks: [
      el("p", {}, "FreeShot:"),
      copyable(state.board.cite, "BibTeX of FreeShot"),
      el("p", {}, "Methods of the shown rows:"),
      copyable(bibtexOf(shownTable().rows), "BibTeX of the rows"),
    ],
  };
}
