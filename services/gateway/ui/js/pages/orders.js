// The customer's orders, the latest first.

import { get, withQuery } from "../api.js";
import { Status, statusWord, statuses } from "../parts/shop-status.js";
import { go } from "../router.js";
import { session } from "../store.js";
import { Empty, Heading, Skeleton, Trouble, html, useEvents, useLoad, useRef, useSoon, useState } from "../view.js";
import { money, number, plural, shortID, when } from "../words.js";

const pageSize = 20;

/** All orders of a customer, the latest first. The API lists the oldest first, so they are all needed to begin with. */
export async function history(customer, signal, read = get) {
  const all = [];
  for (let after = ""; after !== undefined;) {
    const page = await read(withQuery("/orders", { customer, limit: 500, after }), signal);
    all.push(...page.items);
    after = page.next;
  }
  return all.reverse();
}

/** The orders with those in fresh in place of what they were, and new ones at the beginning. */
export function merged(orders, fresh) {
  const byID = new Map(fresh.map((o) => [o.id, o]));
  const renewed = orders.map((o) => {
    const f = byID.get(o.id);
    byID.delete(o.id);
    return f && f.version > o.version ? f : o;
  });
  return [...[...byID.values()].sort((a, b) => (a.id < b.id ? 1 : -1)), ...renewed];
}

export default function Orders({ query }) {
  const status = statuses.includes(query.get("status")) ? query.get("status") : "";
  const who = session.get()?.subject;
  const load = useLoad((signal) => history(who, signal), [who]);
  useLiveOrders(load, who);
  const [shown, setShown] = useState(pageSize);
  const all = load.data?.filter((o) => !status || o.status === status);
  return html`<${Heading} title="Orders" lead="What you ordered, and how far it is." />
    <${Trouble} problem=${load.problem} what="Your orders cannot be shown." retry=${load.reload} />
    ${load.data?.length > 0 && html`<${Filter} status=${status} />
      <p class="visually-hidden" role="status">${plural(all.length, "order")}</p>`}
    ${!load.data ? !load.problem && html`<div class="sheet"><${Skeleton} lines=${8} /></div>`
      : load.data.length === 0 ? html`<${Empty} title="No orders yet">What you order appears here. <a href="/">Look around</a><//>`
      : all.length === 0 ? html`<${Empty} title="None of these">No order of yours is in this state. <a href="/orders">Show all</a><//>`
      : html`<ul class="sheet rows">${all.slice(0, shown).map((o) => html`<${Row} key=${o.id} order=${o} />`)}</ul>`}
    ${all?.length > shown && html`<div class="more"><p class="hint">${number(shown)} of ${number(all.length)} shown</p>
      <button type="button" onClick=${() => setShown(shown + pageSize)}>Show more</button></div>`}`;
}

/** Asks for the orders that something happened to, and for those alone. */
function useLiveOrders(load, who) {
  const stale = useRef(new Set());
  const renew = useSoon(async () => {
    const ids = [...stale.current].slice(0, 50);
    for (const id of ids) stale.current.delete(id);
    if (stale.current.size) renew();
    const fresh = await get(withQuery("/orders", { customer: who, id: ids, limit: 500 })).catch(() => null);
    if (!fresh) return void load.reload();
    load.set((d) => d && merged(d, fresh.items));
  }, 200);
  useEvents((e) => {
    if (e.service !== "sales" || e.customer !== who) return;
    stale.current.add(e.subject);
    renew();
  });
}

function Filter({ status }) {
  return html`<div class="field narrow"><label for="status">Show</label>
    <select id="status" value=${status} onChange=${(e) => go(withQuery("/orders", { status: e.target.value }), { replace: true })}>
      <option value="">All orders</option>${statuses.map((s) => html`<option key=${s} value=${s}>${statusWord(s)}</option>`)}</select></div>`;
}

function Row({ order: o }) {
  const titles = o.lines.map((l) => l.title);
  return html`<li><div class="grow"><a href=${`/orders/${encodeURIComponent(o.id)}`}>Order <span class="id">${shortID(o.id)}</span></a>
      <div class="hint">${when(o.placed_at)}</div>
      <div class="titles">${titles.slice(0, 2).join(", ")}${titles.length > 2 ? ` and ${plural(titles.length - 2, "other")}` : ""}</div></div>
    <${Status} status=${o.status} /><span class="price amount-of-line">${money(o.total)}</span></li>`;
}
