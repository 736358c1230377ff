// Something that must arrive once: it is kept until it is answered, and sent again
// under the same ID meanwhile, also after the page was left and come back to.

import { ask, backoff, recovered } from "../api.js";
import { freshID, isText, kept, session } from "../store.js";
import { useSignal, useEffect, useRef, useState } from "../view.js";

const isSubmission = (v) => isText(v.subject) && isText(v.body?.external_id) && isText(v.body.sku);

/** A place for one thing that is under way to path; count names the number in it. */
export const submissionStore = (name, path, count) => ({ path, box: kept("localStorage", `quadrille.${name}`, null, (v) => isSubmission(v) && Number.isFinite(v.body[count])) });

/**
 * Sends what is in a place until it is answered: {pending, problem, send, now,
 * drop, clear}, of which clear forgets a refusal. What another person left there waits until they are back.
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
      else if (failed.status !== 401) box.set(null); // refused: it is the form's again
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
