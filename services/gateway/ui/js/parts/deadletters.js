// Lists the dead letters of one service, grouped by cause.

import { ask, get, withQuery } from "../api.js";
import { Skeleton, ErrorBox, html, useEffect, usePassFocus, useLoad, useRef, useState } from "../view.js";
import { number, plural, when } from "../format.js";
import { Cause } from "./cause.js";
import { subjectLabel, eventLabel } from "./events.js";
import { DeadLetter } from "./deadletter.js";
import { DiscardDialog } from "./discard.js";

const pageSize = 50;

export function ServiceDeadLetters({ service, count, onTouch }) {
  const at = `/ops/services/${service}/dead-letters`;
  const load = useLoad((signal) => get(`${at}?limit=1`, signal), [service, count]);
  const [message, setMessage] = useState("");
  const onResolved = (text) => { setMessage(text); load.reload(); onTouch(); };
  const groups = load.data?.groups;
  return html`<section class="panel" aria-labelledby=${`of-${service}`}>
    <h2 id=${`of-${service}`}><i class=${`swatch ${service}`}></i>${service} <span class="count">${number(load.data?.total ?? count)}</span></h2>
    <p role="status" class=${message ? "result" : ""}>${message}</p>
    <${ErrorBox} problem=${load.problem} what=${`The dead letters of ${service} cannot be loaded.`} retry=${load.reload} />
    ${!groups ? !load.problem && html`<${Skeleton} lines=${3} />`
      : groups.length === 0 ? html`<p class="hint">No dead letters are left.</p>`
      : html`<ul class="rows">${groups.map((g) => html`<${Group} key=${`${g.type} ${g.cause}`} at=${at} group=${g} onResolved=${onResolved} />`)}</ul>`}
  </section>`;
}

const nameOf = (type) => (type ? eventLabel(type) : "Not an event");

function Group({ at, group: g, onResolved }) {
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
  return html`<li class="dead-letter-group" ref=${row}><div class="grow">
      <h3>${nameOf(g.type)} <span class="badge">${plural(g.count, "dead letter")}</span></h3>
      <${Cause} text=${g.cause} /></div>
    <div class="row">
      <button type="button" class="small" aria-expanded=${open} onClick=${() => setOpen(!open)}>${open ? "Hide events" : "Show events"}</button>
      <button type="button" class="small primary" aria-disabled=${Boolean(state.busy)} onClick=${() => all("retry")}>${state.busy === "retry" ? "Retrying…" : "Retry all"}</button>
      <button type="button" class="small danger" aria-disabled=${Boolean(state.busy)} onClick=${() => !state.busy && discard(true)}>${state.busy === "discard" ? "Discarding…" : "Discard all…"}</button>
    </div>
    <div class="full-width"><${ErrorBox} problem=${state.problem} what="Some of the dead letters were not processed." /></div>
    ${open && html`<${Members} at=${at} group=${g} onResolved=${onResolved} />`}
    ${discarding && html`<${DiscardDialog} title=${`Discard ${plural(g.count, "dead letter")}?`} onYes=${(reason) => { discard(false); all("discard", { reason }); }} onNo=${() => discard(false)} />`}
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

function outcomeText(what, { done, failed }) {
  if (what === "discard") return `${plural(done, "dead letter was", "dead letters were")} discarded. A record is kept.`;
  if (!done && !failed) return "These dead letters no longer exist.";
  const well = done ? `${plural(done, "event was", "events were")} processed.` : "No event was processed.";
  return failed ? `${well} ${plural(failed, "event")} failed again and ${failed === 1 ? "remains a dead letter" : "remain dead letters"}.` : well;
}

function Members({ at, group: g, onResolved }) {
  const load = useLoad((signal) => get(withQuery(at, { type: g.type, error: g.cause, limit: pageSize }), signal), [at, g.type, g.cause, g.count]);
  const [shown, show] = useState(null);
  const items = load.data?.items;
  useEffect(() => { if (shown && items && !items.some((l) => l.id === shown)) show(null); }, [items]);
  return html`<div class="full-width"><${ErrorBox} problem=${load.problem} what="The events cannot be loaded." retry=${load.reload} />
    ${!items ? !load.problem && html`<${Skeleton} lines=${2} />` : html`<ul class="members">${items.map((l) => html`<li key=${l.id}>
      <button type="button" class="plain" onClick=${() => show(l.id)}>${l.subject ? subjectLabel({ subject: l.subject, service: l.stream }) : `Dead letter ${number(l.id)}`}</button>
      <span class="hint">from ${l.stream}, ${plural(l.attempts, "attempt")}, last attempt ${when(l.last_at)}</span></li>`)}</ul>`}
    ${items && g.count > items.length && html`<p class="hint">Showing the first ${number(items.length)} of ${number(g.count)}.</p>`}
    ${shown && html`<${DeadLetter} key=${shown} at=${at} id=${shown} onResolved=${onResolved} onClose=${(again) => { show(null); if (again) onResolved(""); }} />`}
  </div>`;
}
