// Provides the hooks and components that all pages share: signals, loading, focus,
// headings, errors and empty states.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { backoff, recovered } from "./api.js";
import { isReturning } from "./router.js";
import { signingIn } from "./store.js";
import { gaps, onEvent } from "./stream.js";
import { isolated } from "./format.js";

export { html, useEffect, useRef, useState };

/** Returns the value of a signal and re-renders the component when it changes. */
export function useSignal(c) {
  const [, turn] = useState({});
  useLayoutEffect(() => {
    const seen = c.get();
    const stop = c.listen(() => turn({}));
    if (!Object.is(seen, c.get())) turn({});
    return stop;
  }, [c]);
  return c.get();
}

/** Calls listener with each event while the component is mounted. */
export function useEvents(listener) {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => onEvent((e) => latest.current(e)), []);
}

/**
 * Loads data while the component is mounted. Returns {data, problem, busy, reload, set}.
 * Keeps the old data during a reload, so that the page does not jump. Retries transient
 * failures, at once when the shop responds to another request. deps are the inputs of
 * load. before is the initial data.
 */
export function useLoad(load, deps, before) {
  const [state, setState] = useState({ data: before, problem: null, busy: true });
  const run = useRef(() => {});
  useEffect(() => {
    const control = new AbortController();
    let timer = 0, tries = 0, turn = 0, lost = false;
    run.current = async () => {
      clearTimeout(timer);
      lost = false;
      const mine = ++turn;
      setState((s) => ({ ...s, busy: true }));
      try {
        const data = await load(control.signal);
        if (control.signal.aborted || mine !== turn) return; // a later load has started
        tries = 0;
        setState({ data, problem: null, busy: false });
      } catch (problem) {
        if (control.signal.aborted || mine !== turn) return;
        setState((s) => ({ ...s, problem, busy: false }));
        lost = problem.status === 0;
        if (problem.transient) timer = setTimeout(() => run.current(), Math.max(problem.retryAfter * 1000, backoff(tries++)));
      }
    };
    run.current();
    const stops = [gaps.listen(() => run.current()), recovered.listen(() => { if (lost) run.current(); })];
    return () => { for (const stop of stops) stop(); clearTimeout(timer); control.abort(); };
  }, deps);
  return { ...state, reload: () => run.current(), set: (data) => setState((s) => ({ ...s, data: typeof data === "function" ? data(s.data) : data })) };
}

/**
 * Returns a function that schedules a call of what, at most one per ms milliseconds. If
 * the last call was at least ms ago, the delay is only first.
 */
export function useThrottle(what, ms = 250, first = ms) {
  const timer = useRef(0);
  const last = useRef(-Infinity);
  const latest = useRef(what);
  latest.current = what;
  useEffect(() => () => clearTimeout(timer.current), []);
  return () => {
    // Do not restart the timer: a steady flow of events would postpone the call forever.
    if (timer.current) return;
    const quiet = performance.now() - last.current >= ms;
    timer.current = setTimeout(() => { timer.current = 0; last.current = performance.now(); latest.current(); }, quiet ? first : ms);
  };
}

let pagesShown = 0, landing = "";

/** Makes the next page focus the element that matches selector, if it exists, instead of its heading. */
export const focusOnNextPage = (selector) => { landing = selector; };

/**
 * Renders a page's heading. Focuses it after a forward navigation, so that screen
 * readers start there. After going back, the router restores the old focus.
 */
export function Heading({ title, lead, children }) {
  const h = useRef(null), back = useRef(isReturning());
  useEffect(() => {
    const at = landing && document.querySelector(landing);
    landing = "";
    if (at) at.focus();
    else if (pagesShown++ > 0 && !back.current) h.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => { document.title = `${isolated(title)} · Quadrille`; }, [title]);
  return html`<header class="heading">
    <div><h1 ref=${h} tabindex="-1">${title}</h1>${lead && html`<p class="lead">${lead}</p>`}</div>
    ${children}
  </header>`;
}

/**
 * Moves the focus when the element of ref is removed while it contains the focus: to
 * the match of selector in a sibling, or else to the heading of its section.
 */
export function usePassFocus(ref, selector) {
  useEffect(() => {
    const from = ref.current;
    return () => { if (from?.contains(document.activeElement)) passFocus(from, selector); };
  }, []);
}

export function passFocus(from, selector) {
  const next = selector && [from.nextElementSibling, from.previousElementSibling].map((e) => e?.querySelector(selector)).find(Boolean);
  const to = next ?? from.closest("section")?.querySelector("h2") ?? document.querySelector("h1");
  if (!next) to?.setAttribute("tabindex", "-1");
  to?.focus({ preventScroll: true });
}

/** Focuses the match of selector, the page's heading by default, if the focused element was removed. Otherwise Tab would start at the top of the page. */
export function refocus(selector = "h1") {
  const at = document.activeElement;
  // Browsers clear activeElement only at the next frame after a dialog closes.
  if (!at || at === document.body || at.closest("dialog:not([open])")) document.querySelector(selector)?.focus({ preventScroll: true });
}

/** Shows an error and a way to continue. again names the retry button when there is no automatic retry. */
export function ErrorBox({ problem, what, retry, again, kind = "" }) {
  if (!problem) return null;
  const signIn = problem.status === 401;
  return html`<div class=${`error-box ${kind}`} role="alert" tabindex="-1">
    <p>${what && html`<strong>${what}</strong> `}${problem.message}${problem.transient && retry && !again ? " Retrying automatically." : ""}</p>
    ${signIn ? html`<button type="button" class="small" onClick=${() => signingIn.set("asked")}>Sign in</button>`
      : retry && html`<button type="button" class="small" onClick=${retry}>${again ?? "Retry now"}</button>`}
  </div>`;
}

/** Renders an empty state: why it is empty and what the user can do. */
export function Empty({ title, children }) {
  return html`<div class="empty"><${Logo} /><h2>${title}</h2><p>${children}</p></div>`;
}

/** Renders the logo in the colours of the theme. */
export function Logo({ size = 48 }) {
  return html`<svg class="logo" viewBox="0 0 64 64" width=${size} height=${size} aria-hidden="true" focusable="false">
    <path class="inventory" d="M30 30H10A20 20 0 0 1 30 10z" /><path class="catalog" d="M34 30V10a20 20 0 0 1 20 20z" />
    <path class="sales" d="M34 34h20a20 20 0 0 1-20 20z" /><path class="wishlist" d="M30 34v20a20 20 0 0 1-20-20z" />
  </svg>`;
}

/** Renders placeholder lines while data loads. */
export function Skeleton({ lines = 3 }) {
  return html`<div class="skeleton" aria-hidden="true">${Array.from({ length: lines }, (_, i) => html`<span key=${i}></span>`)}</div>`;
}
