// Renders the basket with current prices and places orders.

import { abandonOrder, order, send, sending } from "../parts/shop-order.js";
import { productsOf } from "../parts/shop-products.js";
import { basket, isSignedIn, notify, session, signingIn, withQuantity } from "../store.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useSignal, useEffect, useLoad, useRef, useState } from "../view.js";
import { isolated, money, number, plural, sentence, total } from "../format.js";
import { Tile, useLiveProducts } from "./shop.js";

const maxQuantity = 1_000_000_000; // units of one SKU in an order, as sales limits it

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
    <${Empty} title="Your basket is empty">Products that you add are saved in this browser until you order them. <a href="/">Browse products</a><//>`;
  return html`<${Heading} title="Basket" />
    <${PendingOrder} pending=${pending} state=${state} />
    <${OrderRefused} state=${pending ? {} : state} />
    <${ErrorBox} problem=${now.problem} what="Prices and stock levels may be out of date." retry=${now.reload} />
    <div class="panel">
      <ul class="rows" aria-label="Basket items">${shown.map((l) => html`<${Line} key=${l.sku} line=${l} fixed=${Boolean(pending)} wrong=${state.lines?.[l.sku]} />`)}</ul>
      <${Sums} lines=${shown} />
      <${Order} pending=${pending} busy=${state.busy} />
    </div>`;
}

/** Moves the focus to the order's message or button, because the pressed button disappears. */
function useFocusOnOrder(pending, problem) {
  const first = useRef(true);
  useEffect(() => {
    const shown = first.current;
    first.current = false;
    if (shown || (document.activeElement !== document.body && document.activeElement?.tagName !== "H1")) return;
    (document.querySelector(".pending-order button.primary, .error-box.refused") ?? document.querySelector("h1"))?.focus();
  }, [pending, problem]);
}

/** Returns a line with the product's current title, price and stock. was holds a price that has changed since. */
function withCurrentPrice(line, product, known) {
  if (!product) return { ...line, gone: Boolean(known) };
  const was = product.price.amount !== line.price?.amount || product.price.currency !== line.price?.currency ? line.price : null;
  return { ...line, title: product.title, price: product.price, was, left: product.withdrawn ? undefined : product.quantity, gone: Boolean(product.withdrawn) };
}

function Line({ line: l, fixed, wrong }) {
  const remove = () => {
    basket.set((b) => withQuantity(b, l.sku, 0));
    notify(`${isolated(l.title)} was removed from the basket.`);
    document.querySelector("h1")?.focus(); // the button was removed
  };
  const [text, setText] = useState(null); // the raw input while the user types or if it is invalid
  const [typed, setTyped] = useState(false); // do not report an error while the user is typing
  const odd = typed && text !== null && parseQuantity(text) === null;
  const remark = odd ? `Enter a whole number from 1 to ${number(maxQuantity)}. The quantity stays at ${number(l.quantity)}.` : wrong ? sentence(wrong) : l.gone ? "This product is no longer offered. Remove it to order the rest." : stockRemark(l);
  const id = `remark-${l.sku}`;
  const faulty = odd || wrong || l.gone;
  return html`<li class=${faulty ? "invalid" : ""}>
    <span class="thumb"><${Tile} sku=${l.sku} /></span>
    <div class="grow"><a href=${`/products/${encodeURIComponent(l.sku)}`}><bdi>${l.title}</bdi></a>
      <div class="hint">${money(l.price)} each${l.was && html` <span>(was ${money(l.was)} when you added it)</span>`}</div>
      <div id=${id} class=${faulty ? "field-error" : "remark"} role="status">${remark}</div></div>
    <${Quantity} line=${l} fixed=${fixed} describedBy=${id} text=${text} setText=${setText} setTyped=${setTyped} odd=${odd} />
    <span class="price amount-of-line">${money(total([l])[0])}</span>
    <button type="button" class="small" disabled=${fixed} onClick=${remove}>Remove<span class="visually-hidden"> ${l.title}</span></button>
  </li>`;
}

function stockRemark({ left, quantity }) {
  if (left === undefined || left >= quantity) return "";
  return left <= 0 ? "Sold out. An order that includes this product would be rejected." : `Only ${number(left)} left. An order for more would be rejected as a whole.`;
}

/** Parses a quantity. Returns null if it cannot be ordered. */
export function parseQuantity(text) {
  const n = /^\d+$/.test(text.trim()) ? Number(text) : 0;
  return n >= 1 && n <= maxQuantity ? n : null;
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
  const step = (by, sign, word) => html`<button type="button" class="small" disabled=${fixed || parseQuantity(String(l.quantity + by)) === null} aria-label=${`${word} the quantity of ${isolated(l.title)}`} onClick=${() => take(l.quantity + by)}>${sign}</button>`;
  return html`<span class="stepper">${step(-1, "−", "Decrease")}
    <input class="quantity" type="text" inputmode="numeric" maxlength="20" disabled=${fixed} aria-label=${`Quantity of ${isolated(l.title)}`} aria-describedby=${describedBy} aria-invalid=${odd}
      value=${text ?? String(l.quantity)} onInput=${(e) => setText(e.target.value)} onChange=${typed}
      onKeyDown=${(e) => { if (e.key === "Enter") typed(e); }} />
    ${step(1, "+", "Increase")}</span>`;
}

function Sums({ lines }) {
  const sums = total(lines);
  return html`<p class="sum"><span>Total</span><span role="status">${sums.map(money).join(" + ")}</span></p>
    ${sums.length > 1 && html`<p class="field-error">An order can use only one currency. Place a separate order for products in another currency.</p>`}`;
}

function Order({ pending, busy }) {
  const who = useSignal(session);
  if (pending) return null; // PendingOrder shows it
  return html`<div class="order-now">
    <p class="hint">${who ? "The order is confirmed only if every item is in stock. Otherwise the whole order is rejected." : "Sign in first. Then you can place the order."}</p>
    <button type="button" class="primary" aria-disabled=${Boolean(busy)} onClick=${() => (isSignedIn() ? order() : signingIn.set("order"))}>
      ${who ? `Order as ${who.subject}` : "Sign in to order"}</button></div>`;
}

/** Shows an order that was sent and has no response yet. */
function PendingOrder({ pending, state }) {
  const who = useSignal(session);
  if (!pending) return null;
  const mine = who?.subject === pending.subject;
  const count = pending.body.lines.length;
  if (mine && !state.problem) return html`<div class="panel pending-order" role="status"><h2>Placing your order…</h2><p>Sending ${plural(count, "item")} to the shop.</p><${Skeleton} lines=${1} /></div>`;
  return html`<div class="panel pending-order" role="status"><h2>Your order is not confirmed as received</h2>
    <p>${!mine ? `${pending.subject} sent an order with ${plural(count, "item")} from this browser, but the shop has not confirmed that it arrived. Sign in as ${pending.subject} to finish it.`
      : `${state.problem.message} The page resends the order automatically until the shop responds. It is placed only once.`}</p>
    <div class="row">${mine ? html`<button type="button" class="primary" aria-disabled=${Boolean(state.busy)} onClick=${send}>${state.busy ? "Sending…" : "Resend order now"}</button>`
      : html`<button type="button" class="primary" onClick=${() => signingIn.set("order")}>Sign in</button>`}
      <button type="button" onClick=${abandonOrder}>Stop resending</button></div>
    <p class="hint">If you stop, check your orders before you order again. The order may already have arrived.</p></div>`;
}

function OrderRefused({ state: { problem, lines = {} } }) {
  if (!problem) return null;
  const many = Object.keys(lines).length;
  return html`<${ErrorBox} kind="refused" what="The order was not placed." problem=${many ? { message: `See the ${many === 1 ? "message at the item" : `messages at the ${number(many)} items`} below.` } : problem} />`;
}
