// Elements from texts: this script never parses a text as markup.
const boards = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

/** Characters that are not shown, or that change how others are: records may hold any. */
const UNSEEN = /[^\n\P{C}]|[\p{Zl}\p{Zp}]/gu;
const printable = (value) => (typeof value === "string" ? value.replace(UNSEEN, " ") : value);
const units = (text) =>
  Array.from({ length: text.length }, (_, i) => "\\u" + text.charCodeAt(i).toString(16).padStart(4, "0")).join("");

/** JSON whose unseen characters are escapes. */
const jsonOf = (value, indent) => JSON.stringify(value, null, indent).replace(UNSEEN, units) + "\n";

function dress(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false)
      element.setAttribute(key, value === true ? "" : printable(value));
  }
  element.append(
    ...children
      .flat()
      .filter((child) => child !== null && child !== undefined && child !== "")
      .map(printable),
  );
  return element;
}
const el = (name, attributes = {}, ...children) => dress(document.createElement(name), attributes, children);
const draw = (name, attributes = {}, ...children) =>
  dress(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

/** A button that does something. */
function button(attributes, action, ...children) {
  const made = el("button", { type: "button", ...attributes }, ...children);
  made.addEventListener("click", action);
  return made;
}

/** A link to another site, only for the addresses that Python let through. */
const outside = (address, text) =>
  address ? el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, text) : null;

const points = (share, digits = 2) => (100 * share).toFixed(digits);
const signed = (share) => (Number(points(share)) === 0 ? "" : share > 0 ? "+" : "−") + points(Math.abs(share));
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const plural = (count, thing) => count + " " + thing + (count === 1 ? "" : "s");
const narrow = matchMedia("(max-width: 40rem)");

/** A row's name, and its settings after it; `bdi` isolates other writing directions. */
const named = (row) =>
  el(
    "bdi",
    {},
    el("b", {}, row.name),
    row.settings ? el("span", { class: "settings" }, " ", ...breakable(row.settings, /(?<=[=_,]|[a-z]\.)/)) : null,
  );

const pen = document.createElement("canvas").getContext("2d");
pen.font = "12px system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const textWidth = (text) => pen.measureText(text).width;
const shortened = (text, most) => (text.length <= most ? text : text.slice(0, most - 1) + "…");

/** A text that may break where it is cut, such as a track's name after its slashes. */
const breakable = (text, cut = /(?<=\/)/) => text.split(cut).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));

/** Position an element of a bar in percent of its width. */
function positioned(element, left, width) {
  element.style.left = left + "%";
  if (width !== undefined) element.style.width = width + "%";
  return element;
}

/** Fill a select with [value, text] pairs. */
function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => el("option", { value, title: text }, shortened(text, 90))));
  select.value = chosen;
}

/** A table of texts: heads, and lines whose first cell is a head. */
function textTable(heads, lines) {
  return el(
    "table",
    {},
    headLine(heads),
    el(
      "tbody",
      {},
      ...lines.map(([first, ...rest]) =>
        el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, first)), ...rest.map((text) => el("td", {}, el("bdi", {}, text)))),
      ),
    ),
  );
}
const headLine = (heads) => el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text))));

/** A region that scrolls sideways and can be reached by keyboard. */
const scrolling = (label, ...children) =>
  el("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 }, ...children);

/** A text to copy, such as a command or a BibTeX entry. */
function copyable(text, label) {
  const shown = el("pre", { tabindex: 0, role: "region", "aria-label": label }, text);
  const copy = button(
    { class: "plain", "aria-label": "Copy " + label },
    async () => {
      getSelection().selectAllChildren(shown);
      await navigator.clipboard?.writeText(text).catch(() => {}); // without the permission the text stays selected
      copy.textContent = "Copied";
    },
    "Copy",
  );
  return el("div", { class: "copyable" }, shown, copy);
}

/** Save a text as a file. */
function save(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
const fileName = (...parts) =>
  parts
    .join("-")
    .replace(/[^A-Za-z0-9@.]+/g, "-")
    .slice(0, 120);
