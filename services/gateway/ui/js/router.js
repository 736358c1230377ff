// Maps addresses to pages and navigates without reloading.

import { signal, freshID } from "./store.js";

/** Holds the current address: {path, query, entry}. entry identifies it in the browser's history. */
export const address = signal(read(globalThis.location));

function read(location) {
  return { path: location?.pathname ?? "/", query: new URLSearchParams(location?.search ?? ""), entry: globalThis.history?.state?.entry ?? "" };
}

const entryStates = new Map();
const maxEntries = 50;

/** Returns the saved state of a history entry, for use when the user goes back. Pages may add to it. */
export function entryState(entry) {
  if (!entryStates.has(entry)) entryStates.set(entry, {});
  if (entryStates.size > maxEntries) entryStates.delete(entryStates.keys().next().value);
  return entryStates.get(entry) ?? {};
}

let returning = null; // aborted when the user scrolls, types or navigates

/** Reports whether the user went back to the current page and its position is being restored. */
export const isReturning = () => returning !== null;

/**
 * Returns {route, params} of the first route whose pattern matches the path, or
 * undefined. Routes are {pattern, …}; params holds the values of the :parts.
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
    return null; // invalid percent-encoding
  }
}

/** Navigates to an address of this site. replace adds no history entry. */
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

/** Restores the scroll position and the focus once the page is rendered. Stops when signal is aborted. */
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

/** Reports whether an address is one of these pages, not of the API, its documents or another site. */
export function isAppURL(url, origin) {
  return url.origin === origin && !/^\/(api|dev|ui|docs|openapi|healthz|readyz|metrics)([/.]|$)/.test(url.pathname);
}

/** Maps a path of an earlier version, which bookmarks may still hold, to the current one. */
export const currentPath = (path) => path.replace(/^\/floor(?=\/|$)/, "/operations");

/** Handles clicks on links to these pages, and the browser's back and forward buttons. */
export function startRouter() {
  ensureEntry();
  if (currentPath(location.pathname) !== location.pathname) history.replaceState(history.state, "", currentPath(location.pathname) + location.search);
  address.set(read(location));
  history.scrollRestoration = "manual"; // the browser would scroll before the page is rendered
  addEventListener("pagehide", () => history.replaceState({ ...history.state, y: scrollY }, "")); // restored after a reload
  if (history.state.y) restore(history.state);
  addEventListener("popstate", onPopState);
  document.addEventListener("click", (e) => {
    const a = e.target.closest?.("a[href]");
    if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const url = new URL(a.href);
    if (a.target || a.hasAttribute("download") || !isAppURL(url, location.origin)) return;
    if (url.hash && url.pathname === location.pathname) return; // an anchor on the same page
    e.preventDefault();
    go(url.pathname + url.search);
  });
}
