// What is to be ordered, at the prices of now, and ordering it.

import { abandonOrder, order, send, sending } from "../parts/shop-order.js";
import { productsOf } from "../parts/shop-products.js";
import { basket, isSignedIn, notify, session, signingIn, withQuantity } from "../store.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useSignal, useEffect, useLoad, useRef, useState } from "../view.js";
import { isolated, money, number, plural, sentence, total } from "../format.js";
import { Tile, useLiveProducts } from "./shop.js";

const most = 1_000_000_000; // pieces of one SKU in an order

export default function Basket() {
  const { lines, pending } = useSignal(basket);
  const state = useSignal(sending);
  const skus = lines.map((l) => l.sku);
  const now = useLoad((signal) => productsOf(skus, signal), [skus.join()]);
  useLiveProducts(now, true);
  useEffect(() => { send(); }, []);
  useFocusOnOrder(Boolean(pending), state.problem);
  const bySKU = new Map(now.data?.items.map((p) => [p.sku, p]));
  const shown = lines.map((l) => withCurrentPrice(l, bySKU.get(l.sku), now.data?.skus.has(l.sku)));
  if (!lines.length) return html`<${Heading} title="Basket" /><${PendingOrder} pending=${pending} state=${state} />
    <${Empty} title="Nothing in it yet">What you put into the basket is kept in this browser until you order it. <a href="/">Look around</a><//>`;
  return html`<${Heading} title="Basket" />
    <${PendingOrder} pending=${pending} state=${state} />
    <${OrderRefused} state=${pending ? {} : state} />
    <${ErrorBox} problem=${now.problem} what="Prices and stock may be older than shown." retry=${now.reload} />
    <div class="panel">
      <ul class="rows" aria-label="Lines">${shown.map((l) => html`<${Line} key=${l.sku} line=${l} fixed=${Boolean(pending)} wrong=${state.lines?.[l.sku]} />`)}</ul>
      <${Sums} lines=${shown} />
      <${Order} pending=${pending} busy=${state.busy} />
    </div>`;
}

/** What is pressed goes away once it is pressed, so the focus follows the order: to what is said of it, or what to do. */
function useFocusOnOrder(pending, problem) {
  const first = useRef(true);
  useEffect(() => {
    const shown = first.current;
    first.current = false;
    if (shown || (document.activeElement !== document.body && document.activeElement?.tagName !== "H1")) return;
    (document.querySelector(".pending-order button.primary, .error-box.refused") ?? document.querySelector("h1"))?.focus();
  }, [pending, problem]);
}

/** A line as catalog has it now: what it was put in at is only what it was. */
function withCurrentPrice(line, product, known) {
  if (!product) return { ...line, gone: Boolean(known) };
  const was = product.price.amount !== line.price?.amount || product.price.currency !== line.price?.currency ? line.price : null;
  return { ...line, title: product.title, price: product.price, was, left: product.withdrawn ? undefined : product.quantity, gone: Boolean(product.withdrawn) };
}

function Line({ line: l, fixed, wrong }) {
  const remove = () => {
    basket.set((b) => withQuantity(b, l.sku, 0));
    notify(`${isolated(l.title)} is out of the basket.`);
    document.querySelector("h1")?.focus(); // the button is gone
  };
  const [text, setText] = useState(null); // while it is typed, and where it is no number of pieces
  const [typed, setTyped] = useState(false); // nobody is told that what is half typed is wrong
  const odd = typed && text !== null && parseQuantity(text) === null;
  const remark = odd ? `Whole pieces from 1 to ${number(most)}. It stays at ${number(l.quantity)}.` : wrong ? sentence(wrong) : l.gone ? "This is no longer offered: take it out to order the rest." : stockRemark(l);
  const id = `remark-${l.sku}`;
  const faulty = odd || wrong || l.gone;
  return html`<li class=${faulty ? "invalid" : ""}>
    <span class="thumb"><${Tile} sku=${l.sku} /></span>
    <div class="grow"><a href=${`/products/${encodeURIComponent(l.sku)}`}><bdi>${l.title}</bdi></a>
      <div class="hint">${money(l.price)} each${l.was && html` <span>(was ${money(l.was)} when you put it in)</span>`}</div>
      <div id=${id} class=${faulty ? "field-error" : "remark"} role="status">${remark}</div></div>
    <${Quantity} line=${l} fixed=${fixed} describedBy=${id} text=${text} setText=${setText} setTyped=${setTyped} odd=${odd} />
    <span class="price amount-of-line">${money(total([l])[0])}</span>
    <button type="button" class="small" disabled=${fixed} onClick=${remove}>Remove<span class="visually-hidden"> ${l.title}</span></button>
  </li>`;
}

function stockRemark({ left, quantity }) {
  if (left === undefined || left >= quantity) return "";
  return left <= 0 ? "Sold out right now: an order with it would be refused as a whole." : `Only ${number(left)} left: an order of more would be refused as a whole.`;
}

/** The pieces that a text says, or null where it says none that can be ordered. */
export function parseQuantity(text) {
  const n = /^\d+$/.test(text.trim()) ? Number(text) : 0;
  return n >= 1 && n <= most ? n : null;
}

function Quantity({ line: l, fixed, describedBy, text, setText, setTyped, odd }) {
  const take = (n) => {
    setText(null); setTyped(false);
    basket.set((b) => withQuantity(b, l.sku, n));
  };
  const typed = (e) => {
    const n = parseQuantity(e.target.value);
    if (n === null) setTyped(true);
    else take(n);
  };
  const step = (by, sign, word) => html`<button type="button" class="small" disabled=${fixed || parseQuantity(String(l.quantity + by)) === null} aria-label=${`One ${isolated(l.title)} ${word}`} onClick=${() => take(l.quantity + by)}>${sign}</button>`;
  return html`<span class="stepper">${step(-1, "−", "less")}
    <input class="quantity" type="text" inputmode="numeric" maxlength="20" disabled=${fixed} aria-label=${`Pieces of ${isolated(l.title)}`} aria-describedby=${describedBy} aria-invalid=${odd}
      value=${text ?? String(l.quantity)} onInput=${(e) => setText(e.target.value)} onChange=${typed}
      onKeyDown=${(e) => { if (e.key === "Enter") typed(e); }} />
    ${step(1, "+", "more")}</span>`;
}

function Sums({ lines }) {
  const sums = total(lines);
  return html`<p class="sum"><span>Total</span><span role="status">${sums.map(money).join(" + ")}</span></p>
    ${sums.length > 1 && html`<p class="field-error">An order is paid in one currency: order what is priced in the others apart.</p>`}`;
}

function Order({ pending, busy }) {
  const who = useSignal(session);
  if (pending) return null; // Unsaid tells
  return html`<div class="order-now">
    <p class="hint">${who ? "All of it or nothing: the order is confirmed once the stock for every line is set aside." : "You are asked who you are, and then order."}</p>
    <button type="button" class="primary" aria-disabled=${Boolean(busy)} onClick=${() => (isSignedIn() ? order() : signingIn.set("order"))}>
      ${who ? `Order as ${who.subject}` : "Sign in to order"}</button></div>`;
}

/** An order that was sent and not answered. */
function PendingOrder({ pending, state }) {
  const who = useSignal(session);
  if (!pending) return null;
  const mine = who?.subject === pending.subject;
  const count = pending.body.lines.length;
  if (mine && !state.problem) return html`<div class="panel pending-order" role="status"><h2>Placing your order…</h2><p>${plural(count, "line is", "lines are")} on the way to the shop.</p><${Skeleton} lines=${1} /></div>`;
  return html`<div class="panel pending-order" role="status"><h2>Your order is not answered yet</h2>
    <p>${!mine ? `${pending.subject} sent an order of ${plural(count, "line")} from this browser, and nobody knows yet whether it arrived. Sign in as ${pending.subject} to see it through.`
      : `${state.problem.message} It is sent again by itself until the shop answers, and is placed once however often it is sent.`}</p>
    <div class="row">${mine ? html`<button type="button" class="primary" aria-disabled=${Boolean(state.busy)} onClick=${send}>${state.busy ? "Sending…" : "Send it now"}</button>`
      : html`<button type="button" class="primary" onClick=${() => signingIn.set("order")}>Sign in</button>`}
      <button type="button" onClick=${abandonOrder}>Stop sending it</button></div>
    <p class="hint">If you stop, look at the orders before you order again: it may have arrived.</p></div>`;
}

function OrderRefused({ state: { problem, lines = {} } }) {
  if (!problem) return null;
  const many = Object.keys(lines).length;
  return html`<${ErrorBox} kind="refused" what="The order was not placed." problem=${many ? { message: `See what is said at ${many === 1 ? "the line" : `${number(many)} lines`} below.` } : problem} />`;
}
