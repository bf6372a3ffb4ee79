// What all jobs together may have: four sliders that take effect while the provider runs.

import { freshId, make, put, say, show } from "./elements.js";
import { bytes, counted } from "./words.js";

const MIB = 1024 * 1024;
const LIMITS = [
  { name: "slots", caption: "Jobs at once", unit: 1, told: (value) => counted(value, "job") },
  { name: "cpus", caption: "CPU", unit: 1, told: (value) => counted(value, "core") },
  { name: "memory_bytes", caption: "Memory", unit: 64 * MIB, told: bytes },
  { name: "gpus", caption: "GPU", unit: 1, told: (value) => counted(value, "GPU") },
];
// Sliders tell of every step on the way; one word is enough when the hand has come to rest.
const REST_MS = 350;

export function limits(store) {
  const note = make("p", { class: "n3-note", role: "status", "aria-live": "polite" });
  const sliders = LIMITS.map((limit, at) => slider(store, limit, at, note));
  const node = make(
    "fieldset",
    { class: "n3-limits" },
    make("legend", {}, "Limits of all jobs together"),
    ...sliders.map((each) => each.node),
    note,
  );
  return { node, update: () => sliders.forEach((each) => each.update()) };
}

function slider(store, limit, at, note) {
  const id = freshId(limit.name);
  const input = make("input", { type: "range", id, oninput: moved });
  // The slider itself tells its value; a second voice would repeat every step.
  const value = make("span", { class: "n3-value", "aria-hidden": "true" });
  const label = make("label", { for: id }, limit.caption);
  const node = make("div", { class: "n3-limit" }, label, value, input);
  let timer = null;
  let waiting = 0;

  function moved() {
    tell(Number(input.value) * limit.unit);
    clearTimeout(timer);
    timer = setTimeout(send, REST_MS);
  }

  function tell(count) {
    say(value, limit.told(count));
    put(input, "aria-valuetext", limit.told(count));
  }

  function send() {
    timer = null;
    const least = store.whole.least[at];
    const most = store.whole.most[at];
    const count = Math.min(Math.max(Number(input.value) * limit.unit, least), most);
    const told = `${limit.caption}: ${limit.told(count)}`;
    waiting += 1;
    store.ask({ kind: "quota", limits: { [limit.name]: count } }, (answer) => {
      if (answer === "requested") return say(note, `${told} requested…`);
      if (answer === "queued") return say(note, `${told}: kernel busy, queued.`);
      waiting -= 1;
      return say(note, answer === "done" ? `${told} from now on.` : answer);
    });
  }

  function update() {
    if (!store.whole || !store.tick) return;
    const most = store.whole.most[at];
    const over = ["stopping", "stopped"].includes(store.tick.state);
    show(node, most > 0);
    put(input, "min", Math.ceil(store.whole.least[at] / limit.unit));
    put(input, "max", Math.ceil(most / limit.unit));
    input.disabled = over;
    if (timer !== null || waiting > 0) return;
    const count = store.tick.quota[at];
    const place = String(Math.round(count / limit.unit));
    if (input.value !== place) input.value = place;
    tell(count);
  }

  return { node, update };
}
