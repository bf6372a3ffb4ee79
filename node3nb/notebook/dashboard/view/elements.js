// Elements of the page.  Text is only ever set as text: nothing a stranger wrote becomes markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// Lab takes arrows, Enter and letters for commands to its cells, unless what has the focus says no.
const FOCUSED = new Set(["button", "input", "summary", "pre"]);

export function make(tag, attributes = {}, ...children) {
  const own = FOCUSED.has(tag) ? { "data-lm-suppress-shortcuts": "true" } : {};
  return filled(document.createElement(tag), { ...own, ...attributes }, children);
}

export function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

// Nothing that is as it was is touched: no repaint, no lost selection, no repeated announcement.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function put(node, name, value) {
  const text = String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

let lastId = 0;

export function freshId(name) {
  lastId += 1;
  return `node3-${name}-${lastId}-${Math.random().toString(36).slice(2, 7)}`;
}
