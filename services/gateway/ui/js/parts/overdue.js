// Lists the orders that have been confirmed for too long without being shipped.

import { get, withQuery } from "../api.js";
import { Skeleton, ErrorBox, html, useEffect, useEvents, useLoad, useRef, useThrottle, useState } from "../view.js";
import { isolated, number, shortID, when } from "../format.js";

const pageSize = 50;
const initialCount = 5; // keeps the rest of the page within reach

/** Reports whether an event about an order may change the list, which holds the orders with these IDs. */
export const changesOverdue = (e, ids) => e.service === "sales" && (e.type === "sales.order_overdue" || ids.includes(e.subject));

export function Overdue() {
  const load = useLoad((signal) => get(withQuery("/orders", { overdue: true, limit: pageSize }), signal), []);
  const [all, showAll] = useState(false);
  const list = useRef(null);
  useEffect(() => { if (all) list.current?.children[initialCount]?.querySelector("a")?.focus(); }, [all]); // the button was removed
  const soon = useThrottle(load.reload, 500);
  const items = load.data?.items;
  useEvents((e) => { if (changesOverdue(e, items?.map((o) => o.id) ?? [])) soon(); });
  return html`<section class="panel" aria-labelledby="overdue">
    <h2 id="overdue">Overdue orders ${items && html`<span class="count">${number(items.length)}${load.data.next ? "+" : ""}</span>`}</h2>
    <${ErrorBox} problem=${load.problem} what="The overdue orders cannot be loaded." retry=${load.reload} />
    ${!items ? !load.problem && html`<${Skeleton} lines=${2} />`
      : items.length === 0 ? html`<p class="hint">No confirmed order has been waiting too long for the warehouse.</p>`
      : html`<p>These orders are confirmed and have been waiting too long for the warehouse. The oldest come first.</p>
        <ul class="rows" ref=${list}>${items.slice(0, all ? pageSize : initialCount).map((o) => html`<li key=${o.id}><div class="grow">
          <a href=${`/orders/${encodeURIComponent(o.id)}`} aria-label=${`Order ${shortID(o.id)} of ${isolated(o.customer)}`}>Order <span class="id">${shortID(o.id)}</span></a> <bdi>${o.customer}</bdi>
          <div class="hint">Placed ${when(o.placed_at)}, overdue since ${when(o.overdue_at)}</div></div></li>`)}</ul>`}
    ${!all && items?.length > initialCount && html`<button type="button" class="small" onClick=${() => showAll(true)}>Show ${number(items.length - initialCount)} more</button>`}
    ${all && load.data?.next && html`<p class="hint">These are the first ${number(items.length)}; more appear as the warehouse ships these.</p>`}
  </section>`;
}
