// How fast a reader catches up, and when it will have.

const maxSamples = 10; // samples that a rate is taken over

/** The progress of a replay that begins at offset from, before anything was seen. */
export const startProgress = (from) => ({ from, position: from - 1, end: from, samples: [], seen: false, settled: 0, done: false });

/**
 * The progress after a look at the reader at a time in ms. A reader may be looked
 * at before it was set back: it is at the end only when it was seen behind, or
 * seems so for three looks.
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

/** Offsets per second over the last looks; 0 where that is not known. */
export function progressRate({ samples }) {
  if (samples.length < 2) return 0;
  const first = samples[0], last = samples.at(-1);
  return Math.max(0, ((last.position - first.position) * 1000) / Math.max(1, last.now - first.now));
}

/** Milliseconds until the end; null where that is not known. */
export function timeLeft(p) {
  const speed = progressRate(p);
  return speed > 0 ? ((p.end - p.position) / speed) * 1000 : null;
}
