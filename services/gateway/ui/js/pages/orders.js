// Lists the customer's orders, newest first.

import { get, withQuery } from "../api.js";
import { More, useList } from "../parts/list.js";
import { Status, statusLabel, statuses } from "../parts/shop-status.js";
import { go, address } from "../router.js";
import { session } from "../store.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useEvents, useRef, useThrottle } from "../view.js";
import { money, plural, shortID, when } from "../format.js";

const pageSize = 20;

/**
 * Merges fresh orders into a list {items, next}: replaces older versions and inserts
 * new orders, whose IDs sort by time. Ignores orders beyond the last loaded page.
 */
export function mergeOrders(known, fresh) {
  const byID = new Map(known.items.map((o) => [o.id, o]));
  const oldest = known.next ? known.items.at(-1).id : "";
  for (const f of fresh) {
    const before = byID.get(f.id);
    if (before ? f.version > before.version : f.id > oldest) byID.set(f.id, f);
  }
  return { ...known, items: [...byID.values()].sort((a, b) => (a.id < b.id ? 1 : -1)) };
}

export default function Orders({ query }) {
  const status = statuses.includes(query.get("status")) ? query.get("status") : "";
  return html`<${Heading} title="Orders" lead="Your orders and their current status." /><${List} key=${address.get().entry} status=${status} />`;
}

function List({ status }) {
  const who = session.get()?.subject;
  const page = (after, limit, signal) => get(withQuery("/orders", { customer: who, status, sort: "-id", limit, after }), signal);
  const load = useList(page, pageSize, (o) => o.id, [who, status]);
  useLiveOrders(load, who);
  const orders = load.data?.items.filter((o) => !status || o.status === status);
  return html`
    <${ErrorBox} problem=${load.problem} what="Your orders cannot be loaded." retry=${load.reload} />
    ${(orders?.length > 0 || status) && html`<${Filter} status=${status} />
      <p class="visually-hidden" role="status">${orders && !load.busy ? `${plural(orders.length, "order")} shown` : ""}</p>`}
    ${!orders ? !load.problem && html`<div class="panel"><${Skeleton} lines=${8} /></div>`
      : orders.length > 0 ? html`<ul class="panel rows">${orders.map((o) => html`<${Row} key=${o.id} order=${o} />`)}</ul>`
      : status ? html`<${Empty} title="No orders with this status">None of your orders has this status. <a href="/orders">Show all orders</a><//>`
      : html`<${Empty} title="No orders yet">Orders that you place appear here. <a href="/">Browse products</a><//>`}
    <${More} list=${load} />`;
}

/** Reloads only the orders that events are about. */
function useLiveOrders(load, who) {
  const stale = useRef(new Set());
  const renew = useThrottle(async () => {
    const ids = [...stale.current].slice(0, 50);
    for (const id of ids) stale.current.delete(id);
    if (stale.current.size) renew();
    const fresh = await get(withQuery("/orders", { customer: who, id: ids, limit: 500 })).catch(() => null);
    if (!fresh) return void load.reload();
    load.set((d) => d && mergeOrders(d, fresh.items));
  }, 200);
  useEvents((e) => {
    if (e.service !== "sales" || e.customer !== who) return;
    stale.current.add(e.subject);
    renew();
  });
}

function Filter({ status }) {
  return html`<div class="field narrow"><label for="status">Filter by status</label>
    <select id="status" value=${status} onChange=${(e) => go(withQuery("/orders", { status: e.target.value }), { replace: true })}>
      <option value="">All orders</option>${statuses.map((s) => html`<option key=${s} value=${s}>${statusLabel(s)}</option>`)}</select></div>`;
}

function Row({ order: o }) {
  const titles = o.lines.slice(0, 2).flatMap((l, i) => [i ? ", " : "", html`<bdi key=${l.sku}>${l.title}</bdi>`]), others = o.lines.length - 2;
  return html`<li><div class="grow"><a href=${`/orders/${encodeURIComponent(o.id)}`}>Order <span class="id">${shortID(o.id)}</span></a>
      <div class="hint">${when(o.placed_at)}</div>
      <div class="titles">${titles}${others > 0 ? ` and ${plural(others, "other")}` : ""}</div></div>
    <${Status} status=${o.status} /><span class="price amount-of-line">${money(o.total)}</span></li>`;
}
