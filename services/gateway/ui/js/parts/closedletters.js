// Lists the closed dead letters of all services: records of what was retried, discarded or overtaken.

import { get, withQuery } from "../api.js";
import { Empty, ErrorBox, Skeleton, html, refocus, useEffect, useLoad, useState } from "../view.js";
import { list, number, plural } from "../format.js";
import { DeadLetter } from "./deadletter.js";
import { closedStates, letterName, letterState, letterTitle } from "./letters.js";
import { appendPage } from "./list.js";

const pageSize = 20;
const pathOf = (name) => `/ops/services/${name}/dead-letters`;
const loadPage = (name, state, after, signal) => get(withQuery(pathOf(name), { state, sort: "-id", limit: pageSize, after }), signal);

/** services are the names of the services that respond. */
export function ClosedLetters({ services, state }) {
  const load = useLoad((signal) => loadAll(services, state, signal), [services.join(), state]);
  const pages = load.data?.state === state ? load.data.pages : null;
  const some = pages?.filter((p) => p.total > 0) ?? [], failed = pages?.filter((p) => p.problem).map((p) => p.name) ?? [];
  return html`<p class="hint">${closedStates[state]} Records are kept for a while, 30 days by default.</p>
    <${ErrorBox} problem=${failed.length > 0 && { message: `The closed dead letters of ${list(failed)} cannot be loaded.` }} retry=${load.reload} again="Retry" />
    <p class="visually-hidden" role="status">${pages ? plural(some.reduce((sum, p) => sum + p.total, 0), "closed dead letter") : ""}</p>
    ${!pages ? html`<${Skeleton} lines=${6} />`
      : some.length === 0 ? failed.length === 0 && html`<${Empty} title=${`No ${state} dead letters`}>No dead letter was closed this way, or its record was deleted since.<//>`
      : some.map((p) => html`<${ServiceRecords} key=${`${p.name} ${state}`} name=${p.name} state=${state} first=${p} />`)}`;
}

/** Loads the first page of each service. A service that fails has a problem instead. */
async function loadAll(services, state, signal) {
  const pages = await Promise.all(services.map((name) => loadPage(name, state, "", signal).then((page) => ({ ...page, name }), (problem) => {
    if (signal.aborted) throw problem;
    return { name, problem, total: 0 };
  })));
  return { state, pages };
}

function ServiceRecords({ name, state, first }) {
  const [page, setPage] = useState(first), [more, setMore] = useState({}), [shown, show] = useState(0);
  useEffect(() => setPage(first), [first]); // after a reload
  const id = `closed-of-${name}`;
  const load = async () => {
    if (more.busy) return;
    setMore({ busy: true });
    try {
      const next = await loadPage(name, state, page.next);
      setPage((was) => appendPage(was, next, (l) => l.id));
      setMore({});
    } catch (problem) {
      setMore({ problem });
    }
  };
  return html`<section class="panel" aria-labelledby=${id}>
    <h2 id=${id} tabindex="-1"><i class=${`swatch ${name}`}></i>${name} <span class="count none">${number(page.total)}</span></h2>
    <ul class="rows">${page.items.map((l) => html`<li key=${l.id}><div class="grow">
      <button type="button" class="plain" aria-label=${`${letterTitle(l.type)}, ${letterName(l)}`} onClick=${() => show(l.id)}>${letterTitle(l.type)}</button> <span class="id">${letterName(l)}</span>
      <div class="hint">from ${l.stream}. ${letterState(l)}.${l.reason && html` Reason: <bdi>${l.reason}</bdi>`}</div>
      ${l.error && html`<p class="error-text">${l.error}</p>`}</div></li>`)}</ul>
    <${ErrorBox} problem=${more.problem} what="More records cannot be loaded." />
    ${page.next && html`<div class="more"><button type="button" class="small" aria-disabled=${Boolean(more.busy)} onClick=${load}>${more.busy ? "Loading…" : "Show more"}</button></div>`}
    ${shown > 0 && html`<${DeadLetter} key=${shown} at=${pathOf(name)} id=${shown} onResolved=${() => {}} onShow=${show} onClose=${() => { show(0); setTimeout(() => refocus(`#${id}`)); }} />`}
  </section>`;
}
