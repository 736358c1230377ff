// Which page belongs to an address, and going there without loading anew.

import { signal, freshID } from "./store.js";

/** The address shown: {path, query, entry}, entry being its own in the browser's history. */
export const address = signal(read(globalThis.location));

function read(location) {
  return { path: location?.pathname ?? "/", query: new URLSearchParams(location?.search ?? ""), entry: globalThis.history?.state?.entry ?? "" };
}

const entryStates = new Map();
const maxEntries = 50;

/** What is remembered of an entry of the history, to be found by who goes back to it. Pages may add to it. */
export function entryState(entry) {
  if (!entryStates.has(entry)) entryStates.set(entry, {});
  if (entryStates.size > maxEntries) entryStates.delete(entryStates.keys().next().value);
  return entryStates.get(entry) ?? {};
}

let returning = null; // aborted when somebody goes on

/** Whether the page shown is one that was gone back to: there, one is where one was. */
export const isReturning = () => returning !== null;

/**
 * The route whose pattern a path fits, with what stands for its :parts. Routes
 * are {pattern, …}, tried in order. Undefined where none fits.
 */
export function match(routes, path) {
  const parts = split(path);
  for (const route of routes) {
    const params = fit(split(route.pattern), parts);
    if (params) return { route, params };
  }
  return undefined;
}

const split = (path) => path.split("/").filter(Boolean);

function fit(pattern, parts) {
  if (pattern.length !== parts.length) return null;
  const params = {};
  for (const [i, p] of pattern.entries()) {
    if (p.startsWith(":")) {
      const value = decoded(parts[i]);
      if (value === null) return null;
      params[p.slice(1)] = value;
    } else if (p !== parts[i]) return null;
  }
  return params;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return null; // a stray %
  }
}

/** Goes to an address of this site. replace leaves no step to go back to. */
export function go(href, { replace = false } = {}) {
  cancelRestore();
  if (replace) history.replaceState(history.state, "", href);
  else {
    savePosition();
    if (href !== location.pathname + location.search) history.pushState({ entry: freshID() }, "", href);
    scrollTo(0, 0);
  }
  address.set(read(location));
}

function savePosition() {
  const link = document.activeElement?.closest("main a[href]")?.getAttribute("href");
  Object.assign(entryState(address.get().entry), { y: scrollY, link });
}

const ensureEntry = () => { if (!history.state?.entry) history.replaceState({ entry: freshID() }, ""); };

function onPopState() {
  savePosition();
  ensureEntry();
  restore({ y: history.state.y, ...entryState(history.state.entry) });
  address.set(read(location));
}

function cancelRestore() {
  returning?.abort();
  returning = null;
}

function restore(saved) {
  cancelRestore();
  returning = new AbortController();
  const { signal } = returning;
  for (const type of ["wheel", "touchstart", "pointerdown", "keydown"]) addEventListener(type, cancelRestore, { signal, passive: true });
  restorePosition(saved, signal, performance.now() + 5000);
}

/** Scrolls to where one was once the page is there again, and gives the focus back; not against who goes on meanwhile. */
function restorePosition({ y = 0, link }, signal, until) {
  let frames = 0;
  const look = () => {
    if (signal.aborted) return;
    const ready = ++frames > 2 && !document.querySelector("main .skeleton");
    if (ready) scrollTo(0, y);
    if ((!ready || Math.abs(scrollY - y) > 1) && performance.now() < until) return void requestAnimationFrame(look);
    if (link) document.querySelector(`main a[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
    cancelRestore();
  };
  requestAnimationFrame(look);
}

/** An address of one of these pages, rather than of the API, its documents or another site. */
export function isAppURL(url, origin) {
  return url.origin === origin && !/^\/(api|dev|ui|docs|openapi|healthz|readyz|metrics)([/.]|$)/.test(url.pathname);
}

/** Takes over clicks on links to these pages, and the browser's back and forward. */
export function startRouter() {
  ensureEntry();
  address.set(read(location));
  history.scrollRestoration = "manual"; // the browser would scroll before the page is there
  addEventListener("pagehide", () => history.replaceState({ ...history.state, y: scrollY }, "")); // for after a reload
  if (history.state.y) restore(history.state);
  addEventListener("popstate", onPopState);
  document.addEventListener("click", (e) => {
    const a = e.target.closest?.("a[href]");
    if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const url = new URL(a.href);
    if (a.target || a.hasAttribute("download") || !isAppURL(url, location.origin)) return;
    if (url.hash && url.pathname === location.pathname) return; // within the page
    e.preventDefault();
    go(url.pathname + url.search);
  });
}
