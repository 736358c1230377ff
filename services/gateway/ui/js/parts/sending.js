// Submits an entry that must take effect exactly once. Stores it until the shop
// responds, and resends it under the same ID, even after the page was closed.

import { ask, backoff, recovered } from "../api.js";
import { freshID, isText, kept, session } from "../store.js";
import { useSignal, useEffect, useRef, useState } from "../view.js";

const isSubmission = (v) => isText(v.subject) && isText(v.body?.external_id) && isText(v.body.sku);

/** Creates a store for one pending submission to path. count names its numeric field. */
export const submissionStore = (name, path, count) => ({ path, box: kept("localStorage", `quadrille.${name}`, null, (v) => isSubmission(v) && Number.isFinite(v.body[count])) });

/**
 * Sends the stored submission until the shop responds. Returns {pending, problem, send,
 * now, drop, clear}; clear removes the error of a rejection. A submission of another
 * user waits until that user signs in.
 */
export function useSubmission({ path, box }, onDone) {
  const there = useSignal(box), who = useSignal(session);
  const pending = there && there.subject === who?.subject ? there : null;
  const [problem, setProblem] = useState(null);
  const retry = useRef(() => {});
  useEffect(() => {
    if (!pending) return undefined;
    const control = new AbortController();
    let timer = 0, tries = 0, lost = false;
    const attempt = () => ask("POST", path, { body: pending.body, signal: control.signal }).then(({ data }) => {
      setProblem(null);
      box.set(null);
      onDone(data);
    }, (failed) => {
      if (control.signal.aborted) return;
      setProblem(failed);
      lost = failed.status === 0;
      if (failed.transient) timer = setTimeout(attempt, Math.max(failed.retryAfter * 1000, backoff(tries++)));
      else if (failed.status !== 401) box.set(null); // rejected: the user can edit and submit again
    });
    const now = () => { clearTimeout(timer); lost = false; attempt(); };
    retry.current = now;
    now();
    const stop = recovered.listen(() => { if (lost) now(); });
    return () => { stop(); control.abort(); clearTimeout(timer); };
  }, [pending, who?.token]);
  return {
    pending, problem,
    now: () => retry.current(),
    clear: () => { if (!pending) setProblem(null); },
    send: (body) => { setProblem(null); box.set({ subject: who.subject, body: { external_id: freshID(), ...body } }); },
    drop: () => { setProblem(null); box.set(null); },
  };
}
