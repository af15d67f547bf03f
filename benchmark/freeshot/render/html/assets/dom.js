// Elements from texts: nothing here, or anywhere in this script, takes a text for markup.
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
const spaced = (number) => (number < 10 ? number.toFixed(1) : number.toFixed(0));
const plural = (count, thing) => count + " " + thing + (count === 1 ? "" : "s");

/** Write seconds as a person says them. */
function duration(seconds) {
  if (seconds < 120) return spaced(seconds) + " s";
  return seconds < 7200 ? spaced(seconds / 60) + " min" : spaced(seconds / 3600) + " h";
}

/** What stands in brackets behind a method. */
function settingsOf(row) {
  const head = row.method + " [";
  return row.short.startsWith(head) && row.short.endsWith("]") ? row.short.slice(head.length, -1).replaceAll(", ", " · ") : "";
}

/** A row's method, and its settings after it; `bdi` keeps other writing directions to themselves. */
function named(row) {
  const settings = settingsOf(row);
  return el("bdi", {}, el("b", {}, settings ? row.method : row.short), settings ? el("span", { class: "settings" }, " ", ...breakable(settings, /(?<=[.=_,])/)) : null);
}

const pen = document.createElement("canvas").getContext("2d");
pen.font = "12px system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const textWidth = (text) => pen.measureText(text).width;
const shortened = (text, most) => (text.length <= most ? text : text.slice(0, most - 1) + "…");

/** A text that may break where it is cut, such as a track's name after its slashes. */
const breakable = (text, cut = /(?<=\/)/) => text.split(cut).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));

/** Place a bar's parts in percent of its width. */
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
