// The table of jobs, newest first.

import { make, say, show } from "./elements.js";
import { counted } from "./words.js";
import { COLUMNS_OF_JOBS, jobRow } from "./job_rows.js";

export function jobList(store) {
  const body = make("tbody", { role: "rowgroup" });
  const heads = COLUMNS_OF_JOBS.map((name) =>
    name
      ? make("th", { role: "columnheader", scope: "col" }, name)
      : make("th", { role: "columnheader", scope: "col", "aria-label": "Cancel" }),
  );
  // Roles are named: a narrow page lays the table out as cards, and would lose them otherwise.
  const table = make(
    "table",
    { role: "table", class: "n3-jobs", "aria-label": "Jobs, newest first" },
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)),
    body,
  );
  const none = make("p", { class: "n3-none" });
  const more = make("p", { class: "n3-faint" });
  const title = make("h4", {}, "Jobs");
  const node = make("section", { class: "n3-part", "aria-label": "Jobs" }, title, none, table, more);
  const shown = new Map();

  function update() {
    if (!store.tick) return;
    const jobs = store.jobs;
    drop(new Set(jobs.map((job) => job.id)));
    arrange(jobs);
    for (const row of shown.values()) row.update();
    const [running, completed, failed] = store.tick.counts;
    say(none, "None yet. They appear here as soon as one is taken.");
    show(none, jobs.length === 0);
    show(table, jobs.length > 0);
    const all = Math.max(running + completed + failed, jobs.length);
    say(more, `The newest ${jobs.length} of ${counted(all, "job")}; %node3 jobs lists them all.`);
    show(more, all > jobs.length);
  }

  function drop(kept) {
    for (const [id, row] of shown) {
      if (kept.has(id)) continue;
      row.nodes.forEach((each) => each.remove());
      shown.delete(id);
    }
  }

  // A row is moved only where it stands wrong: one that has the focus keeps it.
  function arrange(jobs) {
    let place = body.firstChild;
    for (const { id } of jobs) {
      if (!shown.has(id)) shown.set(id, jobRow(store, id));
      const [row, detail] = shown.get(id).nodes;
      if (row === place) {
        place = detail.nextSibling;
        continue;
      }
      body.insertBefore(row, place);
      body.insertBefore(detail, place);
    }
  }

  return { node, update };
}
