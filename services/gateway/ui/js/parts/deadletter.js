// Shows one dead letter with its event and error, and offers to retry or discard it.

import { ask, get, withQuery } from "../api.js";
import { Skeleton, ErrorBox, html, useEffect, useLoad, useRef, useState } from "../view.js";
import { plural, when } from "../format.js";
import { Cause } from "./cause.js";
import { subjectLabel, correlationURL, eventLabel } from "./events.js";
import { DiscardDialog } from "./discard.js";

const isRepeatedFailure = (problem) => problem?.status === 422;

export function DeadLetter({ at, id, onResolved, onClose }) {
  const path = `${at}/${id}`;
  const load = useLoad((signal) => get(path, signal), [path]);
  const [state, setState] = useState({}), [discarding, discard] = useState(false);
  const dialog = useRef(null);
  useEffect(() => { dialog.current.showModal(); }, []);
  const close = () => { dialog.current.close(); onClose(state.again); };
  const act = async (what, asking) => {
    if (state.busy) return;
    setState((s) => ({ ...s, busy: what, problem: null }));
    try {
      await asking();
      onResolved(what === "retry" ? "The event was processed." : "The dead letter was discarded. A record of it is kept.");
      close();
    } catch (problem) {
      const again = isRepeatedFailure(problem);
      setState((s) => ({ problem, again: s.again || again }));
      if (again) load.reload(); // its error and its number of attempts have changed
    }
  };
  const l = load.data;
  return html`<dialog ref=${dialog} class="dead-letter-dialog" aria-labelledby="letter-title" onCancel=${(e) => { e.preventDefault(); close(); }}>
    <div class="top"><h2 id="letter-title">${l ? (l.type ? eventLabel(l.type) : "Not an event") : "Dead letter"}</h2>
      <button type="button" class="small" onClick=${close}>Close</button></div>
    <${ErrorBox} problem=${load.problem} what="The dead letter cannot be loaded." retry=${load.reload} />
    <${ErrorBox} problem=${isRepeatedFailure(state.problem) ? { message: "The retry failed. The error below is from this attempt." } : state.problem} what=${isRepeatedFailure(state.problem) ? "" : "The action failed."} />
    ${!l ? !load.problem && html`<${Skeleton} lines=${5} />` : html`<${Facts} letter=${l} />
      <div class="row end">
        <button type="button" class="danger" aria-disabled=${Boolean(state.busy)} onClick=${() => discard(true)}>Discard event…</button>
        <button type="button" class="primary" aria-disabled=${Boolean(state.busy)} onClick=${() => act("retry", () => ask("POST", `${path}/retry`))}>${state.busy === "retry" ? "Retrying…" : "Retry event"}</button></div>`}
    ${discarding && html`<${DiscardDialog} title="Discard this dead letter?" onNo=${() => discard(false)}
      onYes=${(reason) => { discard(false); act("discard", () => ask("DELETE", withQuery(path, { reason }))); }} />`}
  </dialog>`;
}

function Facts({ letter: l }) {
  const chain = l.event?.correlationid ?? l.event?.correlation;
  return html`<${Cause} text=${l.error} />
    <dl class="facts">
      ${l.subject && html`<div><dt>Subject</dt><dd>${subjectLabel({ subject: l.subject, service: l.stream })}</dd></div>`}
      <div><dt>Stream</dt><dd>${l.stream}</dd></div><div><dt>First failure</dt><dd>${when(l.first_at)}</dd></div>
      <div><dt>Last failure</dt><dd>${when(l.last_at)}, ${plural(l.attempts, "attempt")}</dd></div></dl>
    ${chain && html`<p><a href=${correlationURL(chain)}>Show the trace of this event</a></p>`}
    <h3>Received event</h3>
    <pre tabindex="0" aria-label="The event as received">${l.event ? JSON.stringify(l.event, null, 2) : text(l.body)}</pre>`;
}

/** Decodes base64 to text. Returns the base64 if that fails. */
function text(body) {
  if (!body) return "The content of this event was not kept.";
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0)));
  } catch {
    return body;
  }
}
