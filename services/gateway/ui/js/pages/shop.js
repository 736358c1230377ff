// Renders the product list with search and live stock.

import { ask, get, withQuery } from "../api.js";
import { go, address } from "../router.js";
import { More, useList } from "../parts/list.js";
import { basket, signal, isSignedIn, notify, session, signingIn, withProduct } from "../store.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useSignal, useEffect, useEvents, useRef, useThrottle, useState } from "../view.js";
import { isolated, money, number, plural } from "../format.js";

const pageSize = 24;

export default function Shop({ query }) {
  // Restrict the query to values that the API accepts.
  const q = (query.get("q") ?? "").slice(0, 200), available = query.get("available") === "true" ? "true" : "";
  return html`
    <${Heading} title="Shop" lead="Browse the products. Stock levels update live." />
    <${Search} q=${q} available=${available} />
    <${Products} key=${address.get().entry} q=${q} available=${available} />`;
}

function Products({ q, available }) {
  const page = (after, limit, signal) => get(withQuery("/products", { q, available, limit, after }), signal);
  const load = useList(page, pageSize, (p) => p.sku, [q, available]);
  useLiveProducts(load, q || available);
  const items = load.data?.items;
  return html`
    <${ErrorBox} problem=${load.problem} what="The products cannot be loaded." retry=${load.reload} />
    <p class="visually-hidden" role="status">${items && !load.busy ? `${plural(items.length, "product")} shown` : ""}</p>
    ${!items ? !load.problem && html`<${SkeletonGrid} />`
      : items.length === 0 ? html`<${NothingFound} q=${q} available=${available} />`
      : html`<ul class="grid" aria-busy=${load.busy}>${items.map((p) => html`<${Card} key=${p.sku} product=${p} />`)}</ul>`}
    <${More} list=${load} />`;
}

function Search({ q, available }) {
  const [text, setText] = useState(q);
  const to = useRef({});
  to.current = { q: text, available };
  const soon = useThrottle(() => go(withQuery("/", to.current), { replace: true }), 300);
  useEffect(() => { if (q !== text && document.activeElement?.id !== "q") setText(q); }, [q]); // after going back or forward
  return html`<form class="search" role="search" onSubmit=${(e) => { e.preventDefault(); go(withQuery("/", to.current), { replace: true }); }}>
    <label class="visually-hidden" for="q">Search products</label>
    <input id="q" type="search" maxlength="200" placeholder="Search by name or SKU" autocomplete="off" value=${text}
      onInput=${(e) => { setText(e.target.value); soon(); }} />
    <label class="check"><input type="checkbox" checked=${available === "true"}
      onChange=${(e) => go(withQuery("/", { q: text, available: e.target.checked ? "true" : "" }), { replace: true })} /> In stock only</label>
  </form>`;
}

function NothingFound({ q, available }) {
  if (!q && !available) return html`<${Empty} title="No products yet">Products appear here automatically as soon as the shop’s staff add them.
    ${isSignedIn("staff") && html` Add products through <a href="/docs">the API</a>, or start the shop with <code>quadrille up --demo</code> to create sample products.`}<//>`;
  return html`<${Empty} title="No products found">${q ? `No product matches “${q}”.` : "No product is in stock at the moment."} <a href="/">Show all products</a><//>`;
}

/** Keeps loaded products up to date. Reloads changed products in batches of up to 100. */
export function useLiveProducts(load, filtered) {
  const stale = useRef(new Set());
  const renew = useThrottle(async () => {
    const skus = [...stale.current].slice(0, 100);
    for (const sku of skus) stale.current.delete(sku);
    if (stale.current.size) renew();
    if (!skus.length) return;
    const fresh = await get(withQuery("/products", { sku: skus, limit: 500 })).catch(() => null);
    if (!fresh) return void load.reload();
    const bySKU = new Map(fresh.items.map((p) => [p.sku, p]));
    load.set((d) => d && { ...d, items: d.items.map((p) => newer(p, bySKU.get(p.sku), skus.includes(p.sku))) });
  }, 300, 10);
  const reload = useThrottle(load.reload, 1000);
  useEvents((e) => {
    if (e.service !== "catalog") return;
    if (load.data?.items.some((p) => p.sku === e.subject)) {
      stale.current.add(e.subject);
      renew();
    } else if (load.data && !load.data.next && !filtered && load.data.items.length < pageSize) reload();
  });
}

function newer(old, fresh, asked) {
  if (!fresh) return asked ? { ...old, withdrawn: true, available: false, quantity: 0 } : old;
  return fresh.version > old.version || old.withdrawn ? fresh : old;
}

function Card({ product: p }) {
  return html`<li class=${p.available ? "card" : "card sold-out"}>
    <a class="cover" href=${`/products/${encodeURIComponent(p.sku)}`}><${Tile} sku=${p.sku} /><span class="title"><bdi>${p.title}</bdi></span></a>
    <p class="sku">${p.sku}</p>
    <p class="price">${money(p.price)}</p>
    <${Availability} product=${p} />
    <${ProductAction} product=${p} />
  </li>`;
}

/** Shows the stock and highlights it briefly when it changes. */
export function Availability({ product: p }) {
  const before = useRef(p.quantity);
  const changed = before.current !== p.quantity;
  useEffect(() => { before.current = p.quantity; }, [p.quantity]);
  const text = p.withdrawn ? "No longer offered" : !p.available ? "Sold out" : p.quantity <= 5 ? `Only ${number(p.quantity)} left` : `${number(p.quantity)} in stock`;
  const state = !p.available ? "none" : p.quantity <= 5 ? "few" : "many";
  return html`<p class=${`stock ${state}`}><span key=${`${p.version}`} class=${changed ? "highlight" : ""}>${text}</span></p>`;
}

/** Renders the action for a product: add to basket, or notify when back in stock. */
export function ProductAction({ product: p }) {
  if (p.withdrawn) return null;
  if (!p.available) return html`<${NotifyButton} product=${p} />`;
  const add = () => {
    if (basket.get().pending) return notify("An order is being sent. You can change the basket when the shop has responded.", "/basket");
    basket.set((b) => withProduct(b, p));
    notify(`${isolated(p.title)} was added to the basket.`, "/basket");
  };
  return html`<button type="button" class="product-action" onClick=${add}>Add to basket<span class="visually-hidden">: <bdi>${p.title}</bdi></span></button>`;
}

/** Holds the SKUs on the customer's wishlist, or null if not loaded. */
export const wishes = signal(null);

let loadedFor = null;

let changes = 0;

function loadWishes() {
  const who = session.get();
  if (!who || loadedFor === who.token) return;
  loadedFor = who.token;
  const before = changes;
  get("/wishlist?limit=500").then((d) => {
    if (before === changes) return wishes.set(new Set(d.items.map((w) => w.sku)));
    loadedFor = null; // the response may predate a change made meanwhile
    return loadWishes();
  }, () => { loadedFor = null; });
}

/** Holds the product to add to the wishlist after the user has signed in. */
let wishAfterSignIn = null;

signingIn.listen((why) => { if (why && why !== "wish") wishAfterSignIn = null; }); // the dialog was opened for another reason
session.listen((who) => {
  wishes.set(null);
  loadedFor = null;
  if (who && wishAfterSignIn) setWish(wishAfterSignIn, true);
  wishAfterSignIn = null;
});

/** Adds a product to the wishlist or removes it, and shows a notification. */
export async function setWish(product, wanted) {
  try {
    await ask(wanted ? "PUT" : "DELETE", `/wishlist/${encodeURIComponent(product.sku)}`);
    changes++;
    wishes.set((all) => {
      const next = new Set(all ?? []);
      next[wanted ? "add" : "delete"](product.sku);
      return next;
    });
    notify(wanted ? `You will be notified here when ${isolated(product.title)} is back in stock.` : `${isolated(product.title)} was removed from your wishlist.`, "/wishlist");
  } catch (problem) {
    notify(problem.message);
  }
}

function NotifyButton({ product: p }) {
  const waited = useSignal(wishes)?.has(p.sku) ?? false;
  const who = useSignal(session);
  useEffect(loadWishes, [who]);
  const turn = () => {
    if (isSignedIn()) return setWish(p, !waited);
    signingIn.set("wish");
    wishAfterSignIn = p;
    return undefined;
  };
  // The button's text states whether it is active, so it has no aria-pressed.
  return html`<button type="button" class=${waited ? "product-action notify requested" : "product-action notify"} onClick=${turn}>
    ${waited ? "✓ On your wishlist" : "Notify me"}<span class="visually-hidden"> when <bdi>${p.title}</bdi> is back in stock${waited ? ". Select to remove it from your wishlist" : ""}</span></button>`;
}

/** Renders a pattern derived from the SKU in place of a product picture. */
export function Tile({ sku }) {
  let hash = 2166136261;
  for (const c of sku) hash = Math.imul(hash ^ c.charCodeAt(0), 16777619) >>> 0;
  const names = ["inventory", "catalog", "sales", "wishlist"];
  const quarter = (i) => {
    const bits = (hash >>> (i * 6)) & 63;
    const [x, y] = [(i % 2) * 50, Math.floor(i / 2) * 50];
    const turn = `translate(${x} ${y}) rotate(${(bits & 3) * 90} 25 25)`;
    const shape = ["M0 0H50A50 50 0 0 1 0 50z", "M0 25A25 25 0 0 1 50 25V50H0z", "M25 0L50 25 25 50 0 25z", "M0 0A50 50 0 0 0 50 50A50 50 0 0 0 0 0z"][(bits >> 2) & 3];
    return html`<path key=${i} class=${names[(i + (bits >> 4) + hash) % 4]} transform=${turn} d=${shape} />`;
  };
  return html`<svg class="tile" viewBox="0 0 100 100" preserveAspectRatio="xMidYMid slice" aria-hidden="true" focusable="false">${[0, 1, 2, 3].map(quarter)}</svg>`;
}

function SkeletonGrid() {
  return html`<ul class="grid" aria-hidden="true">${Array.from({ length: 8 }, (_, i) => html`<li class="card waiting" key=${i}><span class="tile"></span><${Skeleton} lines=${4} /></li>`)}</ul>`;
}
