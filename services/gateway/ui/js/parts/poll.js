// Loads data periodically while the page is visible.

import { useEffect, useLoad, useRef } from "../view.js";

/** Works like useLoad and reloads every ms milliseconds. Pauses while the tab is hidden or on is false. */
export function usePoll(load, ms, deps, on = true) {
  const state = useLoad(load, deps);
  const latest = useRef(state);
  latest.current = state;
  useEffect(() => {
    if (!on) return undefined;
    // useLoad retries failed loads with backoff.
    const timer = setInterval(() => { if (!document.hidden && !latest.current.busy && !latest.current.problem) latest.current.reload(); }, ms);
    return () => clearInterval(timer);
  }, [ms, on]);
  return state;
}
