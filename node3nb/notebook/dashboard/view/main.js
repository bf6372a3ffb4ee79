// The page: put together for every view, told by one store for all of them.

import { make, put, say, show } from "./elements.js";
import { counted, money } from "./words.js";
import { Store } from "./store.js";
import { controls } from "./controls.js";
import { meters } from "./meters.js";
import { limits } from "./limits.js";
import { jobList } from "./job_list.js";

const SILENT =
  "No word from the kernel for a while. It may be busy in a cell that lets nothing else run; " +
  "if it was restarted, run this cell again.";
const LEVELS = {
  container: "each job in a container",
  namespaces: "own files, processes and network for each job",
  landlock: "files and signals fenced off by the kernel",
  limits: "limits only, for people you trust",
};

function earnings(store) {
  const tiles = ["Earned today", "Earned in all", "Jobs now"].map((name) => {
    const value = make("dd", { class: "n3-figure" });
    const note = make("dd", { class: "n3-faint" });
    return { value, note, node: make("div", {}, make("dt", {}, name), value, note) };
  });
  const node = make("dl", { class: "n3-tiles" }, ...tiles.map((each) => each.node));

  function told([completed, failed]) {
    const good = `${completed} completed`;
    return failed ? `${good}, ${failed} failed` : good;
  }

  function update() {
    const now = store.tick;
    if (!now) return;
    const waiting = now.counts[3];
    const texts = [
      [money(now.today[2]), told(now.today)],
      [money(now.ever[2]), told(now.ever)],
      [
        `${now.counts[0]} of ${now.quota[0]}`,
        waiting ? `${counted(waiting, "result")} to be sent` : "running",
      ],
    ];
    tiles.forEach((tile, at) => {
      say(tile.value, texts[at][0]);
      say(tile.note, texts[at][1]);
    });
  }

  return { node, update };
}

function isolation(store) {
  const level = make("strong", {});
  const told = make("span", {});
  const summary = make("summary", {});
  const list = make("ul", {});
  const details = make("details", {}, summary, list);
  const none = make("p", { class: "n3-faint" }, "None of the attacks that are tried gets through.");
  const unmeasured = make(
    "p",
    { class: "n3-faint" },
    "What a container does not stop is not measured; its engine keeps it.",
  );
  const market = make("bdi", {});
  const where = make("p", { class: "n3-faint" }, "Jobs from ", market);
  const node = make(
    "section",
    { class: "n3-part", "aria-label": "Isolation" },
    make("h4", {}, "Isolation"),
    make("p", {}, level, told),
    none,
    details,
    unmeasured,
    where,
  );

  function update() {
    const now = store.whole;
    if (!now) return;
    say(level, now.level ?? "not known yet");
    say(told, now.level ? ` – ${LEVELS[now.level] ?? ""}, by ${now.executors.join(", ")}` : "");
    say(summary, `${counted(now.open.length, "thing")} this level does not stop`);
    show(details, now.open.length > 0);
    show(unmeasured, now.executors.includes("container"));
    // What a container stops is its engine's doing; none of our attacks is tried on it here.
    show(none, Boolean(now.level) && now.level !== "container" && now.open.length === 0);
    if (list.children.length !== now.open.length)
      list.replaceChildren(...now.open.map((each) => make("li", {}, `A job may ${each}.`)));
    say(market, now.market);
  }

  return { node, update };
}

function page(store, el) {
  const silent = make("p", { class: "n3-silent", role: "alert", hidden: true }, SILENT);
  const waiting = make("p", { class: "n3-faint" }, "Waiting for the kernel…");
  const head = controls(store);
  const parts = [earnings(store), limits(store), meters(store), isolation(store), jobList(store)];
  const [tiles, sliders, lines, level, jobs] = parts.map((each) => each.node);
  const body = make(
    "div",
    { class: "n3-body", hidden: true },
    ...head.nodes,
    tiles,
    make("div", { class: "n3-pair" }, sliders, level),
    lines,
    jobs,
  );
  const root = make(
    "section",
    { class: "n3-page n3-live", "aria-label": "node3 provider" },
    silent,
    waiting,
    body,
  );
  el.append(root);

  function update() {
    show(silent, store.silent);
    put(root, "data-silent", store.silent);
    show(waiting, store.tick === null && !store.silent);
    show(body, store.tick !== null);
    // Without word from a kernel the static twin below tells more than this page.
    root.classList.toggle("n3-live", store.tick !== null || !store.silent);
    [head, ...parts].forEach((each) => each.update());
  }

  update();
  return update;
}

const stores = new WeakMap();

function storeOf(model) {
  if (!stores.has(model)) stores.set(model, new Store(model));
  return stores.get(model);
}

export default {
  initialize({ model }) {
    const store = storeOf(model);
    return () => {
      store.close();
      stores.delete(model);
    };
  },
  render({ model, el }) {
    const store = storeOf(model);
    const update = page(store, el);
    return store.listen(update);
  },
};
