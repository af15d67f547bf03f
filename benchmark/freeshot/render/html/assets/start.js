// From here on the page draws itself, and again when something is chosen.
function refresh() {
  fillTable();
  plotCost();
  fillPair();
  plotHardness();
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
  offerHardness();
  fillStandings();
  fillPublished();
  fillSheets();
  refresh();
}

/** A suite's name, with the version where several stand side by side. */
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
  $("hardness-track").onchange = plotHardness;
  narrow.onchange = () => { $("filter-box").open = !narrow.matches; };
  narrow.onchange();
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; plotCost(); plotStandings(); plotHardness(); } });
  addEventListener("hashchange", () => { const board = boardAt(location.hash); if (board) showBoard(board); });
  showBoard(boardAt(location.hash) || boards[0]);
}
start();
