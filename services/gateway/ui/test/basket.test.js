// Tests the basket and placing it as an order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../js/api.js";
import { parseQuantity } from "../js/pages/basket.js";
import { problemsBySKU, withoutPendingOrder, withPendingOrder, sending, isUnanswered } from "../js/parts/shop-order.js";
import { basket, freshID, itemCount, withProduct, withQuantity } from "../js/store.js";

const price = { amount: "2.55", currency: "GBP" };
const empty = { lines: [], pending: null };
const heart = { sku: "85123A", title: "Heart", price, quantity: 40, version: 3 };
const two = withProduct(withProduct(empty, heart, 2), { sku: "B", title: "B", price });

test("equal products are one line, and stock is no part of it", () => {
  const b = withProduct(two, heart);
  assert.deepEqual(b.lines[0], { sku: "85123A", title: "Heart", price, quantity: 3 });
  assert.equal(b.lines.length, 2);
  assert.equal(itemCount(b), 4);
  assert.equal(itemCount(two), 3, "the basket before is left alone");
});

test("none of a product is no line", () => {
  assert.deepEqual(withQuantity(two, "B", 0).lines.map((l) => l.sku), ["85123A"]);
  assert.equal(withQuantity(two, "B", 7).lines[1].quantity, 7);
  assert.deepEqual(withQuantity(two, "C", 7).lines, two.lines);
});

test("pieces are whole, and not guessed at", () => {
  for (const [text, n] of [["1", 1], [" 12 ", 12], ["007", 7], ["1000000000", 1e9]]) assert.equal(parseQuantity(text), n, text);
  for (const text of ["", "0", "-1", "1.5", "1e9", "abc", "1,000", "1000000001", "99999999999", "Infinity"]) assert.equal(parseQuantity(text), null, text);
});

test("what is said of a refused line goes when the basket changes", () => {
  basket.set(withPendingOrder(two, "ann", "k1"));
  basket.set((b) => withoutPendingOrder(b, "k1", false));
  sending.set({ problem: {}, lines: { B: "not enough" } });
  basket.set((b) => withQuantity(b, "B", 2));
  assert.deepEqual(sending.get(), {});
});

test("what is sent is kept as it was sent, whatever is in the basket later", () => {
  const b = withPendingOrder(two, "ann", "k1");
  assert.deepEqual(b.pending, { key: "k1", subject: "ann", body: { lines: [{ sku: "85123A", quantity: 2 }, { sku: "B", quantity: 1 }] } });
  assert.deepEqual(withQuantity(b, "B", 5).pending, b.pending);
});

test("an answer ends its own order and no other", () => {
  const b = withPendingOrder(two, "ann", "k1");
  assert.deepEqual(withoutPendingOrder(b, "k1", true), empty);
  assert.deepEqual(withoutPendingOrder(b, "k1", false), { ...two, pending: null });
  assert.equal(withoutPendingOrder(b, "k2", true), b);
});

test("an order is sent again unless the shop said no", () => {
  const is = (facts) => isUnanswered(new Problem(facts));
  for (const facts of [{}, { code: "network" }, { code: "timeout" }, { status: 401 }, { status: 429 }, { status: 500 }, { status: 503 },
    { status: 409, code: "idempotency_key_in_use" }]) assert.ok(is(facts), JSON.stringify(facts));
  for (const facts of [{ status: 422, code: "sku_unknown" }, { status: 400 }, { status: 403 }, { status: 409, code: "other" }]) assert.ok(!is(facts), JSON.stringify(facts));
});

test("what is wrong with a line is said at that line", () => {
  const { body } = withPendingOrder(two, "ann", "k").pending;
  const errors = [{ pointer: "/lines/1/sku", detail: "B is not on offer" }, { pointer: "/lines/9/sku", detail: "x" }, { pointer: "/external_id", detail: "y" }];
  assert.deepEqual(problemsBySKU({ errors }, body), { B: "B is not on offer" });
  assert.deepEqual(problemsBySKU({ errors: [{ pointer: "/lines/10/sku" }] }, body), {});
});

test("keys are not guessed and not repeated", () => {
  const keys = new Set(Array.from({ length: 1000 }, freshID));
  assert.equal(keys.size, 1000);
  for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
});
