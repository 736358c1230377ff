// One order, and how it gets on.

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
  if (!order && load.problem?.status === 404) return html`<${Heading} title="No such order" />
    <p>There is no order with this ID, or it is not yours.</p><p><a class="button primary" href="/orders">Your orders</a></p>`;
  return html`<p class="back"><a href="/orders">All orders</a></p>
    <${Heading} title=${`Order ${shortID(id)}`} lead=${order && html`Placed ${when(order.placed_at)}${order.customer !== session.get()?.subject ? ` by ${isolated(order.customer)}` : ""}`}>
      ${order && html`<${Status} status=${order.status} />`}<//>
    <${ErrorBox} problem=${load.problem} what="This order cannot be shown as it is now." retry=${load.reload} />
    ${order ? html`<${Progress} order=${order} /><${Lines} order=${order} /><${Cancel} order=${order} took=${load.set} />
      <p class="hint">Number <code class="id">${order.id}</code></p>`
      : !load.problem && html`<div class="panel"><${Skeleton} lines=${8} /></div>`}`;
}

/** A placed order is settled within moments: where no event tells (no stream, or one was cut), it is asked for. */
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
  placed: "The shop is looking whether all of it can be had. This takes a moment; you may leave this page.",
  confirmed: "Everything is set aside for you and waits to be shipped.",
  shipped: "It is on its way to you.",
  cancelled: "The order was cancelled. What was set aside for it is free again.",
};

function Progress({ order: o }) {
  const steps = stepsOf(o.status);
  const at = steps.findLastIndex((s) => s.state);
  return html`<section class="panel" aria-label="Progress">
    <ol class="order-steps">${steps.map(({ label, state }, i) => html`<li key=${i} class=${state} aria-current=${i === at ? "step" : null}>${label}
      <span class="visually-hidden">${state === "done" ? ", done" : state === "now" ? ", under way" : state === "bad" ? ", the end of it" : ", still to come"}</span></li>`)}</ol>
    <p role="status" class="status-text">${statusTexts[o.status] ?? rejectedText(o)}</p>
  </section>`;
}

function rejectedText(o) {
  const short = o.lines.filter((l) => l.short > 0);
  const of = short.length === 1 ? isolated(short[0].title) : short.length ? plural(short.length, "line") : "it";
  return `The order could not be filled: there was not enough of ${of}. Nothing was set aside, and nothing is to be paid.`;
}

function Lines({ order: o }) {
  return html`<section class="panel" aria-labelledby="lines"><h2 id="lines">What was ordered</h2>
    <ul class="rows">${o.lines.map((l) => html`<li key=${l.sku} class=${l.short ? "invalid" : ""}>
      <span class="thumb"><${Tile} sku=${l.sku} /></span>
      <div class="grow"><a href=${`/products/${encodeURIComponent(l.sku)}`}><bdi>${l.title}</bdi></a>
        <div class="hint">${number(l.quantity)} × ${money(l.price)}</div>
        ${l.short > 0 && html`<div class="field-error">${l.short >= l.quantity ? "None of it was there." : `${number(l.short)} of ${number(l.quantity)} were missing.`}</div>`}</div>
      <span class="price amount-of-line">${money(total([l])[0])}</span></li>`)}</ul>
    <p class="sum"><span>Total</span><span>${money(o.total)}</span></p>
    ${o.status === "rejected" && html`<${Reorder} order=${o} />`}</section>`;
}

/** What there was enough of, put into the basket again. */
function Reorder({ order: o }) {
  const there = o.lines.map((l) => ({ ...l, quantity: l.quantity - (l.short ?? 0) })).filter((l) => l.quantity > 0);
  if (!there.length) return null;
  const take = () => {
    if (basket.get().pending) return notify("An order is on its way. The basket can be changed once it is answered.", "/basket");
    basket.set((b) => there.reduce((all, l) => withProduct(all, l, l.quantity), b));
    notify("What was there is in the basket again.", "/basket");
  };
  return html`<p class="order-now"><button type="button" class="primary" onClick=${take}>Put what was there into the basket</button></p>`;
}

function Cancel({ order: o, took }) {
  const who = useSignal(session);
  const [state, setState] = useState({});
  const yes = useRef(null), open = useRef(null);
  useEffect(() => { if (state.asked) yes.current?.focus(); }, [state.asked]);
  const keep = () => { setState({}); setTimeout(() => open.current?.focus()); }; // once it is there again
  if (!mayCancel(o, who)) return html`<${ErrorBox} problem=${state.problem} />`;
  const cancel = async () => {
    if (state.busy) return;
    setState({ asked: true, busy: true });
    try {
      const { data } = await ask("POST", `/orders/${encodeURIComponent(o.id)}/cancel`);
      took((known) => (known.version > data.version ? known : data)); // an event may have been faster
      setState({});
      document.querySelector("h1")?.focus();
    } catch (problem) {
      setState({ problem });
    }
  };
  return html`<${ErrorBox} what="The order was not cancelled." problem=${state.problem} />
    ${state.asked ? html`<div class="row" role="group" aria-label="Cancel the order?"><span>Cancel the whole order?</span>
        <button type="button" class="danger" ref=${yes} aria-disabled=${Boolean(state.busy)} onClick=${cancel}>${state.busy ? "Cancelling…" : "Yes, cancel it"}</button>
        <button type="button" onClick=${keep}>No, keep it</button></div>`
      : html`<p><button type="button" class="danger" ref=${open} onClick=${() => setState({ asked: true })}>Cancel the order</button></p>`}`;
}
