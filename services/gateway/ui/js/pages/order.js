// Renders one order and its progress.

import { ask, get } from "../api.js";
import { Status, mayCancel, stepsOf } from "../parts/shop-status.js";
import { basket, notify, session, withProduct } from "../store.js";
import { Heading, Skeleton, ErrorBox, html, useSignal, useEffect, useEvents, useLoad, useRef, useThrottle, useState } from "../view.js";
import { isolated, money, number, plural, shortID, total, when } from "../format.js";
import { Tile } from "./shop.js";

export default function OrderPage({ params: { id } }) {
  const load = useLoad((signal) => get(`/orders/${encodeURIComponent(id)}`, signal), [id]);
  const soon = useThrottle(load.reload, 50);
  useEvents((e) => { if (e.service === "sales" && e.subject === id) soon(); });
  useRefreshWhilePlaced(load);
  const order = load.data;
  if (!order && load.problem?.status === 404) return html`<${Heading} title="Order not found" />
    <p>There is no order with this ID, or it is not yours.</p><p><a class="button primary" href="/orders">Your orders</a></p>`;
  return html`<p class="back"><a href="/orders">All orders</a></p>
    <${Heading} title=${`Order ${shortID(id)}`} lead=${order && html`Placed ${when(order.placed_at)}${order.customer !== session.get()?.subject ? ` by ${isolated(order.customer)}` : ""}`}>
      ${order && html`<${Status} status=${order.status} />`}<//>
    <${ErrorBox} problem=${load.problem} what="The current state of this order cannot be loaded." retry=${load.reload} />
    ${order ? html`<${Progress} order=${order} /><${Lines} order=${order} /><${Cancel} order=${order} took=${load.set} />
      <p class="hint">Order ID <code class="id">${order.id}</code></p>`
      : !load.problem && html`<div class="panel"><${Skeleton} lines=${8} /></div>`}`;
}

/** Polls an order while it is placed, in case the event stream is disconnected. */
function useRefreshWhilePlaced(load) {
  const open = load.data?.status === "placed";
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    if (!open) return undefined;
    const timer = setInterval(() => { if (!document.hidden) latest.current.reload(); }, 5000);
    return () => clearInterval(timer);
  }, [open]);
}

const statusTexts = {
  placed: "The shop is checking whether all items are in stock. This takes a moment. You can leave this page.",
  confirmed: "All items are reserved for you. The warehouse ships them next.",
  shipped: "Your order has been shipped.",
  cancelled: "The order was cancelled. Its items are no longer reserved.",
};

function Progress({ order: o }) {
  const steps = stepsOf(o.status);
  const at = steps.findLastIndex((s) => s.state);
  return html`<section class="panel" aria-label="Progress">
    <ol class="order-steps">${steps.map(({ label, state }, i) => html`<li key=${i} class=${state} aria-current=${i === at ? "step" : null}>${label}
      <span class="visually-hidden">${state === "done" ? ", done" : state === "now" ? ", in progress" : state === "bad" ? ", final" : ", not yet done"}</span></li>`)}</ol>
    <p role="status" class="status-text">${textOf(o)}</p>
  </section>`;
}

function textOf(o) {
  if (o.status === "confirmed" && o.overdue_at) return "All items are reserved for you. Shipping them takes longer than usual.";
  if (o.status === "cancelled" && o.reason === "timed_out") return "The shop cancelled the order because it could not check the stock in time. Nothing is reserved, and you pay nothing.";
  return statusTexts[o.status] ?? rejectedText(o);
}

function rejectedText(o) {
  const short = o.lines.filter((l) => l.short > 0);
  const of = short.length === 1 ? isolated(short[0].title) : short.length ? plural(short.length, "item") : "an item";
  return `The order could not be fulfilled: there was not enough stock of ${of}. Nothing is reserved, and you pay nothing.`;
}

function Lines({ order: o }) {
  return html`<section class="panel" aria-labelledby="lines"><h2 id="lines">Ordered items</h2>
    <ul class="rows">${o.lines.map((l) => html`<li key=${l.sku} class=${l.short ? "invalid" : ""}>
      <span class="thumb"><${Tile} sku=${l.sku} /></span>
      <div class="grow"><a href=${`/products/${encodeURIComponent(l.sku)}`}><bdi>${l.title}</bdi></a>
        <div class="hint">${number(l.quantity)} × ${money(l.price)}</div>
        ${l.short > 0 && html`<div class="field-error">${l.short >= l.quantity ? "None in stock." : `${number(l.short)} of ${number(l.quantity)} were not in stock.`}</div>`}</div>
      <span class="price amount-of-line">${money(total([l])[0])}</span></li>`)}</ul>
    <p class="sum"><span>Total</span><span>${money(o.total)}</span></p>
    ${o.status === "rejected" && html`<${Reorder} order=${o} />`}</section>`;
}

/** Offers to add the available items of a rejected order to the basket. */
function Reorder({ order: o }) {
  const there = o.lines.map((l) => ({ ...l, quantity: l.quantity - (l.short ?? 0) })).filter((l) => l.quantity > 0);
  if (!there.length) return null;
  const take = () => {
    if (basket.get().pending) return notify("An order is being sent. You can change the basket when the shop has responded.", "/basket");
    basket.set((b) => there.reduce((all, l) => withProduct(all, l, l.quantity), b));
    notify("The available items were added to the basket.", "/basket");
  };
  return html`<p class="order-now"><button type="button" class="primary" onClick=${take}>Add available items to basket</button></p>`;
}

function Cancel({ order: o, took }) {
  const who = useSignal(session);
  const [state, setState] = useState({});
  const yes = useRef(null), open = useRef(null);
  useEffect(() => { if (state.asked) yes.current?.focus(); }, [state.asked]);
  const keep = () => { setState({}); setTimeout(() => open.current?.focus()); }; // after it is rendered again
  if (!mayCancel(o, who)) return html`<${ErrorBox} problem=${state.problem} />`;
  const cancel = async () => {
    if (state.busy) return;
    setState({ asked: true, busy: true });
    try {
      const { data } = await ask("POST", `/orders/${encodeURIComponent(o.id)}/cancel`);
      took((known) => (known.version > data.version ? known : data)); // a reload may have brought a newer version
      setState({});
      document.querySelector("h1")?.focus();
    } catch (problem) {
      setState({ problem });
    }
  };
  return html`<${ErrorBox} what="The order was not cancelled." problem=${state.problem} />
    ${state.asked ? html`<div class="row" role="group" aria-label="Cancel order"><span>Cancel the whole order?</span>
        <button type="button" class="danger" ref=${yes} aria-disabled=${Boolean(state.busy)} onClick=${cancel}>${state.busy ? "Cancelling…" : "Yes, cancel order"}</button>
        <button type="button" onClick=${keep}>No, keep order</button></div>`
      : html`<p><button type="button" class="danger" ref=${open} onClick=${() => setState({ asked: true })}>Cancel order</button></p>`}`;
}
