// Renders one product with live stock.

import { get } from "../api.js";
import { Heading, Skeleton, ErrorBox, html, useSignal, useEvents, useLoad, useThrottle } from "../view.js";
import { isSKU, money } from "../format.js";
import { Availability, ProductAction, Tile, wishes } from "./shop.js";

const gone = (problem) => problem?.status === 404;

export default function Product({ params: { sku } }) {
  return isSKU(sku) ? html`<${ProductPage} sku=${sku} />` : html`<${NothingFound} sku=${sku} />`;
}

function ProductPage({ sku }) {
  const load = useLoad((signal) => get(`/products/${encodeURIComponent(sku)}`, signal), [sku]);
  const soon = useThrottle(load.reload, 150);
  useEvents((e) => { if (e.service === "catalog" && e.subject === sku.toUpperCase()) soon(); });
  const known = load.data;
  if (!known && gone(load.problem)) return html`<${NothingFound} sku=${sku} />`;
  // Keep showing a product that is withdrawn while the page is open.
  const product = known && gone(load.problem) ? { ...known, withdrawn: true, available: false, quantity: 0 } : known;
  return html`
    <p class="back"><a href="/">All products</a></p>
    ${!gone(load.problem) && html`<${ErrorBox} problem=${load.problem} what="The current state of this product cannot be loaded." retry=${load.reload} />`}
    <article class="product">
      <div class=${product && !product.available ? "picture sold-out" : "picture"}><${Tile} sku=${product?.sku ?? sku} /></div>
      <div><${Heading} title=${product?.title ?? sku} lead=${product && html`<span class="sku">${product.sku}</span>`} />
        ${product ? html`<${Details} product=${product} />` : !load.problem && html`<${Skeleton} lines=${6} />`}</div>
    </article>`;
}

function Details({ product: p }) {
  return html`
      <p class="amount">${money(p.price)}</p>
      <div role="status"><${Availability} product=${p} /></div>
      <p class="what"><${ProductAction} product=${p} /></p>
      ${!p.available && html`<${Unavailable} product=${p} />`}
      ${p.description && html`<p class="description" dir="auto">${p.description}</p>`}`;
}

function Unavailable({ product: p }) {
  const waited = useSignal(wishes)?.has(p.sku) ?? false;
  return html`<p class="hint">${p.withdrawn ? "The shop no longer offers this product. Existing orders are not affected."
    : waited ? "All stock is sold or reserved. Any open page of this shop notifies you when the product is back in stock."
    : "All stock is sold or reserved. Select “Notify me” to see a notification on any open page of this shop when the product is back in stock."}</p>`;
}

function NothingFound({ sku }) {
  return html`<${Heading} title="Product not found" />
    <p>There is no product with the SKU <code>${sku}</code>, or it is no longer offered.</p>
    <p><a class="button primary" href="/">Browse products</a></p>`;
}
