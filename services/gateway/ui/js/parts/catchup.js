// Computes the progress and remaining time of a replay.

const maxSamples = 10; // samples to compute the rate from

/** Returns the progress of a replay from offset from before the first sample. */
export const startProgress = (from) => ({ from, position: from - 1, end: from, samples: [], seen: false, settled: 0, done: false });

/**
 * Returns the progress after a sample of the consumer at time now in ms. A sample may
 * predate the reset of the position. The replay counts as done only after a sample
 * showed lag, or after three samples in a row without lag.
 */
export function updateProgress(p, { position, end, replaying }, now) {
  const behind = replaying || position < end;
  const settled = behind ? 0 : p.settled + 1;
  const done = !behind && (p.seen || settled >= 3);
  if (!behind && !done) return { ...p, settled, end };
  const samples = [...p.samples, { now, position }].slice(-maxSamples);
  return { ...p, position, end, samples, settled, seen: p.seen || behind, done };
}

export const progressShare = (p) => (p.done ? 1 : Math.max(0, Math.min(1, (p.position - p.from + 1) / Math.max(1, p.end - p.from + 1))));

/** Returns offsets per second over the last samples, or 0 if unknown. */
export function progressRate({ samples }) {
  if (samples.length < 2) return 0;
  const first = samples[0], last = samples.at(-1);
  return Math.max(0, ((last.position - first.position) * 1000) / Math.max(1, last.now - first.now));
}

/** Returns the remaining time in ms, or null if unknown. */
export function timeLeft(p) {
  const speed = progressRate(p);
  return speed > 0 ? ((p.end - p.position) / speed) * 1000 : null;
}
