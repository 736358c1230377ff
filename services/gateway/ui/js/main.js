// Starts the app and renders the frame around the current page.

import { h, render, useErrorBoundary } from "../vendor/preact.js";
import { Problem, get, markUnreachable } from "./api.js";
import { startRouter, go, match, address } from "./router.js";
import { basket, dismiss, isSignedIn, notices, notify, itemCount, session, signingIn, theme } from "./store.js";
import { connection, onEvent, reconnectNow, start } from "./stream.js";
import { Logo, Heading, Skeleton, html, useSignal, useEffect, useLoad, useRef, useState } from "./view.js";
import { isolated, number, plural, shortID } from "./format.js";

const here = new URL("..", import.meta.url);

// Loads staff.css together with the staff pages, so that customers do not download it.
const withStyle = (file, load) => () => Promise.all([load(), loadStyle(file)]).then(([page]) => page);

function loadStyle(file) {
  const href = new URL(file, here).href;
  if (document.querySelector(`link[href="${href}"]`)) return undefined;
  return new Promise((done, fail) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: done });
    link.onerror = () => { link.remove(); fail(new Error(`could not load ${file}`)); };
    document.head.append(link);
  });
}

const routes = [
  { pattern: "/", load: () => import("./pages/shop.js"), nav: "Shop" },
  { pattern: "/products/:sku", load: () => import("./pages/product.js"), within: "/" },
  { pattern: "/basket", load: () => import("./pages/basket.js") },
  { pattern: "/orders", load: () => import("./pages/orders.js"), role: "customer", nav: "Orders" },
  { pattern: "/orders/:id", load: () => import("./pages/order.js"), role: "customer", within: "/orders" },
  { pattern: "/wishlist", load: () => import("./pages/wishlist.js"), role: "customer", nav: "Wishlist" },
  { pattern: "/warehouse", load: withStyle("staff.css", () => import("./pages/warehouse.js")), role: "warehouse", nav: "Warehouse" },
  { pattern: "/operations", load: withStyle("staff.css", () => import("./pages/operations.js")), role: "staff", nav: "Operations" },
  { pattern: "/operations/traces", load: withStyle("staff.css", () => import("./pages/traces.js")), role: "staff", within: "/operations" },
  { pattern: "/operations/dead-letters", load: withStyle("staff.css", () => import("./pages/deadletters.js")), role: "staff", within: "/operations" },
  { pattern: "/operations/tasks", load: withStyle("staff.css", () => import("./pages/tasks.js")), role: "staff", within: "/operations" },
];

const audiences = { customer: "signed-in customers", warehouse: "warehouse employees", staff: "the shop’s staff" };

/** Catches errors of the frame itself, so that the user can still reload. */
function Root() {
  const [failed] = useErrorBoundary();
  return failed ? html`<main id="main"><${PageError} /></main>` : html`<${App} />`;
}

function App() {
  useSignal(theme);
  useSignal(session);
  const { path, query } = useSignal(address);
  const found = match(routes, path);
  const current = found?.route.within ?? found?.route.pattern;
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to main content</a>
    <${Header} current=${current} />
    <main id="main" tabindex="-1">
      ${!found ? html`<${NotFound} />`
        : found.route.role && !isSignedIn(found.route.role) ? html`<${SignInRequired} key=${found.route.pattern} role=${found.route.role} />`
        : html`<${Page} key=${found.route.pattern + JSON.stringify(found.params) + (session.get()?.subject ?? "")} route=${found.route} params=${found.params} query=${query} />`}
    </main>
    <footer class="footer">
      <p><${Logo} size=${20} /> A shop made of services that react to each other’s events.</p>
      <p><a href="/docs">API</a> · <${ThemeButton} /></p>
    </footer>
    <${Notices} /><${Offline} /><${SignIn} />`;
}

function skip(e) {
  e.preventDefault();
  document.getElementById("main").focus();
}

function Header({ current }) {
  const count = itemCount(useSignal(basket));
  const shown = routes.filter((r) => r.nav && (!r.role || isSignedIn(r.role)));
  return html`<header class="masthead">
    <a class="brand" href="/"><${Logo} size=${30} /><span>Quadrille</span></a>
    <nav aria-label="Pages"><ul>${shown.map((r) => html`<li key=${r.pattern}>
      <a href=${r.pattern} aria-current=${current === r.pattern ? "page" : null}>${r.nav}</a></li>`)}</ul></nav>
    <div class="tools">
      <a class="basket-link" href="/basket" aria-current=${current === "/basket" ? "page" : null}>
        Basket <span class=${count ? "count" : "count none"} aria-label=${`${plural(count, "item")}`}>${number(count)}</span></a>
      <${AccountButton} />
    </div>
  </header>`;
}

function AccountButton() {
  const who = useSignal(session);
  if (!who) return html`<button type="button" class="small primary" onClick=${() => signingIn.set("asked")}>Sign in</button>`;
  return html`<button type="button" class="small account" onClick=${() => signingIn.set("asked")}>
    <span class="visually-hidden">Signed in as </span><bdi class="name">${who.subject}</bdi></button>`;
}

/** Renders a route's page. Loads its module on first use and retries when loading fails. */
function Page({ route, params, query }) {
  const [failed] = useErrorBoundary();
  const load = useLoad(() => viewOf(route), []);
  const view = route.view ?? load.data;
  // Some browsers never retry a module that failed to load. PageNotLoaded then reloads the whole page.
  if (failed) return html`<${PageError} />`;
  if (view) return h(view, { params, query });
  return load.problem ? html`<${PageNotLoaded} retry=${() => (connection.get() === "open" ? location.reload() : load.reload())} />` : html`<${Skeleton} lines=${6} />`;
}

async function viewOf(route) {
  try {
    route.view ??= (await route.load()).default;
  } catch {
    markUnreachable();
    throw new Problem({ code: "network" });
  }
  return route.view;
}

function PageNotLoaded({ retry }) {
  return html`<${Heading} title="This page could not be loaded" />
    <p>The shop cannot be reached, or it is being updated. This page retries automatically. Your basket is saved.</p>
    <p><button type="button" class="primary" onClick=${retry}>Retry now</button></p>`;
}

function PageError() {
  return html`<${Heading} title="Something went wrong on this page" />
    <p>An unexpected error occurred. Your basket is saved.</p>
    <p><button type="button" class="primary" onClick=${() => location.reload()}>Reload the page</button></p>`;
}

/** Loads the customer's pages and the sign-in dialog while the browser is idle, so that they work during an outage. */
function preloadPages() {
  if (navigator.connection?.saveData) return;
  for (const route of routes) if (!route.view && (!route.role || route.role === "customer")) viewOf(route).catch(() => {});
  import("./parts/signin.js").catch(() => {});
}

function NotFound() {
  return html`<${Heading} title="Page not found" />
    <p>Check the address for typos. The page may also have been removed.</p><p><a class="button primary" href="/">Go to the shop</a></p>`;
}

function SignInRequired({ role }) {
  const who = useSignal(session);
  return html`<${Heading} title=${who ? "You do not have access to this page" : "Sign in to see this page"} />
    <p>This page is for ${audiences[role]}.${who ? ` You are signed in as ${who.subject}.` : ""}</p>
    <p><button type="button" class="primary" onClick=${() => signingIn.set("asked")}>${who ? "Sign in as a different user" : "Sign in"}</button></p>`;
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function ThemeButton() {
  const chosen = useSignal(theme);
  const [preferred, prefer] = useState(prefersDark.matches);
  useEffect(() => {
    const changed = () => prefer(prefersDark.matches);
    prefersDark.addEventListener("change", changed);
    return () => prefersDark.removeEventListener("change", changed);
  }, []);
  const dark = chosen ? chosen === "dark" : preferred;
  useEffect(() => {
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
  }, [chosen]);
  return html`<button type="button" class="plain" onClick=${() => theme.set(dark ? "light" : "dark")}>${dark ? "Use light theme" : "Use dark theme"}</button>`;
}

function Notices() {
  const all = useSignal(notices);
  return html`<div class="notices" role="status" aria-live="polite">${all.map((n) => html`<div class="notice" key=${n.id}>
    <p>${n.href ? html`<a href=${n.href} onClick=${() => dismiss(n.id)}>${n.text}</a>` : n.text}</p>
    <button type="button" class="plain" aria-label="Dismiss this notification" onClick=${() => dismiss(n.id)}>×</button></div>`)}</div>`;
}

function Offline() {
  const state = useSignal(connection);
  return html`<div class="offline" role="status">${state === "waiting" && html`<p>
    Live updates are disconnected. Reconnecting… <button type="button" class="plain" onClick=${reconnectNow}>Reconnect now</button></p>`}</div>`;
}

// Loads the dialog on first use.
function SignIn() {
  const why = useSignal(signingIn);
  const dialog = useRef(null);
  const [, turn] = useState(0);
  useEffect(() => {
    if (!why || dialog.current) return;
    import("./parts/signin.js").then((m) => { dialog.current = m.default; turn(1); }, () => {
      signingIn.set(null);
      notify("You cannot sign in right now because the shop cannot be reached. Try again later.");
    });
  }, [why]);
  return why && dialog.current ? h(dialog.current, { why }) : null;
}

const orderNews = {
  "sales.order_confirmed": "is confirmed",
  "sales.order_rejected": "could not be fulfilled",
  "sales.order_shipped": "has been shipped",
};

/** Notifies the customer about an order or wish unless its page is open. */
async function notifyCustomer(e) {
  const who = session.get();
  if (!who || e.customer !== who.subject) return;
  if (orderNews[e.type] && address.get().path !== `/orders/${e.subject}`) notify(`Your order ${shortID(e.subject)} ${orderNews[e.type]}.`, `/orders/${e.subject}`);
  if (e.type !== "wishlist.item_available") return;
  const sku = decodeURIComponent(e.subject.split("/").pop());
  const product = await get(`/products/${encodeURIComponent(sku)}`).catch(() => null);
  notify(`${isolated(product?.title ?? sku)} is back in stock.`, `/products/${encodeURIComponent(sku)}`);
}

if (theme.get()) document.documentElement.dataset.theme = theme.get();
startRouter();
start();
onEvent(notifyCustomer);
const app = document.getElementById("app");
app.textContent = "";
render(h(Root), app);
setTimeout(() => (globalThis.requestIdleCallback ?? setTimeout)(preloadPages), 4000);
// Dismiss notifications about the page that is now open.
address.listen(({ path }) => notices.set((all) => (all.some((n) => n.href === path) ? all.filter((n) => n.href !== path) : all)));
// Go to the shop after a sign-out on a page that needs a role.
session.listen((who) => { if (!who && !signingIn.get() && match(routes, address.get().path)?.route.role) go("/"); });
