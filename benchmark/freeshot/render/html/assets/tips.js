// One tooltip for all terms: it appears under the pointer and on focus, and Escape hides it.
const TERMS = new Map(
  [...document.querySelectorAll("#terms dt")].map((dt) => [dt.textContent, dt.nextElementSibling.textContent]),
);
const tip = $("tip");

/** A term with its explanation, or the plain text if it needs none. */
const term = (text) =>
  TERMS.has(text) ? button({ class: "term", "data-term": text }, (event) => showTip(event.currentTarget), text) : text;

function showTip(element) {
  hideTip();
  const text = TERMS.get(element.dataset.term);
  if (!text) return;
  tip.textContent = text;
  tip.hidden = false;
  tip.showPopover?.(); // above dialogs, where the browser can
  const box = element.getBoundingClientRect(),
    high = tip.offsetHeight;
  tip.style.left = Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = (box.bottom + high + 8 < innerHeight ? box.bottom + 4 : Math.max(4, box.top - high - 4)) + "px";
  (element.querySelector("input") || element).setAttribute("aria-describedby", "tip");
}

function hideTip() {
  if (tip.hidden) return;
  tip.hidePopover?.();
  tip.hidden = true;
  document.querySelectorAll("[aria-describedby=tip]").forEach((element) => element.removeAttribute("aria-describedby"));
}

for (const event of ["pointerover", "focusin"]) {
  document.addEventListener(event, ({ target }) => {
    const element = target.closest?.("[data-term]");
    if (element) showTip(element);
    else if (!target.closest?.("#tip")) hideTip();
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || tip.hidden) return;
  hideTip();
  event.preventDefault(); // a dialog below it stays open
});
addEventListener("scroll", hideTip, { capture: true, passive: true });
