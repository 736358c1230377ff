// Which page belongs to an address, and going there without loading anew.

import { cell } from "./store.js";

/** The address shown: {path, query}. */
export const place = cell(read(globalThis.location));

function read(location) {
  return { path: location?.pathname ?? "/", query: new URLSearchParams(location?.search ?? "") };
}

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
  if (replace) history.replaceState(null, "", href);
  else if (href !== location.pathname + location.search) history.pushState(null, "", href);
  place.set(read(location));
}

/** An address of one of these pages, rather than of the API, its documents or another site. */
export function isOurs(url, origin) {
  return url.origin === origin && !/^\/(api|dev|ui|docs|openapi|healthz|readyz|metrics)([/.]|$)/.test(url.pathname);
}

/** Takes over clicks on links to these pages, and the browser's back and forward. */
export function follow() {
  addEventListener("popstate", () => place.set(read(location)));
  document.addEventListener("click", (e) => {
    const a = e.target.closest?.("a[href]");
    if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const url = new URL(a.href);
    if (a.target || a.hasAttribute("download") || !isOurs(url, location.origin)) return;
    if (url.hash && url.pathname === location.pathname) return; // within the page
    e.preventDefault();
    go(url.pathname + url.search);
    scrollTo(0, 0);
  });
}
