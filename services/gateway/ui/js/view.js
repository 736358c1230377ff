// What every page is made of: listening to cells, loading, headings that take
// the focus, and plain words where there is nothing or something failed.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { backoff, recovered } from "./api.js";
import { isReturning } from "./router.js";
import { signingIn } from "./store.js";
import { gaps, onEvent } from "./stream.js";
import { isolated } from "./format.js";

export { html, useEffect, useRef, useState };

/** The value of a cell, and a new rendering when it changes. */
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

/** Calls heard with each event while the view is shown. */
export function useEvents(listener) {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => onEvent((e) => latest.current(e)), []);
}

/**
 * Loads while the view is shown: {data, problem, busy, reload, set}. What was
 * loaded stays while it is loaded anew, so nothing jumps. What fails for the
 * moment is tried again by itself, and at once when the shop answers somebody
 * else. deps are what load depends on; before is shown until something came.
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
        if (control.signal.aborted || mine !== turn) return; // a later one was asked for
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
 * Calls what after a pause, however often it is asked to in between: at the most
 * once in ms, and where it has been quiet for so long, after first already.
 */
export function useThrottle(what, ms = 250, first = ms) {
  const timer = useRef(0);
  const last = useRef(-Infinity);
  const latest = useRef(what);
  latest.current = what;
  useEffect(() => () => clearTimeout(timer.current), []);
  return () => {
    // Not put off by each new call: a steady flow of events would keep it away forever.
    if (timer.current) return;
    const quiet = performance.now() - last.current >= ms;
    timer.current = setTimeout(() => { timer.current = 0; last.current = performance.now(); latest.current(); }, quiet ? first : ms);
  };
}

let pagesShown = 0, landing = "";

/** The page that is shown next gives the focus to what fits selector, if it has that, rather than to its heading. */
export const focusOnNextPage = (selector) => { landing = selector; };

/**
 * A page's heading. It takes the focus when the page was gone to, so that a screen
 * reader begins here; not when it was gone back to.
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
 * Hands the focus on when what ref is on goes away with it: to what fits selector
 * in a neighbour, else to the heading of the section around it.
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

/** Gives the focus to the page's heading where what had it is gone: at the body, a keyboard would begin at the top. */
export function refocus() {
  const at = document.activeElement;
  // A browser notices only with its next picture that what has the focus went away with a dialog.
  if (!at || at === document.body || at.closest("dialog:not([open])")) document.querySelector("h1")?.focus({ preventScroll: true });
}

/** Says what failed in plain words, with a way on. Without again, retry is what happens by itself, only sooner. */
export function ErrorBox({ problem, what, retry, again, kind = "" }) {
  if (!problem) return null;
  const signIn = problem.status === 401;
  return html`<div class=${`error-box ${kind}`} role="alert" tabindex="-1">
    <p>${what && html`<strong>${what}</strong> `}${problem.message}${problem.transient && retry && !again ? " It is being tried again by itself." : ""}</p>
    ${signIn ? html`<button type="button" class="small" onClick=${() => signingIn.set("asked")}>Sign in</button>`
      : retry && html`<button type="button" class="small" onClick=${retry}>${again ?? "Try now"}</button>`}
  </div>`;
}

/** Where there is nothing (yet): why, and what to do. */
export function Empty({ title, children }) {
  return html`<div class="empty"><${Logo} /><h2>${title}</h2><p>${children}</p></div>`;
}

/** The four partners, drawn in the colours of the theme. */
export function Logo({ size = 48 }) {
  return html`<svg class="logo" viewBox="0 0 64 64" width=${size} height=${size} aria-hidden="true" focusable="false">
    <path class="inventory" d="M30 30H10A20 20 0 0 1 30 10z" /><path class="catalog" d="M34 30V10a20 20 0 0 1 20 20z" />
    <path class="sales" d="M34 34h20a20 20 0 0 1-20 20z" /><path class="wishlist" d="M30 34v20a20 20 0 0 1-20-20z" />
  </svg>`;
}

/** Grey lines where text will be. */
export function Skeleton({ lines = 3 }) {
  return html`<div class="skeleton" aria-hidden="true">${Array.from({ length: lines }, (_, i) => html`<span key=${i}></span>`)}</div>`;
}
