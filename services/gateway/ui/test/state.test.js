// Tests retries, signals, stored state, lists and progress texts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem, markReachable, backoff, recovered, markUnreachable, withQuery } from "../js/api.js";
import { mergeOrders } from "../js/pages/orders.js";
import { lineProblem, progressText } from "../js/parts/import.js";
import { appendPage, loadUpTo } from "../js/parts/list.js";
import { mayCancel, statuses, stepsOf } from "../js/parts/shop-status.js";
import { signal, isBasket, isSession, kept } from "../js/store.js";

test("each wait is longer than the one before, up to what is borne by who looks", () => {
  const longest = (hidden) => Array.from({ length: 50 }, (_, n) => backoff(n, () => 1, hidden));
  assert.deepEqual(longest(false).slice(0, 6), [1000, 2000, 4000, 8000, 8000, 8000]);
  assert.deepEqual(longest(true).slice(3, 6), [8000, 16_000, 30_000]);
  assert.equal(longest(true).at(-1), 30_000);
});

test("the first answer after none is told, and no other", () => {
  let told = 0;
  const stop = recovered.listen(() => told++);
  markReachable();
  markUnreachable();
  markUnreachable();
  markReachable();
  markReachable();
  stop();
  assert.equal(told, 1);
});

test("no two browsers wait alike, and none comes at once", () => {
  assert.equal(backoff(3, () => 0), 4000);
  for (let i = 0; i < 100; i++) assert.ok(backoff(0) >= 500 && backoff(0) <= 1000);
});

test("what passes by itself is told from what does not", () => {
  for (const status of [0, 429, 500, 503]) assert.ok(new Problem({ status }).transient, status);
  for (const status of [400, 401, 403, 404, 409, 422]) assert.ok(!new Problem({ status }).transient, status);
});

test("empty parts of a query are left out, lists repeated, the rest escaped", () => {
  assert.equal(withQuery("/p", { q: "", a: undefined, b: null }), "/p");
  assert.equal(withQuery("/p", { q: "a&b", sku: ["x", "y/z"], n: 0 }), "/p?q=a%26b&sku=x&sku=y%2Fz&n=0");
});

test("a cell tells of changes alone, and those alone who still listen", () => {
  const c = signal(1), listener = [];
  const stop = c.listen((v) => listener.push(v));
  c.set(1);
  c.set((v) => v + 1);
  stop();
  c.set(3);
  assert.deepEqual(listener, [2]);
});

test("what is kept outlives the page, and nonsense in the storage does no harm", () => {
  const box = new Map();
  Object.defineProperty(globalThis, "testStorage", { value: {
    getItem: (k) => box.get(k) ?? null, setItem: (k, v) => box.set(k, v), removeItem: (k) => box.delete(k) } });
  const fits = (v) => v.a === 1;
  kept("testStorage", "k", null, fits).set({ a: 1 });
  assert.deepEqual(kept("testStorage", "k", null, fits).get(), { a: 1 });
  kept("testStorage", "k", null, fits).set(null);
  assert.equal(box.size, 0);
  for (const nonsense of ["{broken", "null", "[]", "7", '{"a":2}']) {
    box.set("k", nonsense);
    assert.equal(kept("testStorage", "k", "initial", fits).get(), "initial", nonsense);
  }
});

test("a storage that may not be read is none", () => {
  Object.defineProperty(globalThis, "closedStorage", { value: { getItem() { throw new Error("SecurityError"); } } });
  assert.equal(kept("closedStorage", "k", "initial", Boolean).get(), "initial");
});

test("a basket or a session of another shape is none", () => {
  const line = { sku: "A", title: "Vase", price: { amount: "2.55", currency: "GBP" }, quantity: 2 };
  const pending = { key: "k", subject: "ann", body: { lines: [{ sku: "A", quantity: 2 }] } };
  for (const b of [{ lines: [], pending: null }, { lines: [line], pending }, { lines: [{ ...line, price: undefined }], pending: null }]) assert.ok(isBasket(b), JSON.stringify(b));
  for (const b of [[], "x", 7, {}, { lines: "x", pending: null }, { lines: [null], pending: null }, { lines: [{ ...line, quantity: "2" }], pending: null },
    { lines: [{ ...line, price: { amount: "x", currency: "GBP" } }], pending: null }, { lines: [], pending: {} }, { lines: [] }]) assert.ok(!isBasket(b), JSON.stringify(b));
  assert.ok(isSession({ token: "t", subject: "ann", roles: ["customer"] }));
  for (const s of [{ token: "x" }, [], "x", { token: "t", subject: "ann", roles: "staff" }]) assert.ok(!isSession(s), JSON.stringify(s));
});

test("orders are renewed in place, new ones come first, and none goes back in time", () => {
  const known = { items: [{ id: "c", version: 2 }, { id: "b", version: 1 }], next: "…" };
  const fresh = ["d", "b", "c", "e", "a"].map((id) => ({ id, version: id === "b" ? 2 : 1 }));
  const items = [{ id: "e", version: 1 }, { id: "d", version: 1 }, { id: "c", version: 2 }, { id: "b", version: 2 }];
  assert.deepEqual(mergeOrders(known, fresh), { items, next: "…" }, "the next page will bring a");
  assert.deepEqual(mergeOrders({ ...known, next: undefined }, fresh).items.at(-1), { id: "a", version: 1 });
  assert.deepEqual(mergeOrders({ items: [] }, fresh).items.length, 5);
});

test("what is wrong with a line of a file is said to people", () => {
  assert.equal(lineProblem('extraneous or missing " in quoted-field'), "A quotation mark is missing, or one too many.");
  assert.equal(lineProblem('bare " in non-quoted field'), "A quotation mark is missing, or one too many.");
  assert.equal(lineProblem('quantity "x" is not a whole number'), 'Quantity "x" is not a whole number.');
});

test("how far an import is, and how it ended, is said to people", () => {
  assert.equal(progressText(undefined), "Starting…");
  assert.equal(progressText({ status: "pending", total: 0, processed: 0, rejected: 0 }), "Waiting to start…");
  assert.equal(progressText({ status: "running", total: 4, processed: 1, rejected: 0 }), "1 of 4 lines, 25%");
  assert.equal(progressText({ status: "running", total: 4, processed: 1, rejected: 0, reason: "SKU A is locked" }), "1 of 4 lines, 25%. Delayed: SKU A is locked.");
  assert.equal(progressText({ status: "done", total: 4, processed: 4, rejected: 1 }), "Done: 3 lines imported, 1 rejected.");
  assert.equal(progressText({ status: "failed", total: 4, processed: 1, rejected: 0, reason: "chunk 1 is missing" }), "Failed: Chunk 1 is missing. 1 line imported. 3 lines not processed.");
  assert.equal(progressText({ status: "cancelled", total: 0, processed: 0, rejected: 0 }), "Cancelled: 0 lines imported.");
});

test("a further page brings nothing twice", () => {
  assert.deepEqual(appendPage({ items: [{ id: 2 }, { id: 1 }], next: "x" }, { items: [{ id: 1 }, { id: 0 }] }, (i) => i.id),
    { items: [{ id: 2 }, { id: 1 }, { id: 0 }] });
});

test("a list that is loaded anew is as long as it was", async () => {
  const all = Array.from({ length: 1300 }, (_, i) => i), asked = [];
  const pageOf = async (after, limit) => {
    asked.push(limit);
    const from = Number(after), items = all.slice(from, from + limit);
    return { items, next: from + limit < all.length ? String(from + limit) : undefined };
  };
  const loaded = async (count) => (await loadUpTo(count, 24, pageOf, (i) => i)).items.length;
  assert.deepEqual([await loaded(0), await loaded(48), await loaded(600), await loaded(9999)], [24, 48, 1000, 1300]);
  assert.deepEqual(asked, [24, 48, 500, 500, 500, 500, 500]);
});

test("each status has its way, and only what is not settled for good is cancelled", () => {
  for (const s of statuses) assert.equal(stepsOf(s)[0].state, "done", s);
  assert.deepEqual(stepsOf("rejected").at(-1), { label: "Not fulfilled", state: "bad" });
  const may = (status, who) => mayCancel({ status, customer: "ann" }, who);
  const ann = { subject: "ann", roles: ["customer"] };
  assert.deepEqual(statuses.filter((s) => may(s, ann)), ["placed", "confirmed"]);
  assert.ok(!may("placed", { subject: "bob", roles: ["warehouse"] }));
  assert.ok(may("placed", { subject: "bob", roles: ["staff"] }));
  assert.ok(!may("placed", null));
});
