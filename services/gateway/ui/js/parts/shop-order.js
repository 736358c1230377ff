// Places the basket as an order exactly once. The basket keeps the sent order and its
// idempotency key until the shop responds, so that a broken connection or a closed
// browser neither loses nor duplicates the order.

import { ask, backoff, recovered } from "../api.js";
import { go, address } from "../router.js";
import { basket, signal, freshID, notify, session } from "../store.js";
import { shortID } from "../format.js";

/** Holds the state: {busy}, or {problem, lines} of the last response. lines maps each SKU to its error. */
export const sending = signal({});

/** Returns the basket with a pending order of subject under key. */
export const withPendingOrder = (b, subject, key) => ({
  ...b, pending: { key, subject, body: { lines: b.lines.map(({ sku, quantity }) => ({ sku, quantity })) } },
});

/** Returns the basket after the response to the order under key: empty if it was placed, editable if not. */
export const withoutPendingOrder = (b, key, placed) => (b.pending?.key === key ? { lines: placed ? [] : b.lines, pending: null } : b);

/** Reports whether it is unknown if the order was placed, so that it has to be resent. */
export const isUnanswered = (problem) => problem.transient || problem.status === 401 || problem.code === "idempotency_key_in_use";

/** Maps the errors of a rejected order to SKUs: {sku: sentence}. */
export function problemsBySKU(problem, body) {
  const lines = {};
  for (const { pointer = "", detail } of problem.errors ?? []) {
    const sku = body.lines[/^\/lines\/(\d+)(\/|$)/.exec(pointer)?.[1]]?.sku;
    if (sku) lines[sku] = detail;
  }
  return lines;
}

let tries = 0, timer = 0;

/** Places the basket as an order. */
export function order() {
  const b = basket.get();
  if (!session.get() || !b.lines.length) return;
  if (!b.pending) basket.set(withPendingOrder(b, session.get().subject, freshID()));
  send();
}

/** Sends the pending order now. */
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
    // After a sign-out, the next session resends it.
    if (problem.status !== 401) timer = setTimeout(send, Math.max((problem.retryAfter ?? 0) * 1000, backoff(tries++)));
    return;
  }
  tries = 0;
  basket.set((b) => withoutPendingOrder(b, key, false));
  sending.set({ problem, lines: problemsBySKU(problem, body) });
}

/** Stops resending the pending order. Only the list of orders shows whether it was placed. */
export function abandonOrder() {
  clearTimeout(timer);
  tries = 0;
  basket.set((b) => ({ ...b, pending: null }));
  sending.set({});
}

// Clears the errors when the lines change.
let refusedLines = basket.get().lines;
basket.listen(({ lines, pending }) => {
  if (lines !== refusedLines && !pending && sending.get().problem) sending.set({});
  refusedLines = lines;
});

recovered.listen(() => { if (sending.get().problem?.status === 0) send(); });
session.listen(() => setTimeout(send)); // after all other listeners of session
