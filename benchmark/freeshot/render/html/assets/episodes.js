"use strict";
// Arrow keys follow the links to the previous and the next episode.
const steps = { ArrowLeft: "prev", ArrowRight: "next" };
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest("select")) return;
  const episode = document.querySelector("article:target") ?? document.querySelector("article");
  const link = steps[event.key] && episode?.querySelector(`a[rel=${steps[event.key]}]`);
  if (!link) return;
  event.preventDefault();
  link.click();
});
const current = document.querySelector(".strip [aria-current]");
if (current) {
  const strip = document.querySelector(".strip");
  strip.scrollLeft = current.offsetLeft - strip.clientWidth / 2;
}
