// Describes periodic tasks: their schedules, their runs, and what is wrong with them.

import { html } from "../view.js";
import { moment, number, plural, sentence, span } from "../format.js";

const units = { h: "hour", m: "minute", s: "second" };

/** Describes a schedule, such as "every 1h30m" or "daily at 03:30 Europe/Berlin", in words. */
export function scheduleText(schedule) {
  const [, at, zone] = /^daily at (\d\d:\d\d) (.+)$/.exec(schedule) ?? [];
  if (at) return `Daily at ${at} (${zone})`;
  const [, every] = /^every ((?:\d+(?:\.\d+)?[hms])+)$/.exec(schedule) ?? [];
  if (!every) return schedule.charAt(0).toUpperCase() + schedule.slice(1);
  const parts = [...every.matchAll(/([\d.]+)([hms])/g)].map(([, n, unit]) => [Number(n), units[unit]]).filter(([n]) => n > 0);
  if (parts.length === 1 && parts[0][0] === 1) return `Every ${parts[0][1]}`;
  return `Every ${parts.map(([n, unit]) => plural(n, unit)).join(" ")}`;
}

const failed = { failed: "Failed", timed_out: "Timed out", lost: "Lost" };

/** Reports whether the last run of a task did not succeed, or no instance starts or ends a run. */
export const needsAttention = (t) => t.failures > 0 || t.trouble !== "";

/** Sorts tasks that do not run before those whose last run did not succeed, and those that failed more often first. */
export const byTrouble = (a, b) => Number(b.trouble !== "") - Number(a.trouble !== "") || b.failures - a.failures;

/** Names what is wrong with a task: {text, kind} of its badge, or null. */
export function taskBadge(t) {
  if (t.failures > 0) {
    const text = failed[t.outcome] ?? "Failed";
    return { kind: "bad", text: t.failures === 1 ? text : `${text}, ${number(t.failures)} runs in a row without success` };
  }
  if (t.trouble) return { kind: "warn", text: t.running ? "Does not end" : "Overdue" };
  return t.running ? { kind: "", text: "Running" } : null;
}

/** Describes how a run ended. */
export function resultText(t) {
  const took = span(t.duration * 1000);
  switch (t.outcome) {
    case "succeeded": return `The run succeeded after ${took}.`;
    case "timed_out": return `The run exceeded its time limit and was stopped after ${took}.`;
    case "lost": return "The instance that ran the task was lost.";
    default: return `The run failed after ${took}.`;
  }
}

/** Reports whether the run that a request with this token led to has ended. */
export const hasEnded = (t, token) => t.token > token && !(t.running && t.token === token + 1);

/** Says when the task runs next. */
export function nextText(t, now = Date.now()) {
  if (t.requested && !t.running) return "As soon as possible";
  return Date.parse(t.next) > now ? moment(t.next, now) : "Due now";
}

const outcomes = { succeeded: "succeeded in", failed: "failed after", timed_out: "timed out after", lost: "lost after" };

/** Says when the last run that ended began, how it ended, and how long it took. */
export const lastText = (t, now = Date.now()) => (t.last ? `${moment(t.last, now)}, ${outcomes[t.outcome] ?? t.outcome} ${span(t.duration * 1000)}` : "Never");

/** Lets a name break after its underscores. */
const breakable = (name) => name.split("_").map((part, i) => (i ? html`_<wbr />${part}` : part));

/**
 * Renders a task. named is the service to show with it, or "". run is the state of a run that
 * the user asked for: {busy, token, problem, result, ok}.
 */
export function TaskRow({ service, named, task: t, run = {}, onRun }) {
  const badge = taskBadge(t), waiting = run.busy || (run.token !== undefined && !run.result);
  const label = t.running ? "Running…" : waiting || t.requested ? "Starting…" : "Run now";
  return html`<li class="task"><div class="grow">
      <h3>${named && html`<i class=${`swatch ${named}`}></i>${named} `}<span class="id">${breakable(t.name)}</span>${badge && html` <span class=${`badge ${badge.kind}`}>${badge.text}</span>`}</h3>
      ${t.running && html`<p class="hint tight wrap-anywhere">Running since ${moment(t.started)} in ${t.owner}</p>`}</div>
    <dl class="task-facts">
      <div><dt>Schedule</dt><dd>${scheduleText(t.schedule)}</dd></div>
      <div><dt>Last run</dt><dd>${lastText(t)}</dd></div>
      <div><dt>Next run</dt><dd>${nextText(t)}</dd></div></dl>
    <button type="button" class="small" aria-label=${`${label}: ${t.name} of ${service}`} aria-disabled=${Boolean(t.running || waiting || t.requested)} onClick=${onRun}>${label}</button>
    ${t.found && html`<p class="full-width hint tight">${sentence(t.found)}</p>`}
    ${t.failures > 0 && html`<div class="full-width"><p class="error-text">${t.error ? sentence(t.error) : "The run left no error text."}</p>
      <p class="hint tight">${t.succeeded ? `Last success ${moment(t.succeeded)}.` : "It has never succeeded."}</p></div>`}
    ${t.trouble && t.failures === 0 && html`<p class="full-width error-text">${sentence(t.trouble)}</p>`}
    ${run.problem && html`<p class="full-width field-error tight">The task was not started. ${run.problem.message}</p>`}
    ${run.result && html`<p class=${`full-width tight ${run.ok ? "hint" : "field-error"}`}>${run.result}</p>`}
  </li>`;
}
