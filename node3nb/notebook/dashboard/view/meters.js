// Small lines: CPU, memory, GPU and network of the machine, of the jobs and of this kernel.

import { draw, make, put, say, show } from "./elements.js";
import { bytes, percent, short } from "./words.js";

// A line that has just begun is drawn as if there were a little of it already.
const LEAST_POINTS = 30;
const WIDE = 120;
const HIGH = 24;

// Each cell: what is drawn (a share of the most), and what is written; null is not measured.
const METERS = [
  {
    name: "Machine",
    key: "machine",
    cells: (store) => ({
      CPU: [([cpu]) => cpu, 1, ([cpu]) => percent(cpu)],
      Memory: [([, memory]) => memory, store.whole.memory, ([, memory]) => bytes(memory)],
      GPU: [([, , gpu]) => gpu, 1, ([, , gpu]) => (gpu === null ? null : percent(gpu))],
      Network: [
        ([, , , received, sent]) => received + sent,
        0,
        ([, , , received, sent]) => `↓ ${bytes(received)}/s ↑ ${bytes(sent)}/s`,
      ],
    }),
  },
  {
    name: "Jobs",
    key: "jobs",
    cells: (store) => ({
      CPU: [([cpu]) => cpu, store.whole.cores, ([cpu]) => cores(cpu)],
      Memory: [([, memory]) => memory, store.tick.quota[2], ([, memory]) => bytes(memory)],
    }),
  },
  {
    name: "This kernel",
    key: "kernel",
    cells: (store) => ({
      CPU: [([cpu]) => cpu, store.whole.cores, ([cpu]) => cores(cpu)],
      Memory: [([, memory]) => memory, store.whole.memory, ([, memory]) => bytes(memory)],
    }),
  },
];
const COLUMNS = ["CPU", "Memory", "GPU", "Network"];

function cores(count) {
  return `${short(count)} cores`;
}

export function meters(store) {
  const lines = [];
  const heads = COLUMNS.map((name) => heading("col", name));
  const head = make("tr", {}, make("td", {}), ...heads);
  const body = METERS.map((meter) => {
    const row = make("tr", {}, heading("row", meter.name));
    for (const column of COLUMNS) {
      const cell = line(meter.name, column);
      lines.push({ meter, column, cell });
      row.append(cell.node);
    }
    return row;
  });
  const table = make(
    "table",
    { class: "n3-meters" },
    make("caption", {}, "Use of the last two minutes"),
    make("thead", {}, head),
    make("tbody", {}, ...body),
  );

  function update() {
    if (!store.whole || !store.tick) return;
    const hasGpu = store.whole.gpus.length > 0;
    show(heads[COLUMNS.indexOf("GPU")], hasGpu);
    for (const { meter, column, cell } of lines)
      cell.update(meter.cells(store)[column], store.history[meter.key], hasGpu);
  }

  return { node: table, update };
}

function heading(scope, name) {
  return make("th", { scope }, name);
}

function line(who, what) {
  const path = draw("polyline", { class: "n3-line", fill: "none" });
  const area = draw("polygon", { class: "n3-area" });
  const graph = draw(
    "svg",
    {
      class: "n3-spark",
      viewBox: `0 0 ${WIDE} ${HIGH}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${what}, ${who}`,
    },
    area,
    path,
  );
  const value = make("span", { class: "n3-value" });
  const node = make("td", { "data-column": what }, value, graph);

  function update(drawn, series, hasGpu) {
    const told = drawn && series.length ? drawn[2](series.at(-1)) : null;
    show(node, hasGpu || what !== "GPU");
    say(value, told ?? "–");
    put(value, "title", told === null ? `${what} is not measured here` : "");
    value.classList.toggle("n3-faint", told === null);
    graph.style.display = told === null ? "none" : "";
    if (told === null) return;
    const [read, most] = drawn;
    const values = series.map((each) => Math.max(read(each) ?? 0, 0));
    const top = Math.max(most, ...values, 1e-9);
    const step = WIDE / (Math.max(values.length, LEAST_POINTS) - 1);
    const from = WIDE - (values.length - 1) * step;
    const y = (each) => (HIGH - 1 - (each / top) * (HIGH - 2)).toFixed(1);
    const points = values.map((each, at) => `${(from + at * step).toFixed(1)},${y(each)}`);
    put(path, "points", points.join(" "));
    put(area, "points", `${from.toFixed(1)},${HIGH} ${points.join(" ")} ${WIDE},${HIGH}`);
    put(graph, "aria-label", `${what}, ${who}: now ${told}`);
  }

  return { node, update };
}
