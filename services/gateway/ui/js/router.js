// Which page belongs to an address, and going there without loading anew.

import { cell, freshID } from "./store.js";

/** The address shown: {path, query, entry}, entry being its own in the browser's history. */
export const place = cell(read(globalThis.location));

function read(location) {
  return { path: location?.pathname ?? "/", query: new URLSearchParams(location?.search ?? ""), entry: globalThis.history?.state?.entry ?? "" };
}

const notes = new Map();
const mostNotes = 50;

/** What is remembered of an entry of the history, to be found by who goes back to it. Pages may add to it. */
export function noteOf(entry) {
  if (!notes.has(entry)) notes.set(entry, {});
  if (notes.size > mostNotes) notes.delete(notes.keys().next().value);
  return notes.get(entry) ?? {};
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
  stay();
  if (replace) history.replaceState(history.state, "", href);
  else {
    leave();
    if (href !== location.pathname + location.search) history.pushState({ entry: freshID() }, "", href);
    scrollTo(0, 0);
  }
  place.set(read(location));
}

function leave() {
  const link = document.activeElement?.closest("main a[href]")?.getAttribute("href");
  Object.assign(noteOf(place.get().entry), { y: scrollY, link });
}

const own = () => { if (!history.state?.entry) history.replaceState({ entry: freshID() }, ""); };

function goneBack() {
  leave();
  own();
  comeTo({ y: history.state.y, ...noteOf(history.state.entry) });
  place.set(read(location));
}

function stay() {
  returning?.abort();
  returning = null;
}

function comeTo(note) {
  stay();
  returning = new AbortController();
  const { signal } = returning;
  for (const type of ["wheel", "touchstart", "pointerdown", "keydown"]) addEventListener(type, stay, { signal, passive: true });
  settle(note, signal, performance.now() + 5000);
}

/** Scrolls to where one was once the page is there again, and gives the focus back; not against who goes on meanwhile. */
function settle({ y = 0, link }, signal, until) {
  let frames = 0;
  const look = () => {
    if (signal.aborted) return;
    const there = ++frames > 2 && !document.querySelector("main .skeleton");
    if (there) scrollTo(0, y);
    if ((!there || Math.abs(scrollY - y) > 1) && performance.now() < until) return void requestAnimationFrame(look);
    if (link) document.querySelector(`main a[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
    stay();
  };
  requestAnimationFrame(look);
}

/** An address of one of these pages, rather than of the API, its documents or another site. */
export function isOurs(url, origin) {
  return url.origin === origin && !/^\/(api|dev|ui|docs|openapi|healthz|readyz|metrics)([/.]|$)/.test(url.pathname);
}

/** Takes over clicks on links to these pages, and the browser's back and forward. */
export function follow() {
  own();
  place.set(read(location));
  history.scrollRestoration = "manual"; // the browser would scroll before the page is there
  addEventListener("pagehide", () => history.replaceState({ ...history.state, y: scrollY }, "")); // for after a reload
  if (history.state.y) comeTo(history.state);
  addEventListener("popstate", goneBack);
  document.addEventListener("click", (e) => {
    const a = e.target.closest?.("a[href]");
    if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const url = new URL(a.href);
    if (a.target || a.hasAttribute("download") || !isOurs(url, location.origin)) return;
    if (url.hash && url.pathname === location.pathname) return; // within the page
    e.preventDefault();
    go(url.pathname + url.search);
  });
}
