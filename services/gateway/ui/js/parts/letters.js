// Describes dead letters: what they are called, what becomes of them, and what waits for them.

import { moment, number, plural, when } from "../format.js";
import { eventLabel, subjectLabel } from "./events.js";

/** Maps the states of closed dead letters to their explanations. */
export const closedStates = {
  retried: "These events were processed by a later attempt, which the service or a person made.",
  discarded: "These events were given up and are never processed. A person discarded them, or too many events were waiting for their subject.",
  overtaken: "A newer version of the subject was processed, so these events are no longer needed.",
};

/** Names the kind of a dead letter. */
export const letterTitle = (type) => (type ? eventLabel(type) : "Not an event");

/** Names one dead letter in a list. */
export const letterName = (l) => (l.subject ? subjectLabel({ subject: l.subject, service: l.stream }) : `Dead letter ${number(l.id)}`);

const endings = { retried: "Processed", discarded: "Discarded", overtaken: "Closed" };

/** Describes what happened to a dead letter and what happens next. */
export function letterState(l, now = Date.now()) {
  switch (l.state) {
    case "open": return `${plural(l.attempts, "attempt")}, last attempt ${moment(l.last_at, now)}`;
    case "parked": return `${plural(l.attempts, "attempt")}, next attempt ${Date.parse(l.next_at) > now ? moment(l.next_at, now) : "now"}`;
    case "acting": return "an attempt is in progress";
    case "behind": return `${l.version ? `version ${number(l.version)}, ` : ""}not tried yet`;
    default: return `${endings[l.state] ?? l.state} ${when(l.closed_at)}, ${plural(l.attempts, "attempt")}`;
  }
}

/** Says how many events wait for a dead letter. */
export const waitingText = (n) => `${plural(n, "event waits", "events wait")} behind this one`;

/** Says how many events wait for a dead letter, and until when. */
export const waitingLongText = (n) => `${waitingText(n)}. ${n === 1 ? "It follows when this one has been retried or discarded." : "They follow in order when this one has been retried or discarded, up to the next failure."}`;

/** Says what happens to the events behind a dead letter that is retried or discarded; "" if there are none. */
export function followText(n) {
  if (!n) return "";
  return n === 1 ? "The event that waits behind it follows." : `The ${number(n)} events that wait behind it follow in order, up to the next failure.`;
}

/** Does the same as followText for a group of dead letters. */
export function followGroupText(n) {
  if (!n) return "";
  return n === 1 ? "The event that waits behind them follows." : `The ${number(n)} events that wait behind them follow in order, each subject up to its next failure.`;
}

/** Explains why events of a service wait; "" if none does. */
export function orderText(service, behind) {
  if (!behind) return "";
  const text = `${plural(behind, "event waits", "events wait")}, not tried yet: an earlier event of the same subject failed, and ${service} processes the events of a subject in order.`;
  return `${text} ${behind === 1 ? "It follows" : "They follow"} when the earlier event has been retried or discarded. Other subjects do not wait.`;
}

/** Describes the result of an action on a group. */
export function outcomeText(what, { done, failed }) {
  if (what === "discard") return `${plural(done, "dead letter was", "dead letters were")} discarded. A record is kept.`;
  if (!done && !failed) return "These dead letters no longer exist.";
  const well = done ? `${plural(done, "event was", "events were")} processed.` : "No event was processed.";
  return failed ? `${well} ${plural(failed, "event")} failed again and ${failed === 1 ? "remains a dead letter" : "remain dead letters"}.` : well;
}

/** Counts the dead letters of a service by what they need, in words; "" if it has none. */
export function lettersText({ dead_letters: open = 0, parked = 0, behind = 0 }) {
  return [open && plural(open, "dead letter"), parked && `${number(parked)} being retried`, behind && `${number(behind)} waiting in order`].filter(Boolean).join(", ");
}
