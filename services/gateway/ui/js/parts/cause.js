// Why an event could not be handled: in plain words first, then as the service wrote it.

import { html } from "../view.js";
import { sentence } from "../format.js";

const plain = [
  [/not an event|invalid character|unexpected end of JSON|cannot unmarshal|unmarshal/i, "What came is not readable as an event."],
  [/panic/i, "The service stumbled over it: this is a mistake in the service."],
  [/connection refused|no such host|unavailable|away|\b50[234]\b/i, "Somebody who had to be asked about it was away."],
  [/deadline exceeded|timeout|timed out/i, "Somebody who had to be asked about it took too long to answer."],
  [/not found|\b404\b/i, "What it is about is not known any more."],
  [/\b(400|409|422)\b|request_(invalid|malformed)/i, "Somebody who was told of it did not take it."],
  [/constraint|sqlite|pq:|SQLSTATE|database/i, "The service could not write it down."],
];

/** A sentence for people on an error that a service wrote down; "" where there is none. */
export const explainError = (error) => plain.find(([like]) => like.test(error))?.[1] ?? "";

export function Cause({ text }) {
  const words = explainError(text);
  return html`${words && html`<p class="tight">${words}</p>`}<p class="error-text">${sentence(text)}</p>`;
}
