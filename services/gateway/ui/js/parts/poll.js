// Loading again and again while somebody looks.

import { useEffect, useLoad, useRef } from "../view.js";

/** Like useLoad, and loads anew every so many milliseconds; not while the tab is hidden, nor while on is false. */
export function usePoll(load, ms, deps, on = true) {
  const state = useLoad(load, deps);
  const latest = useRef(state);
  latest.current = state;
  useEffect(() => {
    if (!on) return undefined;
    // A load that failed tries again by itself, and less and less often.
    const timer = setInterval(() => { if (!document.hidden && !latest.current.busy && !latest.current.problem) latest.current.reload(); }, ms);
    return () => clearInterval(timer);
  }, [ms, on]);
  return state;
}
