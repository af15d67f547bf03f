// Repairs of what Material for MkDocs and its highlighter generate.
document$.subscribe(() => {
  // An output line that begins with "#", as the head of a leaderboard does, is taken for a command of root.
  for (const prompt of document.querySelectorAll(".highlight .gp")) {
    const line = prompt.closest("span[id]");
    if (line && prompt.textContent.startsWith("#")) {
      line.textContent = line.textContent;
      line.className = "go";
    }
  }
  // Landmarks of one kind need names of their own.
  document.querySelectorAll(".md-code__nav").forEach((nav, index) => nav.setAttribute("aria-label", `Code ${index + 1}`));
  // A table that scrolls must be reachable by keyboard; its frame is made after this runs.
  requestAnimationFrame(() => {
    for (const frame of document.querySelectorAll(".md-typeset__scrollwrap")) {
      if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
    }
  });
});
