// Lists the confirmed orders to ship.

import { ask, get, withQuery } from "../api.js";
import { notify } from "../store.js";
import { Empty, Skeleton, ErrorBox, html, useEffect, useEvents, usePassFocus, useLoad, useRef, useThrottle, useState } from "../view.js";
import { isolated, number, plural, shortID, when } from "../format.js";

const pageSize = 50;
const initialCount = 10; // keeps the rest of the page within reach

export function Shipping() {
  const load = useLoad((signal) => get(withQuery("/orders", { status: "confirmed", limit: pageSize }), signal), []);
  const [all, showAll] = useState(false);
  const list = useRef(null);
  useEffect(() => { if (all) list.current?.children[initialCount]?.querySelector("a")?.focus(); }, [all]); // the button was removed
  const soon = useThrottle(load.reload, 500);
  const gone = (id) => load.set((d) => d && { ...d, items: d.items.filter((o) => o.id !== id) });
  useEvents((e) => {
    if (e.service !== "sales" || !e.type.startsWith("sales.order_")) return;
    if (e.type === "sales.order_confirmed" || e.type === "sales.order_overdue") soon();
    else if (load.data?.items.some((o) => o.id === e.subject)) { gone(e.subject); if (load.data.next) soon(); }
  });
  const items = load.data?.items;
  return html`<section class="panel" aria-labelledby="ship">
    <h2 id="ship">Orders to ship ${items && html`<span class="count">${number(items.length)}${load.data.next ? "+" : ""}</span>`}</h2>
    <${ErrorBox} problem=${load.problem} what="The orders cannot be loaded." retry=${load.reload} />
    ${!items ? !load.problem && html`<${Skeleton} lines=${6} />`
      : items.length === 0 ? html`<${Empty} title="No orders to ship">Orders appear here as soon as they are confirmed.<//>`
      : html`<ul class="rows shipments" ref=${list}>${items.slice(0, all ? pageSize : initialCount).map((o) => html`<${Shipment} key=${o.id} order=${o} gone=${gone} />`)}</ul>`}
    ${!all && items?.length > initialCount && html`<button type="button" class="small" onClick=${() => showAll(true)}>Show ${number(items.length - initialCount)} more</button>`}
    ${all && load.data?.next && html`<p class="hint">These are the first ${number(items.length)}; more appear as you ship these.</p>`}
  </section>`;
}

function Shipment({ order: o, gone }) {
  const [busy, setBusy] = useState(false), [problem, setProblem] = useState(null);
  const row = useRef(null);
  usePassFocus(row, "button.primary");
  const ship = async () => {
    if (busy) return;
    setBusy(true); setProblem(null);
    try {
      await ask("POST", `/orders/${encodeURIComponent(o.id)}/ship`);
      notify(`The order of ${isolated(o.customer)} was shipped.`);
      gone(o.id);
    } catch (failed) {
      setBusy(false); setProblem(failed);
    }
  };
  return html`<li ref=${row}><div class="grow">
      <p class="tight"><strong><bdi>${o.customer}</bdi></strong> <a class="id" href=${`/orders/${encodeURIComponent(o.id)}`} aria-label=${`Order ${shortID(o.id)} of ${isolated(o.customer)}`}>${shortID(o.id)}</a> <span class="hint date">${when(o.placed_at)}</span>${o.overdue_at && html` <span class="badge warn">Overdue</span>`}</p>
      <ul class="order-lines">${o.lines.map((l) => html`<li key=${l.sku}><strong>${number(l.quantity)} ×</strong> <bdi>${l.title ?? l.sku}</bdi> <span class="sku">${l.sku}</span></li>`)}</ul>
      <${ErrorBox} problem=${problem} what="The order was not shipped." />
    </div>
    <button type="button" class="primary" aria-disabled=${busy} aria-label=${`Ship order of ${isolated(o.customer)}, ${plural(o.lines.length, "line")}, ${shortID(o.id)}`} onClick=${ship}>${busy ? "Shipping…" : "Ship order"}</button>
  </li>`;
}
