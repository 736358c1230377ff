// Shows the dead letters with the same cause, and retries or discards them together.

import { ask, get, withQuery } from "../api.js";
import { Skeleton, ErrorBox, html, usePassFocus, useLoad, useRef, useState } from "../view.js";
import { number, plural } from "../format.js";
import { Cause } from "./cause.js";
import { DiscardDialog } from "./discard.js";
import { followGroupText, letterName, letterState, letterTitle, outcomeText, waitingText } from "./letters.js";

const pageSize = 50;
const counts = { open: (n) => plural(n, "dead letter"), parked: (n) => plural(n, "event"), acting: (n) => `${number(n)} in progress` };

/** Explains letters without an error. */
const untried = {
  open: "The service left no error text.",
  parked: "Not tried yet: an earlier event of the same subject is being retried.",
  acting: "The first attempt is in progress.",
};

/** Renders a group of letters in a state. People retry and discard groups of open letters only. */
export function Group({ at, state: kind, group: g, onResolved, onShow }) {
  const [open, setOpen] = useState(false), [discarding, discard] = useState(false), [state, setState] = useState({});
  const row = useRef(null);
  usePassFocus(row);
  const all = async (what, body) => {
    if (state.busy) return;
    setState({ busy: what });
    try {
      onResolved(outcomeText(what, await applyToAll(`${at}/${what}`, { ...(g.type && { type: g.type }), error: g.cause, ...body })));
      setState({});
    } catch (problem) {
      setState({ problem });
    }
  };
  const busy = Boolean(state.busy);
  return html`<li class="dead-letter-group" ref=${row}><div class="grow">
      <h3>${letterTitle(g.type)} <span class="badge">${counts[kind](g.count)}</span>${g.behind > 0 && html` <span class="badge warn">${plural(g.behind, "event waits", "events wait")} behind ${g.count === 1 ? "it" : "them"}</span>`}</h3>
      ${g.cause ? html`<${Cause} text=${g.cause} />` : html`<p class="tight">${untried[kind]}</p>`}</div>
    <div class="row">
      <button type="button" class="small" aria-expanded=${open} onClick=${() => setOpen(!open)}>${open ? "Hide events" : "Show events"}</button>
      ${kind === "open" && html`<button type="button" class="small primary" aria-disabled=${busy} onClick=${() => all("retry")}>${state.busy === "retry" ? "Retrying…" : "Retry all"}</button>
      <button type="button" class="small danger" aria-disabled=${busy} onClick=${() => !busy && discard(true)}>${state.busy === "discard" ? "Discarding…" : "Discard all…"}</button>`}
    </div>
    <div class="full-width"><${ErrorBox} problem=${state.problem} what="Some of the dead letters were not processed." /></div>
    ${open && html`<${Members} at=${at} state=${kind} group=${g} onShow=${onShow} />`}
    ${discarding && html`<${DiscardDialog} title=${`Discard ${plural(g.count, "dead letter")}?`} follow=${followGroupText(g.behind)} onYes=${(reason) => { discard(false); all("discard", { reason }); }} onNo=${() => discard(false)} />`}
  </li>`;
}

/** Applies an action to a whole group. The API processes up to a hundred per request. */
async function applyToAll(path, body) {
  const sum = { done: 0, failed: 0 };
  for (let after; ;) {
    const { data } = await ask("POST", path, { body: after ? { ...body, after } : body, timeout: 120_000 });
    sum.done += data.done;
    sum.failed += data.failed;
    if (!data.after) return sum;
    after = data.after;
  }
}

function Members({ at, state, group: g, onShow }) {
  const load = useLoad((signal) => get(withQuery(at, { state, type: g.type, error: g.cause, limit: pageSize }), signal), [at, state, g]);
  const items = load.data?.items.filter((l) => g.cause || !l.error); // the API cannot select letters without an error
  return html`<div class="full-width"><${ErrorBox} problem=${load.problem} what="The events cannot be loaded." retry=${load.reload} />
    ${!items ? !load.problem && html`<${Skeleton} lines=${2} />` : html`<ul class="members">${items.map((l) => html`<${Member} key=${l.id} at=${at} letter=${l} onShow=${onShow} />`)}</ul>`}
    ${items && g.count > items.length && html`<p class="hint">Showing the first ${number(items.length)} of ${number(g.count)}.</p>`}
  </div>`;
}

function Member({ at, letter: l, onShow }) {
  const [open, setOpen] = useState(false);
  const row = useRef(null);
  usePassFocus(row, "button");
  return html`<li ref=${row}>
    <button type="button" class="plain" onClick=${() => onShow(l.id)}>${letterName(l)}</button>
    <span class="hint">from ${l.stream}, ${letterState(l)}</span>
    ${l.behind > 0 && html`<button type="button" class="plain" aria-expanded=${open} aria-label=${`${waitingText(l.behind)}: ${letterName(l)}`} onClick=${() => setOpen(!open)}>${waitingText(l.behind)}</button>`}
    ${open && l.behind > 0 && html`<${Waiting} at=${at} head=${l} onShow=${onShow} />`}</li>`;
}

/** Lists the events that wait behind a dead letter, in their order. */
function Waiting({ at, head, onShow }) {
  const load = useLoad((signal) => get(withQuery(at, { state: "behind", stream: head.stream, subject: head.subject, limit: pageSize }), signal), [at, head.id, head.behind]);
  const items = load.data?.items;
  return html`<div class="full-width"><${ErrorBox} problem=${load.problem} what="The waiting events cannot be loaded." retry=${load.reload} />
    ${!items ? !load.problem && html`<${Skeleton} lines=${1} />` : html`<ol class="waiting-letters">${items.map((l) => html`<li key=${l.id}>
      <button type="button" class="plain" aria-label=${`${letterTitle(l.type)}, ${letterName(l)}`} onClick=${() => onShow(l.id)}>${letterTitle(l.type)}</button>
      <span class="hint">${letterState(l)}</span></li>`)}</ol>`}
    ${items && load.data.total > items.length && html`<p class="hint">Showing the first ${number(items.length)} of ${number(load.data.total)}.</p>`}
  </div>`;
}
