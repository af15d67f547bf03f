// Draw the page, and after each change of the state the parts that depend on it.
const TABLE = ["board", "class", "off", "q", "only", "pick"];
const PARTS = [
  [["board"], showBoard],
  [["board", "class", "off", "q", "cols", "view"], fillFilters],
  [["board", "pick", "only"], fillPicked],
  [[...TABLE, "sort", "cols", "view"], fillTable],
  [[...TABLE, "x", "y", "device"], plotCost],
  [["board", "off", "a", "b", "on"], fillPair],
  [TABLE, fillStandings],
  [[...TABLE, "hard"], plotDifficulty],
  [["board", "open"], showOpen],
  [["board", "at"], showSection],
];

/** Draw what depends on a difference to the state before; everything the first time. */
function redraw(before) {
  hideTip();
  for (const [keys, part] of PARTS) if (!before || keys.some((key) => before[key] !== state[key])) part();
  for (const link of $("contents").children) link.href = addressOf({ ...state, at: link.dataset.section, open: [] });
}

function showBoard() {
  const { board } = state;
  $("title").textContent = board.title;
  $("question").textContent = board.question;
  $("answer").replaceChildren(...board.answer.map((part) => (typeof part === "string" ? part : nameLink(board.rows[part]))));
  $("answer").hidden = !board.answer.length;
  $("reading").replaceChildren(...board.reading.map((text) => el("p", {}, text)));
  for (const link of $("boards").children) link.toggleAttribute("aria-current", link.getAttribute("href") === address(board));
  $("problems").replaceChildren(...board.problems.map((text) => el("li", {}, text)));
  $("problems").hidden = !board.problems.length;
  $("explanation").replaceChildren(...board.explanation.map((text) => el("p", {}, text)));
  fillPublished();
  fillSheets();
  setTimeout(fillContents);
}

/** A contents list of the sections that this board has. */
function fillContents() {
  const sections = [...document.querySelectorAll("main > section")].filter((section) => !section.hidden);
  $("contents").hidden = false;
  $("contents").replaceChildren(
    ...sections.map((section) =>
      el("a", { href: addressOf({ ...state, at: section.id, open: [] }), "data-section": section.id }, section.dataset.name),
    ),
  );
}

function showSection() {
  const section = state.at && document.getElementById(state.at);
  if (section && section.matches("main > section")) setTimeout(() => section.scrollIntoView());
}

/** A suite's name, with the version if the suite has several. */
function tab(board) {
  const several = boards.filter((other) => other.suite === board.suite).length > 1;
  return (board.suite || "no suite") + (several ? ", version " + board.version : "");
}

/** Redraw what depends on the width. */
function startWidths() {
  const open = () => {
    $("filter-box").open = !narrow.matches;
  };
  open();
  narrow.addEventListener("change", () => {
    open();
    fillFilters();
    fillTable();
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    for (const part of [plotCost, fillPair, fillStandings, plotDifficulty]) part();
  });
}

function start() {
  if (!boards.length) {
    $("empty").hidden = false;
    return;
  }
  $("main").hidden = false;
  $("boards").append(...boards.map((board) => el("a", { href: address(board), title: board.title }, tab(board))));
  $("boards").hidden = boards.length < 2;
  $("skip").addEventListener("click", (event) => {
    event.preventDefault();
    $("table-region").focus();
  });
  for (const [id, key] of Object.entries({
    "cost-track": "y",
    "cost-axis": "x",
    "cost-device": "device",
    "pair-first": "a",
    "pair-second": "b",
    "scatter-track": "on",
    "difficulty-track": "hard",
  })) {
    $(id).addEventListener("change", () => go({ [key]: $(id).value }));
  }
  $("pair-swap").addEventListener("click", () => go({ a: $("pair-second").value, b: $("pair-first").value }));
  startFilters();
  startDownloads();
  startDialog();
  startWidths();
  state = stateOf(location.hash) || state;
  redraw(null);
}
start();
