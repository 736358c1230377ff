// Tests the formats of numbers, money and errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { explain, isSKU, isolated, list, money, plural, rate, sentence, shortID, span, total } from "../js/format.js";

const line = (amount, quantity, currency = "GBP") => ({ price: { amount, currency }, quantity });

test("sums are exact, where floats are not", () => {
  assert.deepEqual(total([line("0.10", 1), line("0.20", 1)]), [{ amount: "0.30", currency: "GBP" }]);
  assert.deepEqual(total([line("90071992547409.93", 1000000)]), [{ amount: "90071992547409930000.00", currency: "GBP" }]);
  assert.deepEqual(total([line("0.05", 1)]), [{ amount: "0.05", currency: "GBP" }]);
});

test("currencies are summed apart, each with its own decimals", () => {
  assert.deepEqual(total([line("1.50", 2), line("300", 3, "JPY"), line("1.000", 1, "KWD"), line("2.5", 1)]), [
    { amount: "5.50", currency: "GBP" }, { amount: "900", currency: "JPY" }, { amount: "1.000", currency: "KWD" }]);
});

test("a line without a price adds nothing", () => {
  assert.deepEqual(total([{ quantity: 3 }]), []);
  assert.equal(money(undefined), "");
});

test("money is written with its currency, even one that is not known", () => {
  assert.match(money({ amount: "2.55", currency: "GBP" }), /2[.,]55/);
  assert.equal(money({ amount: "1", currency: "NOPE" }), "1 NOPE");
});

test("no server's own words reach a reader", () => {
  for (const status of [500, 501, 502, 503, 504]) {
    assert.doesNotMatch(explain({ status, code: "boom", detail: "pq: relation x" }), /pq|boom/);
  }
  assert.match(explain({ code: "network" }), /cannot be reached/);
});

test("what a refusal says of the request is passed on as a sentence", () => {
  assert.equal(explain({ status: 422, code: "x", detail: "the name is too long" }), "The name is too long.");
  assert.equal(explain({ status: 422, code: "x", detail: "no", errors: [{ detail: "a is wrong" }, { detail: "b too" }] }), "A is wrong; b too.");
  assert.equal(explain({ status: 418 }), "The shop rejected the request.");
  assert.equal(sentence("why?"), "Why?");
});

test("what the validator says to programmers is said to people", () => {
  const said = (pointer, detail, code = "request_invalid") => explain({ status: 422, code, detail: "the request breaks the rules", errors: [{ pointer, detail }] });
  assert.match(said("/sku", "does not match ^[A-Za-z0-9._-]{1,64}$"), /^A SKU has .* no spaces\.$/);
  assert.equal(said("/reason", "minimum string length is 1"), "The reason is missing.");
  assert.equal(said("#/query/q", "maximum string length is 200"), "The search text must have at most 200 characters.");
  assert.equal(said("/quantity", "number must be at least 1"), "The quantity must be at least 1.");
  assert.equal(said("/lines/0/quantity", "number must be at most 1000000000"), "The quantity must be at most 1,000,000,000.");
  assert.equal(said("/sku", "is required"), "The SKU is missing.");
  assert.equal(said("#/query/available", "value maybe: an invalid boolean: invalid syntax", "request_malformed"), "A field of the request has an invalid format.");
  assert.equal(explain({ status: 400, code: "request_malformed" }), "The shop could not understand the request.");
  assert.equal(explain({ status: 422, code: "delta_zero", detail: "x", errors: [{ pointer: "/delta", detail: "is 0" }] }), "The change must not be 0.");
});

test("what cannot be a SKU is told from what can", () => {
  for (const sku of ["85123A", "a.b_c-d", "x".repeat(64)]) assert.ok(isSKU(sku), sku);
  for (const sku of ["", "a b", "a/b", "é", "x".repeat(65)]) assert.ok(!isSKU(sku), sku);
});

test("a name keeps its direction to itself", () => {
  assert.equal(isolated("Blue vase"), "Blue vase");
  assert.equal(isolated("a\u202eb"), "\u2068ab\u2069");
  assert.equal(isolated("\u05d0"), "\u2068\u05d0\u2069");
  assert.equal(isolated(undefined), "");
});

test("lists end in words", () => {
  assert.equal(list(["catalog"]), "catalog");
  assert.match(list(["gateway", "catalog", "wishlist"]), /^gateway, catalog,? and wishlist$/);
});

test("spans, rates and counts", () => {
  assert.equal(span(3.84), "3.8 ms");
  assert.equal(span(-1500), "−1.5 s");
  assert.equal(span(240_000), "4 min");
  assert.equal(rate(0.44), "0.4");
  assert.equal(plural(1, "line"), "1 line");
  assert.equal(plural(2, "entry", "entries"), "2 entries");
  assert.equal(shortID("0192aaaa-bbbb-cccc-dddd-eeeeffff0001"), "0192…ff0001");
});
