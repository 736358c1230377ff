// Renders the wishlist with live stock.

import { get, withQuery } from "../api.js";
import { session } from "../store.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useEvents, usePassFocus, useLoad, useRef, useThrottle, useState } from "../view.js";
import { money, when } from "../format.js";
import { productsOf } from "../parts/shop-products.js";
import { Availability, ProductAction, Tile, useLiveProducts, setWish } from "./shop.js";

/** Loads all pages of the wishlist, newest first. */
async function all(signal) {
  const found = [];
  for (let after = ""; after !== undefined;) {
    const page = await get(withQuery("/wishlist", { limit: 500, after }), signal);
    found.push(...page.items);
    after = page.next;
  }
  return found.sort((a, b) => b.wished_at.localeCompare(a.wished_at));
}

export default function Wishlist() {
  const load = useLoad(all, []);
  const skus = load.data?.map((w) => w.sku) ?? [];
  // Load products separately, so that the wishlist works while catalog is unavailable.
  const products = useLoad((signal) => productsOf(skus, signal), [skus.join()]);
  useLiveProducts(products, true);
  const soon = useThrottle(load.reload, 300);
  useEvents((e) => { if (e.type.startsWith("wishlist.") && e.customer === session.get()?.subject) soon(); });
  const bySKU = new Map(products.data?.items.map((p) => [p.sku, p]));
  const asked = products.data?.skus;
  return html`<${Heading} title="Wishlist" lead="Sold-out products that you want. While a page of this shop is open, it notifies you when one is back in stock." />
    <${ErrorBox} problem=${load.problem} what="Your wishlist cannot be loaded." retry=${load.reload} />
    <${ErrorBox} problem=${products.problem} what="The titles and prices of the products cannot be loaded." retry=${products.reload} />
    ${!load.data ? !load.problem && html`<div class="panel"><${Skeleton} lines=${6} /></div>`
      : skus.length === 0 ? html`<${Empty} title="Your wishlist is empty">Select “Notify me” at a sold-out product to add it here. <a href="/">Browse products</a><//>`
      : html`<ul class="panel rows">${load.data.map((w) => html`<${Wish} key=${w.sku} wish=${w} product=${bySKU.get(w.sku)} known=${Boolean(asked?.has(w.sku))} gone=${soon} />`)}</ul>`}`;
}

function Wish({ wish: w, product: p, known, gone }) {
  const [busy, setBusy] = useState(false);
  const row = useRef(null);
  usePassFocus(row, "button.remove");
  const title = p?.title ?? w.sku;
  const remove = async () => {
    if (busy) return;
    setBusy(true);
    await setWish({ sku: w.sku, title }, false);
    setBusy(false);
    gone();
  };
  return html`<li ref=${row}>
    <span class="thumb"><${Tile} sku=${w.sku} /></span>
    <div class="grow">${p ? html`<a href=${`/products/${encodeURIComponent(w.sku)}`}><bdi>${title}</bdi></a>` : html`<span class="sku">${w.sku}</span>`}
      <${State} wish=${w} product=${p} known=${known} /></div>
    ${p && html`<span class="price">${money(p.price)}</span>`}
    <div class="row">${p?.available && html`<${ProductAction} product=${p} />`}
      <button type="button" class="small remove" aria-disabled=${busy} onClick=${remove}>Remove<span class="visually-hidden"> ${title}</span></button></div>
  </li>`;
}

function State({ wish: w, product: p, known }) {
  const back = w.available && w.notified_at;
  return html`<div class="hint">${p ? html`<${Availability} product=${p} />`
    : html`<p class=${w.available ? "stock many" : "stock none"}><span>${known ? "Not offered at present" : w.available ? "In stock" : "Sold out"}</span></p>`}
    ${back ? html`<span class="badge ok">Back in stock since ${when(w.notified_at)}</span>` : html`<span>On the list since ${when(w.wished_at)}</span>`}</div>`;
}
