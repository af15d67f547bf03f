// Draw the page, and draw it again after each choice of the reader.
function refresh() {
  fillTable();
  plotCost();
  fillPair();
  plotDifficulty();
}

function showBoard(board) {
  Object.assign(state, { board, sort: "rank", down: false });
  $("title").textContent = board.title;
  for (const link of $("boards").children) link.toggleAttribute("aria-current", link.hash === address(board));
  $("problems").replaceChildren(...board.problems.map((text) => el("li", {}, text)));
  $("problems").hidden = !board.problems.length;
  $("reading").replaceChildren(...board.reading.map((text) => el("p", {}, text)));
  offerFilters();
  offerCost();
  offerPair();
  offerDifficulty();
  fillStandings();
  fillPublished();
  fillSheets();
  refresh();
}

/** A suite's name, with the version if the suite has several. */
function tab(board) {
  const several = boards.filter((other) => other.suite === board.suite).length > 1;
  return (board.suite || "no suite") + (several ? ", version " + board.version : "");
}

const narrow = matchMedia("(max-width: 40rem)");

function start() {
  if (!boards.length) { $("empty").hidden = false; return; }
  $("main").hidden = false;
  $("boards").append(...boards.map((board) => el("a", { href: address(board), title: board.title }, tab(board))));
  $("boards").hidden = boards.length < 2;
  $("filters").addEventListener("input", refresh);
  $("filters").addEventListener("reset", () => setTimeout(() => { offerFilters(); refresh(); }));
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("cost-track").onchange = $("cost-axis").onchange = plotCost;
  $("pair-first").onchange = $("pair-second").onchange = fillPair;
  $("pair-swap").onclick = () => { [$("pair-first").value, $("pair-second").value] = [$("pair-second").value, $("pair-first").value]; fillPair(); };
  $("difficulty-track").onchange = plotDifficulty;
  narrow.onchange = () => { $("filter-box").open = !narrow.matches; };
  narrow.onchange();
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; plotCost(); plotStandings(); plotDifficulty(); } });
  addEventListener("hashchange", () => { const board = boardAt(location.hash); if (board) showBoard(board); });
  showBoard(boardAt(location.hash) || boards[0]);
}
start();
