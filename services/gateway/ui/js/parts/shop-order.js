// Sending the basket as an order: once, however often it has to be sent. What was
// sent is kept in the basket with its key until the shop has answered, so neither a
// broken connection nor a closed browser makes it two orders, or none.

import { ask, backoff, recovered } from "../api.js";
import { go, address } from "../router.js";
import { basket, signal, freshID, notify, session } from "../store.js";
import { shortID } from "../format.js";

/** How it stands: {busy}, or {problem, lines} of the last answer, lines being what is wrong with each SKU. */
export const sending = signal({});

/** The basket as an order that is to be sent by subject under key. */
export const withPendingOrder = (b, subject, key) => ({
  ...b, pending: { key, subject, body: { lines: b.lines.map(({ sku, quantity }) => ({ sku, quantity })) } },
});

/** The basket once the order under key was answered: empty if it was placed, open again if not. */
export const withoutPendingOrder = (b, key, placed) => (b.pending?.key === key ? { lines: placed ? [] : b.lines, pending: null } : b);

/** Nobody knows whether the order was placed: it has to be sent again. */
export const isUnanswered = (problem) => problem.transient || problem.status === 401 || problem.code === "idempotency_key_in_use";

/** What a refusal says of single lines: {sku: sentence}. */
export function problemsBySKU(problem, body) {
  const lines = {};
  for (const { pointer = "", detail } of problem.errors ?? []) {
    const sku = body.lines[/^\/lines\/(\d+)(\/|$)/.exec(pointer)?.[1]]?.sku;
    if (sku) lines[sku] = detail;
  }
  return lines;
}

let tries = 0, timer = 0;

/** Orders what is in the basket. */
export function order() {
  const b = basket.get();
  if (!session.get() || !b.lines.length) return;
  if (!b.pending) basket.set(withPendingOrder(b, session.get().subject, freshID()));
  send();
}

/** Sends what was not answered yet, now. */
export async function send() {
  clearTimeout(timer);
  const { pending } = basket.get();
  if (!pending || session.get()?.subject !== pending.subject || sending.get().busy) return;
  sending.set({ ...sending.get(), busy: true });
  try {
    const { data } = await ask("POST", "/orders", { body: pending.body, key: pending.key });
    placed(data, pending);
  } catch (problem) {
    failed(problem, pending);
  }
}

function placed(data, { key }) {
  tries = 0;
  const here = address.get().path === "/basket";
  basket.set((b) => withoutPendingOrder(b, key, true));
  sending.set({});
  if (here) go(`/orders/${data.id}`);
  else notify(`Your order ${shortID(data.id)} is placed.`, `/orders/${data.id}`);
}

function failed(problem, { key, body }) {
  if (isUnanswered(problem)) {
    sending.set({ problem });
    // Signed out: it goes on with the next session.
    if (problem.status !== 401) timer = setTimeout(send, Math.max((problem.retryAfter ?? 0) * 1000, backoff(tries++)));
    return;
  }
  tries = 0;
  basket.set((b) => withoutPendingOrder(b, key, false));
  sending.set({ problem, lines: problemsBySKU(problem, body) });
}

/** Gives up an order that was not answered. Whether it was placed, only the list of orders can tell. */
export function abandonOrder() {
  clearTimeout(timer);
  tries = 0;
  basket.set((b) => ({ ...b, pending: null }));
  sending.set({});
}

// What was said of lines is not true of other lines.
let refusedLines = basket.get().lines;
basket.listen(({ lines, pending }) => {
  if (lines !== refusedLines && !pending && sending.get().problem) sending.set({});
  refusedLines = lines;
});

recovered.listen(() => { if (sending.get().problem?.status === 0) send(); });
session.listen(() => setTimeout(send)); // once everything else has heard of the session
