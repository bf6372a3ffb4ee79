// The head of the page: what the provider does and why, and the four buttons.

import { freshId, make, put, say, show } from "./elements.js";
import { icon, turn } from "./icons.js";
import { counted, providerState } from "./words.js";

const BUTTONS = [
  ["start", "play", "Start", "Take jobs", ["paused", "draining", "stopped"]],
  ["pause", "pause", "Pause", "Take no more jobs; those that run go on", ["running", "draining"]],
  ["drain", "hourglass", "Drain", "Finish the jobs that run, then stop", ["running", "paused"]],
  ["stop", "square", "Stop", "Stop now; jobs that run are given back",
    ["starting", "running", "paused", "draining"]],
];
const QUEUED = "Kernel busy, queued";

export function controls(store) {
  const mark = icon("ring");
  const word = make("span", { class: "n3-word" });
  const why = make("p", { class: "n3-why" });
  const note = make("p", { class: "n3-note", role: "status", "aria-live": "polite" });
  const buttons = new Map(BUTTONS.map((each) => [each[0], button(each)]));
  const asking = question(() => act("stop"), () => buttons.get("stop").focus());
  const bar = make(
    "div",
    { class: "n3-buttons", role: "group", "aria-label": "Provider controls" },
    ...buttons.values(),
  );
  const state = make("h3", { class: "n3-state" }, mark, word);
  const told = make("div", { class: "n3-told" }, state, why);
  const head = make("div", { class: "n3-head" }, told, bar);

  function button([name, shape, caption, title]) {
    return make(
      "button",
      { type: "button", class: "n3-button", title, "data-act": name, onclick: () => clicked(name) },
      icon(shape),
      make("span", {}, caption),
    );
  }

  function clicked(name) {
    const running = store.tick?.counts[0] ?? 0;
    if (name === "stop" && running > 0) asking.ask(running);
    else act(name);
  }

  function act(name) {
    const pressed = buttons.get(name);
    const caption = BUTTONS.find((each) => each[0] === name)[2];
    store.ask({ kind: "act", word: name }, (answer) => {
      const waits = answer === "requested" || answer === "queued";
      put(pressed, "aria-busy", waits);
      if (answer === "requested") say(note, `${caption} requested…`);
      else if (answer === "queued") say(note, `${caption}: ${QUEUED.toLowerCase()}.`);
      else say(note, answer === "done" ? "" : answer);
    });
  }

  function update() {
    const now = store.tick;
    if (!now) return;
    const [shape, text] = providerState(now.state);
    turn(mark, shape);
    say(word, text);
    put(head, "data-state", now.state);
    say(why, now.why);
    for (const [name, , , , states] of BUTTONS) {
      const usable = states.includes(now.state);
      put(buttons.get(name), "aria-disabled", !usable);
      buttons.get(name).disabled = !usable;
    }
    asking.update(now.counts[0]);
  }

  return { nodes: [head, asking.node, note], update };
}

function question(yes, back) {
  const told = freshId("question");
  const text = make("p", { id: told });
  const agree = make("button", { type: "button", class: "n3-button n3-grave", onclick: agreed });
  const keep = make(
    "button",
    { type: "button", class: "n3-button", onclick: close },
    "Keep running",
  );
  const node = make(
    "div",
    {
      class: "n3-question",
      role: "alertdialog",
      "aria-label": "Stop the provider",
      "aria-describedby": told,
      hidden: true,
    },
    text,
    make("div", { class: "n3-buttons" }, agree, keep),
  );
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });

  function close() {
    show(node, false);
    back();
  }

  function agreed() {
    show(node, false);
    yes();
  }

  function update(running) {
    const jobs = counted(running, "job runs", "jobs run");
    say(text, `${jobs} here. Stop now, and give what runs back to the marketplace?`);
    say(agree, `Stop ${counted(running, "job")}`);
  }

  return {
    node,
    update,
    ask(running) {
      update(running);
      show(node, true);
      keep.focus();
    },
  };
}
