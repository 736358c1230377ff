// Counts events per stream from the live event stream.

import { useEffect, useEvents, useRef, useState } from "../view.js";

/** Lists the streams. stats and gateway only consume. */
export const streams = ["inventory", "catalog", "sales", "wishlist"];

const span = 10_000; // window of a rate in ms

/**
 * Returns {rates, pulses} by stream: events per second over the last ten seconds, and a
 * counter that increases after each event. Re-renders at most four times a second.
 */
export function useEventRates() {
  const seen = useRef(null);
  seen.current ??= { times: Object.fromEntries(streams.map((s) => [s, []])), fresh: new Set(), pulses: {} };
  const [, turn] = useState({});
  useEvents((e) => {
    const times = seen.current.times[e.service];
    if (!times) return;
    times.push(performance.now());
    seen.current.fresh.add(e.service);
  });
  useEffect(() => {
    let quiet = true;
    const timer = setInterval(() => {
      const s = seen.current, since = performance.now() - span;
      let busy = s.fresh.size > 0;
      for (const times of Object.values(s.times)) {
        const keep = times.findIndex((t) => t > since);
        times.splice(0, keep < 0 ? times.length : keep);
        busy ||= times.length > 0;
      }
      for (const stream of s.fresh) s.pulses = { ...s.pulses, [stream]: (s.pulses[stream] ?? 0) + 1 };
      s.fresh.clear();
      if (busy || !quiet) turn({}); // re-render once after the last event, to show 0
      quiet = !busy;
    }, 250);
    return () => clearInterval(timer);
  }, []);
  const { times, pulses } = seen.current;
  return { pulses, rates: Object.fromEntries(streams.map((s) => [s, times[s].length / (span / 1000)])) };
}
