// One job: its row in the table, and below it, when it is opened, its log and its outputs.

import { freshId, make, put, say, show } from "./elements.js";
import { icon, turn } from "./icons.js";
import { bytes, clock, jobState, money, seconds } from "./words.js";

export const COLUMNS_OF_JOBS = ["State", "Job", "Time", "CPU", "Memory", "Runs in", "Reward", ""];

function cell(name, ...children) {
  return make("td", { role: "cell", "data-column": name, class: "n3-cell" }, ...children);
}

export function jobRow(store, id) {
  const parts = {
    mark: icon("ring"),
    word: make("span", {}),
    command: make("bdi", { class: "n3-command" }),
    kind: make("bdi", { class: "n3-faint" }),
    time: make("span", {}),
    cpu: make("span", {}),
    memory: make("span", {}),
    fill: make("span", { class: "n3-fill" }),
    executor: make("span", {}),
    level: make("span", { class: "n3-faint" }),
    reward: make("span", {}),
  };
  const detailId = freshId("log");
  const opener = make(
    "button",
    {
      type: "button",
      class: "n3-open",
      "aria-expanded": "false",
      "aria-controls": detailId,
      onclick: toggle,
    },
    parts.command,
  );
  const cancel = make(
    "button",
    { type: "button", class: "n3-button n3-small", onclick: cancelled },
    "Cancel",
  );
  const bar = make("span", { class: "n3-bar", "aria-hidden": "true" }, parts.fill);
  const row = make(
    "tr",
    { role: "row", class: "n3-job", "data-job": id },
    cell("State", parts.mark, parts.word),
    cell("Job", opener, parts.kind),
    cell("Time", parts.time),
    cell("CPU", parts.cpu),
    cell("Memory", parts.memory, bar),
    cell("Runs in", parts.executor, " ", parts.level),
    cell("Reward", parts.reward),
    cell("", cancel),
  );
  const inside = jobDetail(id);
  const wide = { role: "cell", colspan: COLUMNS_OF_JOBS.length };
  const detail = make(
    "tr",
    { role: "row", class: "n3-detail", id: detailId, hidden: true },
    make("td", wide, inside.node),
  );
  let open = false;
  let asked = "";

  function toggle() {
    open = !open;
    put(opener, "aria-expanded", open);
    show(detail, open);
    if (open) store.ask({ kind: "watch", word: id }, (answer) => inside.wait(answer));
  }

  function cancelled() {
    store.ask({ kind: "cancel", word: id }, (answer) => {
      asked = answer === "done" ? "cancelling…" : answer;
      if (answer === "requested") asked = "requested…";
      if (answer === "queued") asked = "kernel busy, queued";
      update();
    });
  }

  function update() {
    const job = store.rows.get(id);
    if (!job) return;
    const over = job.wall !== undefined;
    const used = over ? job : (store.uses.get(id) ?? { memory: 0, cpu: 0 });
    const [shape, word] = jobState(job.state);
    put(row, "data-state", job.state);
    turn(parts.mark, shape);
    say(parts.word, word);
    say(parts.command, job.command ?? id);
    say(parts.kind, [job.type, id.slice(0, 8)].filter(Boolean).join(" · "));
    put(opener, "title", `Log and outputs of job ${id}`);
    const runs = store.tick.at - (job.started ?? job.taken);
    say(parts.time, seconds(over ? job.wall : runs));
    put(parts.time, "title", `taken at ${clock(job.taken)}`);
    say(parts.cpu, seconds(used.cpu));
    say(parts.memory, `${bytes(used.memory)} of ${bytes(job.limit)}`);
    parts.fill.style.width = `${Math.min((used.memory / job.limit) * 100, 100).toFixed(1)}%`;
    say(parts.executor, job.executor ?? "");
    say(parts.level, job.isolation ?? "");
    say(parts.reward, money(job.reward));
    show(cancel, !over);
    cancel.disabled = asked !== "" && !asked.startsWith("It ");
    say(cancel, asked || "Cancel");
    put(cancel, "aria-label", `${asked || "Cancel"} job ${job.command ?? id}`);
    if (open) inside.update(job, store.logs.get(id));
  }

  return { nodes: [row, detail], update };
}

function jobDetail(id) {
  const message = make("p", {});
  const streams = ["stdout", "stderr"].map((name) => {
    const label = freshId(name);
    const text = make("pre", {
      class: "n3-log",
      role: "log",
      "aria-labelledby": label,
      tabindex: "0",
    });
    const node = make("div", {}, make("h5", { id: label }, name), text);
    show(node, false);
    return { name, node, text };
  });
  const list = make("ul", { class: "n3-outputs" });
  const outputs = make("div", {}, make("h5", {}, "Outputs"), list);
  const whole = make("p", { class: "n3-faint" }, "All of it: ", make("code", {}, `%node3 logs ${id}`));
  const state = make("p", { class: "n3-faint", role: "status" });
  const node = make("div", {}, message, ...streams.map((each) => each.node), outputs, state, whole);

  function wait(answer) {
    if (answer === "requested") say(state, "Fetching its log…");
    else say(state, answer === "queued" ? "Kernel busy, queued." : "");
  }

  function fill({ name, node: part, text }, log) {
    const shown = log?.[name] ?? "";
    show(part, shown !== "");
    if (text.textContent === shown) return;
    const followed = text.scrollHeight - text.scrollTop - text.clientHeight < 8;
    text.textContent = shown;
    if (followed) text.scrollTop = text.scrollHeight;
  }

  function update(job, log) {
    show(message, Boolean(job.message));
    say(message, job.message ?? "");
    for (const stream of streams) fill(stream, log);
    const silent = log && !log.stdout && !log.stderr;
    if (silent) say(state, job.wall === undefined ? "It has printed nothing yet." : "It printed nothing.");
    else if (log) say(state, "");
    show(outputs, Boolean(log?.outputs?.length));
    if (log?.outputs && list.children.length !== log.outputs.length)
      list.replaceChildren(...log.outputs.map(output));
  }

  function output([path, size]) {
    const faint = make("span", { class: "n3-faint" }, ` ${size}`);
    return make("li", {}, make("bdi", {}, path), faint);
  }

  return { node, update, wait };
}
