// Numbers and states as a person reads them; of a state, its icon and its word.

const PROVIDER_STATES = {
  starting: ["ring", "Starting"],
  running: ["play", "Taking jobs"],
  paused: ["pause", "Paused"],
  draining: ["hourglass", "Draining"],
  stopping: ["ring", "Stopping"],
  stopped: ["square", "Stopped"],
};
const JOB_STATES = {
  accepted: ["ring", "accepted"],
  staging: ["down", "staging"],
  running: ["play", "running"],
  uploading: ["up", "uploading"],
  completed: ["check", "completed"],
  failed: ["cross", "failed"],
  cancelled: ["barred", "cancelled"],
};

export function providerState(state) {
  return PROVIDER_STATES[state] ?? ["ring", state];
}

export function jobState(state) {
  return JOB_STATES[state] ?? ["ring", state];
}

export function bytes(count) {
  let left = count;
  for (const unit of ["B", "KiB", "MiB"]) {
    if (Math.abs(left) < 1000) return `${short(left)} ${unit}`;
    left /= 1024;
  }
  return `${short(left)} GiB`;
}

export function short(number) {
  const digits = Math.abs(number) >= 100 ? 0 : Math.abs(number) >= 10 ? 1 : 2;
  return String(Number(number.toFixed(digits)));
}

export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

export function money(amount) {
  return amount === 0 ? "0" : String(Number(amount.toPrecision(6)));
}

export function seconds(count) {
  if (count < 10) return `${Math.max(count, 0).toFixed(1)} s`;
  if (count < 60) return `${Math.floor(count)} s`;
  const minutes = Math.floor(count / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(count % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function clock(epochSeconds) {
  return new Date(epochSeconds * 1000).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
}

export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
