// What the floor says of services, events and audits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { saidOf } from "../js/parts/audit.js";
import { plainly } from "../js/parts/cause.js";
import { stateOf } from "../js/parts/dance.js";

test("a service that had to set events aside is not called ready", () => {
  assert.equal(stateOf(undefined), "asking…");
  assert.equal(stateOf({ status: "ready", dead_letters: 0 }), "ready");
  assert.equal(stateOf({ status: "ready", dead_letters: 4 }), "4 dead");
  assert.equal(stateOf({ status: "not_ready", dead_letters: 4 }), "not ready");
  assert.equal(stateOf({ status: "away" }), "away");
});

test("where the audit names a command, the page has a link", () => {
  assert.deepEqual(saidOf("dead letters of catalog: 4 (quadrille dead list catalog)"), { said: "dead letters of catalog: 4", letters: true });
  assert.deepEqual(saidOf("SKU A: stats has no copy"), { said: "SKU A: stats has no copy", letters: false });
});

test("errors of programs have a sentence before them, where it is known what they mean", () => {
  assert.equal(plainly("not an event: invalid character 'x' looking for beginning of value"), "What came is not readable as an event.");
  assert.match(plainly("GET http://inventory/skus/A: dial tcp: connection refused"), /away/);
  assert.equal(plainly("the owner did not answer"), "");
});
