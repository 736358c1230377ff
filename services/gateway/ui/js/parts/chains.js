// Events put in order by what caused what.

/** Events by correlation, the latest chain first; each chain as chainOf has it. */
export function chains(items) {
  const by = new Map();
  for (const e of items) by.set(e.correlation, [...(by.get(e.correlation) ?? []), e]);
  return [...by.values()].map(chain).sort((a, b) => b.begin - a.begin);
}

/**
 * {correlation, begin, total, steps, lanes}: steps are the events in the order of
 * their times, each with at (ms since the first), took (ms since its cause, null
 * where the cause is not here) and cause (the cause's place in the list, or -1).
 * Clocks of services may differ: no event is put before its cause.
 */
function chain(events) {
  const sorted = inOrder(events);
  const begin = Date.parse(sorted[0].time);
  const place = new Map(sorted.map((e, i) => [e.id, i]));
  const steps = sorted.map((e) => ({ ...e, at: Math.max(0, Date.parse(e.time) - begin), cause: place.get(e.causation) ?? -1 }));
  for (const s of steps) s.took = s.cause < 0 ? null : Math.max(0, s.at - steps[s.cause].at);
  return {
    correlation: sorted[0].correlation, begin, steps,
    total: Math.max(...steps.map((s) => s.at)),
    lanes: lanes.filter((l) => steps.some((s) => s.service === l)).concat([...new Set(steps.map((s) => s.service))].filter((l) => !lanes.includes(l))),
  };
}

const lanes = ["sales", "inventory", "catalog", "wishlist"];

/** By time, but what was caused after its cause. */
function inOrder(events) {
  const waiting = [...events].sort((a, b) => Date.parse(a.time) - Date.parse(b.time) || a.seq - b.seq);
  const here = new Set(waiting.map((e) => e.id)), done = new Set(), out = [];
  while (waiting.length) {
    const next = waiting.findIndex((e) => !here.has(e.causation) || done.has(e.causation) || e.causation === e.id);
    const [e] = waiting.splice(Math.max(0, next), 1);
    done.add(e.id);
    out.push(e);
  }
  return out;
}
