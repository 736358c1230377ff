// Groups events by correlation ID and orders them by cause.

/** Groups events by correlation ID, newest chain first. See chain for the fields. */
export function chains(items) {
  const by = new Map();
  for (const e of items) by.set(e.correlation, [...(by.get(e.correlation) ?? []), e]);
  return [...by.values()].map(chain).sort((a, b) => b.begin - a.begin);
}

/**
 * Returns {correlation, begin, total, steps, lanes}. steps are the events in time order,
 * each with at (ms since the first event), took (ms since its cause, or null if the
 * cause is missing) and cause (the index of its cause, or -1). An event never precedes
 * its cause, even if the clocks of services differ.
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

/** Sorts events by time, but puts each event after its cause. */
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
