// Tests the texts of the operations pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDifference } from "../js/parts/audit.js";
import { explainError } from "../js/parts/cause.js";
import { changesOverdue } from "../js/parts/overdue.js";
import { statusText } from "../js/parts/topology.js";

test("a service that had to set events aside is not called ready", () => {
  assert.equal(statusText(undefined), "checking…");
  assert.equal(statusText({ status: "ready", dead_letters: 0 }), "ready");
  assert.equal(statusText({ status: "ready", dead_letters: 4 }), "4 dead");
  assert.equal(statusText({ status: "not_ready", dead_letters: 4 }), "not ready");
  assert.equal(statusText({ status: "away" }), "unavailable");
});

test("where the audit names a command, the page has a link", () => {
  assert.deepEqual(parseDifference("dead letters of catalog: 4 (quadrille dead list catalog)"), { message: "dead letters of catalog: 4", deadLetters: true });
  assert.deepEqual(parseDifference("SKU A: stats has no copy"), { message: "SKU A: stats has no copy", deadLetters: false });
});

test("errors of programs have a sentence before them, where it is known what they mean", () => {
  assert.equal(explainError("not an event: invalid character 'x' looking for beginning of value"), "The message is not a valid event.");
  assert.match(explainError("GET http://inventory/skus/A: dial tcp: connection refused"), /unavailable/);
  assert.equal(explainError("the owner did not answer"), "");
});

test("the list of overdue orders follows orders that become overdue, and those that it shows", () => {
  assert.ok(changesOverdue({ service: "sales", type: "sales.order_overdue", subject: "new" }, ["o1"]));
  assert.ok(changesOverdue({ service: "sales", type: "sales.order_shipped", subject: "o1" }, ["o1"]));
  assert.ok(!changesOverdue({ service: "sales", type: "sales.order_shipped", subject: "o2" }, ["o1"]));
  assert.ok(!changesOverdue({ service: "inventory", type: "inventory.order_allocated", subject: "o1" }, ["o1"]));
});
