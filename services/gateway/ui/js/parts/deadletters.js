// Lists the unresolved dead letters of one service, grouped by cause.

import { get, withQuery } from "../api.js";
import { Skeleton, ErrorBox, html, refocus, useLoad, useState } from "../view.js";
import { moment, number, plural } from "../format.js";
import { DeadLetter } from "./deadletter.js";
import { Group } from "./deadlettergroup.js";
import { orderText } from "./letters.js";
import { usePoll } from "./poll.js";

const pageSize = 100;

export function ServiceDeadLetters({ service: { name, readers, dead_letters: count, parked, behind }, onTouch }) {
  const at = `/ops/services/${name}/dead-letters`, id = `of-${name}`;
  const load = useLoad((signal) => get(`${at}?limit=1`, signal), [name, count, parked, behind]);
  const [message, setMessage] = useState(""), [shown, show] = useState(0);
  const onResolved = (text) => { setMessage(text); load.reload(); onTouch(); };
  const close = () => { show(0); setTimeout(() => refocus(`#${id}`)); }; // the button that opened the dialog may be gone
  const groups = load.data?.groups, order = orderText(name, behind);
  return html`<section class="panel" aria-labelledby=${id}>
    <h2 id=${id} tabindex="-1"><i class=${`swatch ${name}`}></i>${name} ${count > 0 && html`<span class="count">${number(load.data?.total ?? count)}</span>`}</h2>
    <p role="status" class=${message ? "result" : ""}>${message}</p>
    <${ErrorBox} problem=${load.problem} what=${`The dead letters of ${name} cannot be loaded.`} retry=${load.reload} />
    ${order && html`<p class="hint">${order}</p>`}
    ${!groups ? !load.problem && html`<${Skeleton} lines=${3} />`
      : groups.length > 0 ? html`<ul class="rows">${groups.map((g) => html`<${Group} key=${`${g.type} ${g.cause}`} at=${at} state="open" group=${g} onResolved=${onResolved} onShow=${show} />`)}</ul>`
      : !parked && !behind && html`<p class="hint">No dead letters are left.</p>`}
    ${parked > 0 && html`<${Retrying} name=${name} at=${at} onShow=${show} />`}
    ${shown > 0 && html`<${DeadLetter} key=${shown} at=${at} id=${shown} readers=${readers} onResolved=${onResolved} onShow=${show} onClose=${close} />`}
  </section>`;
}

/** Lists the events that the service retries by itself. */
function Retrying({ name, at, onShow }) {
  const load = usePoll((signal) => loadRetrying(at, signal), 3000, [at]);
  const groups = load.data?.groups ?? [], next = load.data?.next;
  return html`<div class="retrying"><h3>Retried automatically</h3>
    <${ErrorBox} problem=${load.problem} what=${`The events that ${name} retries cannot be loaded.`} retry=${load.reload} />
    ${!load.data ? !load.problem && html`<${Skeleton} lines=${2} />`
      : html`<p class="hint">${load.data.total === 0 ? "All of them were processed."
          : `${plural(load.data.total, "event")} failed. ${name} tries ${load.data.total === 1 ? "it" : "them"} again a few times by itself.${next ? ` The next attempt is ${next > Date.now() ? `at ${moment(next)}` : "now"}.` : ""}`}</p>
        <ul class="rows">${groups.map((g) => html`<${Group} key=${`${g.state} ${g.type} ${g.cause}`} at=${at} state=${g.state} group=${g} onShow=${onShow} />`)}</ul>`}
  </div>`;
}

/** Loads the parked and acting letters of a service: {groups, total, next}. next is the time of the next attempt in ms, or 0. */
async function loadRetrying(at, signal) {
  const pages = await Promise.all(["parked", "acting"].map((state) => get(withQuery(at, { state, limit: pageSize }), signal).then((page) => ({ ...page, state }))));
  const times = pages[0].items.map((l) => Date.parse(l.next_at)).filter(Boolean);
  return {
    groups: pages.flatMap(({ state, groups }) => groups.map((g) => ({ ...g, state }))),
    total: pages.reduce((sum, p) => sum + p.total, 0),
    next: times.length ? Math.min(...times) : 0,
  };
}
