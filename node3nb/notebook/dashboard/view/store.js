// What is known of the provider: one store for every view of a widget.

const PING_MS = 5000;
const ACK_MS = 1000;
// A cell may hold the interpreter's lock for long; this is when the page says so.
const SILENT_MS = 12000;
const HISTORY = 120;
const MOST_ROWS = 50;
const LOG_CHARS = 7168;

export class Store {
  constructor(model) {
    this.model = model;
    this.name = Math.random().toString(36).slice(2, 10);
    this.whole = null;
    this.tick = null;
    this.rows = new Map();
    this.logs = new Map();
    this.history = { machine: [], jobs: [], kernel: [] };
    this.listeners = new Set();
    this.pending = new Map();
    this.heardAt = 0;
    this.asked = 0;
    this.onMessage = (told) => this.hear(told);
    this.onLook = () => document.hidden || this.ping();
    model.on("msg:custom", this.onMessage);
  }

  close() {
    this.model.off("msg:custom", this.onMessage);
    this.rest();
  }

  // --- who looks

  listen(listener) {
    this.listeners.add(listener);
    if (this.listeners.size === 1) this.wake();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.rest();
    };
  }

  wake() {
    this.heardAt = Date.now();
    this.timer = setInterval(() => this.onLook(), PING_MS);
    this.watch = setInterval(() => this.changed(), 1000);
    document.addEventListener("visibilitychange", this.onLook);
    this.send({ kind: "ping", new: true });
  }

  rest() {
    clearInterval(this.timer);
    clearInterval(this.watch);
    document.removeEventListener("visibilitychange", this.onLook);
  }

  ping() {
    this.send({ kind: "ping", new: this.whole === null });
  }

  get silent() {
    return !document.hidden && Date.now() - this.heardAt > SILENT_MS;
  }

  // --- what is asked

  send(message) {
    try {
      this.model.send({ view: this.name, ...message });
    } catch {
      // The kernel has gone; the page says so when it has been silent for long.
    }
  }

  // Asks for something; `told` hears "requested", "queued" when no answer has come within a
  // second, and then "done" or the sentence that says why not.
  ask(message, told) {
    this.asked += 1;
    const request = `${this.name}-${this.asked}`;
    const late = setTimeout(() => told("queued"), ACK_MS);
    this.pending.set(request, (problem) => {
      clearTimeout(late);
      told(problem || "done");
    });
    told("requested");
    this.send({ ...message, request });
  }

  // --- what is heard

  hear(told) {
    this.heardAt = Date.now();
    if (told.whole) {
      this.whole = told.whole;
      this.rows.clear();
    }
    if (told.state) this.remember(told);
    for (const row of told.rows ?? []) this.rows.set(row.id, row);
    for (const log of told.logs ?? []) this.hearLog(log);
    this.tidy();
    for (const answer of told.answers ?? []) this.answered(answer);
    this.changed();
  }

  remember(told) {
    const again = this.tick !== null && told.at - this.tick.at < 0.5;
    this.tick = told;
    this.uses = new Map(told.uses.map(([id, memory, cpu]) => [id, { memory, cpu }]));
    if (again) return;
    for (const [who, series] of Object.entries(this.history)) {
      series.push(told[who]);
      if (series.length > HISTORY) series.shift();
    }
  }

  hearLog(log) {
    const known = this.logs.get(log.job) ?? { stdout: "", stderr: "", outputs: null };
    for (const stream of ["stdout", "stderr"]) {
      if (!log[stream]) continue;
      const [kept, added] = log[stream];
      const end = kept ? known[stream].slice(-kept) : "";
      known[stream] = (end + added).slice(-LOG_CHARS);
    }
    known.outputs = log.outputs ?? known.outputs;
    this.logs.set(log.job, known);
  }

  answered({ request, problem }) {
    const told = this.pending.get(request);
    this.pending.delete(request);
    if (told) told(problem);
  }

  // Newest first, those that run above those that have ended.
  get jobs() {
    const over = (row) => (row.wall === undefined ? 0 : 1);
    return [...this.rows.values()].sort((a, b) => over(a) - over(b) || b.taken - a.taken);
  }

  tidy() {
    if (this.rows.size <= MOST_ROWS) return;
    const kept = this.jobs.slice(0, MOST_ROWS);
    this.rows = new Map(kept.map((row) => [row.id, row]));
  }

  changed() {
    for (const listener of this.listeners) listener();
  }
}
