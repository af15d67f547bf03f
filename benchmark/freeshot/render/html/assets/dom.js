// Elements from texts: this script never parses a text as markup.
const boards = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

function dress(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
const el = (name, attributes = {}, ...children) => dress(document.createElement(name), attributes, children);
const draw = (name, attributes = {}, ...children) =>
  dress(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

const points = (share, digits = 2) => (100 * share).toFixed(digits);
const signed = (share) => (share > 0 ? "+" : share < 0 ? "−" : "") + points(Math.abs(share));
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const plural = (count, thing) => count + " " + thing + (count === 1 ? "" : "s");

/** A row's name, and its settings after it; `bdi` isolates other writing directions. */
const named = (row) => el("bdi", {}, el("b", {}, row.name), row.settings ? el("span", { class: "settings" }, " ", ...breakable(row.settings, /(?<=[.=_,])/)) : null);

const pen = document.createElement("canvas").getContext("2d");
pen.font = "12px system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const textWidth = (text) => pen.measureText(text).width;
const shortened = (text, most) => (text.length <= most ? text : text.slice(0, most - 1) + "…");

/** A text that may break where it is cut, such as a track's name after its slashes. */
const breakable = (text, cut = /(?<=\/)/) => text.split(cut).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));

/** Position an element of a bar in percent of its width. */
function place(element, left, width) {
  element.style.left = left + "%";
  if (width !== undefined) element.style.width = width + "%";
  return element;
}

/** Fill a select with [value, text] pairs. */
function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => el("option", { value, title: text }, shortened(text, 90))));
  if (chosen !== undefined) select.value = chosen;
}

/** A table of texts: heads, and lines whose first cell is a head. */
function textTable(heads, lines) {
  return el("table", {}, headLine(heads), el("tbody", {}, ...lines.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, first)), ...rest.map((text) => el("td", {}, el("bdi", {}, text)))))));
}
const headLine = (heads) => el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text))));

/** A picture with a horizontal grid line and a percentage for each tick. */
function axes(w, h, left, right, Y, ticks, label) {
  const picture = draw("svg", { width: w, height: h, viewBox: `0 0 ${w} ${h}`, role: "group", "aria-label": label });
  for (const v of ticks) picture.append(draw("line", { class: "axis", x1: left, x2: w - right, y1: Y(v), y2: Y(v) }), draw("text", { class: "soft", x: left - 6, y: Y(v) + 4, "text-anchor": "end" }, Number((100 * v).toFixed(1)) + " %"));
  return picture;
}
