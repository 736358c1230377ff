// One product, with what can be had of it as it changes.

import { get } from "../api.js";
import { Heading, Skeleton, ErrorBox, html, useEvents, useLoad, useThrottle } from "../view.js";
import { isSKU, money } from "../format.js";
import { Availability, ProductAction, Tile } from "./shop.js";

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
  // Withdrawn while it is looked at: it stays to be read.
  const product = known && gone(load.problem) ? { ...known, withdrawn: true, available: false, quantity: 0 } : known;
  return html`
    <p class="back"><a href="/">All products</a></p>
    ${!gone(load.problem) && html`<${ErrorBox} problem=${load.problem} what="This product cannot be shown as it is now." retry=${load.reload} />`}
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
      ${!p.available && html`<p class="hint">${p.withdrawn
        ? "The shop does not offer this any more. Orders placed before are not affected."
        : "All that came in is promised to others. Ask to be notified, and this page, or any other you have open here, tells you when it is back."}</p>`}
      ${p.description && html`<p class="description" dir="auto">${p.description}</p>`}`;
}

function NothingFound({ sku }) {
  return html`<${Heading} title="Not on offer" />
    <p>There is no product with the SKU <code>${sku}</code>, or it is no longer offered.</p>
    <p><a class="button primary" href="/">See what there is</a></p>`;
}
