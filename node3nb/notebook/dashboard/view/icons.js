// Drawn here: not every machine has a font with signs for pause and hourglass.

import { draw, put } from "./elements.js";

const RING = "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11zm0 1.6a3.9 3.9 0 1 1 0 7.8a3.9 3.9 0 0 1 0-7.8z";
const SHAPES = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 3h3v10h-3z M9 3h3v10h-3z",
  hourglass: "M4 2h8v2l-3 4l3 4v2h-8v-2l3-4l-3-4z",
  square: "M3.5 3.5h9v9h-9z",
  ring: RING,
  check: "M2.8 8.4l1.2-1.2l2.7 2.7l5.2-5.8l1.3 1.1l-6.4 7.2z",
  cross: "M4.2 3.1l3.8 3.8l3.8-3.8l1.1 1.1l-3.8 3.8l3.8 3.8l-1.1 1.1l-3.8-3.8l-3.8 3.8l-1.1-1.1l3.8-3.8l-3.8-3.8z",
  barred: `${RING} M4.6 5.7l1.1-1.1l5.7 5.7l-1.1 1.1z`,
  down: "M7.2 2.5h1.6v7l2.6-2.6l1.1 1.1l-4.5 4.5l-4.5-4.5l1.1-1.1l2.6 2.6z",
  up: "M7.2 13.5h1.6v-7l2.6 2.6l1.1-1.1l-4.5-4.5l-4.5 4.5l1.1 1.1l2.6-2.6z",
};

export function icon(name) {
  const path = draw("path", { fill: "currentColor", d: SHAPES[name] ?? "" });
  return draw("svg", { class: "n3-icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, path);
}

export function turn(shown, name) {
  put(shown.firstChild, "d", SHAPES[name] ?? SHAPES.ring);
}
