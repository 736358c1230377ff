// How many events pass, by stream: counted from the stream of news itself.

import { useEffect, useEvents, useRef, useState } from "../view.js";

/** The streams that services publish; stats and the gateway only listen. */
export const streams = ["inventory", "catalog", "sales", "wishlist"];

const span = 10_000; // ms that a rate is taken over

/**
 * {rates, pulses} by stream: events per second over the last ten seconds, and a
 * number that grows whenever some have passed. However many come, it is drawn
 * four times a second at the most.
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
      if (busy || !quiet) turn({}); // once more after the last, to say none
      quiet = !busy;
    }, 250);
    return () => clearInterval(timer);
  }, []);
  const { times, pulses } = seen.current;
  return { pulses, rates: Object.fromEntries(streams.map((s) => [s, times[s].length / (span / 1000)])) };
}
