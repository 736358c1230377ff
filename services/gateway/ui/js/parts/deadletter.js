// Shows one dead letter with its event and error, and offers to retry or discard it.

import { ask, get, withQuery } from "../api.js";
import { Skeleton, ErrorBox, html, useEffect, useLoad, useRef, useState } from "../view.js";
import { moment, plural, sentence, when } from "../format.js";
import { Cause } from "./cause.js";
import { subjectLabel, correlationURL } from "./events.js";
import { DiscardDialog } from "./discard.js";
import { followText, letterTitle, waitingLongText } from "./letters.js";

const isRepeatedFailure = (problem) => problem?.status === 422;

/**
 * Renders the dialog of a letter. readers are the consumers of its service. onResolved gets
 * a message when the lists have changed, and onShow the ID of another letter to show.
 */
export function DeadLetter({ at, id, readers = [], onResolved, onShow, onClose }) {
  const path = `${at}/${id}`;
  const load = useLoad((signal) => get(path, signal), [path]);
  const [state, setState] = useState({}), [discarding, discard] = useState(false);
  const dialog = useRef(null);
  useEffect(() => { dialog.current.showModal(); }, []);
  const close = () => { dialog.current.close(); onClose(); };
  const l = load.data;
  const act = async (what, asking) => {
    if (state.busy) return;
    setState({ busy: what });
    try {
      await asking();
      onResolved([what === "retry" ? "The event was processed." : "The dead letter was discarded. A record of it is kept.", followText(l.behind)].filter(Boolean).join(" "));
      close();
    } catch (problem) {
      setState({ problem });
      if (problem.status >= 400 && problem.status < 500) { // its error, attempts or state have changed
        load.reload();
        onResolved("");
      }
    }
  };
  return html`<dialog ref=${dialog} class="dead-letter-dialog" aria-labelledby="letter-title" onCancel=${(e) => { e.preventDefault(); close(); }}>
    <div class="top"><h2 id="letter-title">${l ? letterTitle(l.type) : "Dead letter"}</h2>
      <button type="button" class="small" onClick=${close}>Close</button></div>
    <${ErrorBox} problem=${load.problem} what="The dead letter cannot be loaded." retry=${load.reload} />
    <${ErrorBox} problem=${isRepeatedFailure(state.problem) ? { message: "The retry failed. The error below is from this attempt." } : state.problem} what=${isRepeatedFailure(state.problem) ? "" : "The action failed."} />
    ${!l ? !load.problem && html`<${Skeleton} lines=${5} />` : html`<${Standing} letter=${l} kind=${readers.find((r) => r.stream === l.stream)?.kind} onShow=${(other) => { dialog.current.close(); onShow(other); }} /><${Facts} letter=${l} />
      <${Actions} letter=${l} busy=${state.busy} onDiscard=${() => discard(true)} onRetry=${() => act("retry", () => ask("POST", `${path}/retry`, { timeout: 60_000 }))} />`}
    ${discarding && html`<${DiscardDialog} title="Discard this dead letter?" follow=${followText(l?.behind)} onNo=${() => discard(false)}
      onYes=${(reason) => { discard(false); act("discard", () => ask("DELETE", withQuery(path, { reason }))); }} />`}
  </dialog>`;
}

const closings = {
  retried: () => "A later attempt processed the event.",
  discarded: (l) => `It was discarded and is never processed. Reason: ${sentence(l.reason)}`,
  overtaken: (l) => `The event is no longer needed: ${l.reason}.`,
};

/** Says what becomes of the letter, and what a retry means for others. */
function Standing({ letter: l, kind, onShow }) {
  if (closings[l.state]) return html`<p class="result">${closings[l.state](l)}</p>`;
  if (l.state === "behind") {
    return html`<p class="result">The event was not tried yet. It waits for an earlier event of its subject.
      ${l.head > 0 && l.head !== l.id && html` <button type="button" class="plain" onClick=${() => onShow(l.head)}>Show the event it waits for</button>`}</p>`;
  }
  return html`${l.state === "parked" && html`<p class="result">The service tries the event again ${Date.parse(l.next_at) > Date.now() ? `at ${moment(l.next_at)}` : "now"}. You can retry it earlier.</p>`}
    ${l.state === "acting" && html`<p class="result">An attempt is in progress. Close this and look again in a moment.</p>`}
    ${l.behind > 0 && html`<p>${waitingLongText(l.behind)}</p>`}
    ${kind === "effects" && html`<p class="hint">This consumer acts outside its database. If an earlier attempt had an effect, such as a mail, a retry may repeat it.</p>`}`;
}

function Actions({ letter: l, busy, onRetry, onDiscard }) {
  const mayRetry = l.state === "open" || l.state === "parked";
  if (!mayRetry && l.state !== "behind") return null;
  return html`<div class="row end">
    <button type="button" class="danger" aria-disabled=${Boolean(busy)} onClick=${() => !busy && onDiscard()}>${busy === "discard" ? "Discarding…" : "Discard event…"}</button>
    ${mayRetry && html`<button type="button" class="primary" aria-disabled=${Boolean(busy)} onClick=${onRetry}>${busy === "retry" ? "Retrying…" : l.state === "parked" ? "Retry event now" : "Retry event"}</button>`}</div>`;
}

function Facts({ letter: l }) {
  const chain = l.event?.correlationid ?? l.event?.correlation;
  return html`${l.error && html`<${Cause} text=${l.error} />`}
    <dl class="facts">
      ${l.subject && html`<div><dt>Subject</dt><dd>${subjectLabel({ subject: l.subject, service: l.stream })}</dd></div>`}
      ${l.version > 0 && html`<div><dt>Version</dt><dd>${l.version}</dd></div>`}
      <div><dt>Stream</dt><dd>${l.stream}</dd></div>
      ${l.attempts === 0 ? html`<div><dt>Set aside</dt><dd>${when(l.first_at)}</dd></div>`
        : html`<div><dt>First failure</dt><dd>${when(l.first_at)}</dd></div><div><dt>Last failure</dt><dd>${when(l.last_at)}, ${plural(l.attempts, "attempt")}</dd></div>`}
      ${l.closed_at && html`<div><dt>Closed</dt><dd>${when(l.closed_at)}</dd></div>`}</dl>
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
