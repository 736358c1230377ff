// Tests the texts of the operations pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDifference } from "../js/parts/audit.js";
import { explainError } from "../js/parts/cause.js";
import { changesOverdue } from "../js/parts/overdue.js";
import { closedStates, followGroupText, followText, letterName, letterState, lettersText, orderText, waitingLongText, waitingText } from "../js/parts/letters.js";
import { summaryText } from "../js/pages/tasks.js";
import { byTrouble, hasEnded, lastText, needsAttention, nextText, resultText, scheduleText, taskBadge } from "../js/parts/tasks.js";
import { byNeed } from "../js/pages/deadletters.js";
import { detailText, statusText } from "../js/parts/topology.js";

test("a service that had to set events aside is not called ready", () => {
  assert.equal(statusText(undefined), "checking…");
  assert.equal(statusText({ status: "ready", dead_letters: 0 }), "ready");
  assert.equal(statusText({ status: "ready", dead_letters: 4 }), "4 dead");
  assert.equal(statusText({ status: "not_ready", dead_letters: 4 }), "not ready");
  assert.equal(statusText({ status: "away" }), "unavailable");
});

test("a service that only retries is well, and says so; a person's work comes first", () => {
  assert.equal(statusText({ status: "ready", dead_letters: 0, parked: 3, behind: 9 }), "retrying 3");
  assert.equal(statusText({ status: "ready", dead_letters: 1, parked: 3 }), "1 dead");
  const details = (s) => detailText({ status: "ready", outbox: { unsent: 7 }, dead_letters: 0, parked: 0, behind: 0, ...s });
  assert.equal(details({}), "7 unsent · 0 dead");
  assert.equal(details({ parked: 3 }), "7 unsent · 0 dead");
  assert.equal(details({ parked: 3, dead_letters: 1 }), "7 unsent · 3 retrying");
  assert.equal(details({ parked: 3, status: "not_ready" }), "7 unsent · 3 retrying");
  assert.equal(details({ parked: 3, behind: 4 }), "7 unsent · 4 waiting");
  assert.equal(details({ status: "away" }), "");
  assert.equal(lettersText({ dead_letters: 1, parked: 2, behind: 3 }), "1 dead letter, 2 being retried, 3 waiting in order");
  assert.equal(lettersText({}), "");
  const services = [{ name: "a", parked: 1 }, { name: "b", behind: 1 }, { name: "c", dead_letters: 1 }].map((s) => ({ dead_letters: 0, behind: 0, ...s }));
  assert.deepEqual(services.sort(byNeed).map((s) => s.name), ["c", "b", "a"]);
});

test("each state of a dead letter is said in words", () => {
  const now = Date.parse("2026-03-04T10:00:00Z"), at = "2026-03-04T10:00:30Z";
  const said = (l) => letterState({ attempts: 2, last_at: at, ...l }, now);
  assert.match(said({ state: "open" }), /^2 attempts, last attempt .*30/);
  assert.match(said({ state: "parked", next_at: at }), /^2 attempts, next attempt .*30/);
  assert.equal(said({ state: "parked", next_at: "2026-03-04T09:59:59Z" }), "2 attempts, next attempt now");
  assert.equal(said({ state: "behind" }), "not tried yet");
  assert.equal(said({ state: "behind", version: 7 }), "version 7, not tried yet");
  assert.match(said({ state: "acting" }), /in progress/);
  for (const state of Object.keys(closedStates)) assert.match(said({ state, closed_at: "2025-01-02T03:04:05Z" }), /2025/);
  assert.equal(letterName({ subject: "", id: 7 }), "Dead letter 7");
});

test("what waits behind a dead letter, and what becomes of it", () => {
  assert.equal(waitingText(1), "1 event waits behind this one");
  assert.match(waitingLongText(1), /^1 event waits behind this one. It follows when/);
  assert.match(waitingLongText(2), /^2 events wait behind this one. They follow in order when .* up to the next failure/);
  assert.equal(followText(undefined), "");
  assert.equal(followText(1), "The event that waits behind it follows.");
  assert.equal(followText(3), "The 3 events that wait behind it follow in order, up to the next failure.");
  assert.equal(followGroupText(0), "");
  assert.match(followGroupText(2), /^The 2 events that wait behind them follow in order/);
  assert.equal(orderText("mailer", 0), "");
  assert.match(orderText("mailer", 1), /^1 event waits, not tried yet: .* mailer .* It follows when/);
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

const task = (t) => ({ name: "t", schedule: "every 1h", next: "2026-03-04T10:00:30Z", requested: null, running: false, owner: "", outcome: "succeeded", duration: 0.012, error: "", failures: 0, token: 4, trouble: "", ...t });

test("schedules are said in words", () => {
  for (const [schedule, want] of Object.entries({
    "every 1h": "Every hour", "every 1m": "Every minute", "every 2s": "Every 2 seconds", "every 1h30m": "Every 1 hour 30 minutes",
    "every 1h0m5s": "Every 1 hour 5 seconds", "every 1.5s": "Every 1.5 seconds", "every 500ms": "Every 500ms",
    "daily at 03:30 Europe/Berlin": "Daily at 03:30 (Europe/Berlin)", "when the moon is full": "When the moon is full",
  })) assert.equal(scheduleText(schedule), want);
});

test("tasks that fail or do not run come first and say why", () => {
  const well = task({}), once = task({ failures: 1, outcome: "timed_out" }), late = task({ trouble: "task t is due" });
  const often = task({ failures: 3, outcome: "failed", trouble: "task t did not succeed" });
  assert.deepEqual([well, once, late, often].map(needsAttention), [false, true, true, true]);
  assert.deepEqual([well, once, late, often].sort(byTrouble), [often, late, once, well]);
  assert.equal(taskBadge(well), null);
  assert.deepEqual(taskBadge(once), { kind: "bad", text: "Timed out" });
  assert.deepEqual(taskBadge(often), { kind: "bad", text: "Failed, 3 runs in a row without success" });
  assert.deepEqual(taskBadge(late), { kind: "warn", text: "Overdue" });
  assert.equal(taskBadge({ ...late, running: true }).text, "Does not end");
  assert.equal(taskBadge(task({ running: true })).text, "Running");
  assert.equal(summaryText([well, well]), "2 tasks: all of them run as planned.");
  assert.equal(summaryText([well, once, late]), "2 of 3 tasks need attention.");
});

test("a run that was asked for is followed to its end", () => {
  assert.ok(!hasEnded(task({ token: 4 }), 4), "not started");
  assert.ok(!hasEnded(task({ token: 5, running: true }), 4), "runs");
  assert.ok(hasEnded(task({ token: 5 }), 4), "ended");
  assert.ok(hasEnded(task({ token: 6, running: true }), 4), "ended, and the next one runs");
  assert.equal(resultText(task({})), "The run succeeded after 12 ms.");
  assert.equal(resultText(task({ outcome: "failed" })), "The run failed after 12 ms.");
  assert.match(resultText(task({ outcome: "timed_out", duration: 600 })), /stopped after 10 min/);
  const now = Date.parse("2026-03-04T10:00:00Z");
  assert.equal(lastText(task({ last: null })), "Never");
  assert.match(lastText(task({ last: "2026-03-04T09:59:30Z" }), now), /30.*, succeeded in 12 ms$/);
  assert.match(lastText(task({ last: "2026-03-04T09:59:30Z", outcome: "timed_out" }), now), /, timed out after 12 ms$/);
  assert.match(nextText(task({}), now), /30/);
  assert.equal(nextText(task({}), now + 60_000), "Due now");
  assert.equal(nextText(task({ requested: "2026-03-04T10:00:00Z" }), now), "As soon as possible");
});
