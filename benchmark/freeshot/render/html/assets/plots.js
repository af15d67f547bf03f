// What the pictures share: their width, axes with ticks, and marks that act like buttons.
const widthOf = (id, most) => Math.max(300, Math.min(most, $(id).clientWidth || 800));

/** Act on a click, on Enter and on Space. */
function pressed(mark, action) {
  mark.onclick = action;
  mark.onkeydown = (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      action();
    }
  };
}

/** A picture with a horizontal grid line and a percentage for each tick. */
function axes(w, h, left, right, Y, ticks, label) {
  const picture = draw("svg", { width: w, height: h, viewBox: `0 0 ${w} ${h}`, role: "group", "aria-label": label });
  for (const v of ticks)
    picture.append(
      draw("line", { class: "axis", x1: left, x2: w - right, y1: Y(v), y2: Y(v) }),
      draw("text", { class: "soft", x: left - 6, y: Y(v) + 4, "text-anchor": "end" }, Number((100 * v).toFixed(1)) + " %"),
    );
  return picture;
}

/** Round values between two shares, about five of them. */
function ticks(from, to) {
  const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((s) => (to - from) / s <= 6) || 0.5;
  const first = Math.ceil(from / step - 1e-9),
    count = Math.floor(to / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => (first + i) * step);
}
