// Shows why an event could not be processed: a plain sentence, then the service's own error.

import { html } from "../view.js";
import { sentence } from "../format.js";

const plain = [
  [/not an event|invalid character|unexpected end of JSON|cannot unmarshal|unmarshal/i, "The message is not a valid event."],
  [/panic/i, "The service crashed while processing the event. This is a bug in the service."],
  [/connection refused|no such host|unavailable|away|\b50[234]\b/i, "A service that the consumer had to call was unavailable."],
  [/deadline exceeded|timeout|timed out/i, "A service that the consumer had to call took too long to respond."],
  [/not found|\b404\b/i, "The subject of the event no longer exists."],
  [/\b(400|409|422)\b|request_(invalid|malformed)/i, "A service that the consumer called rejected the request."],
  [/constraint|sqlite|pq:|SQLSTATE|database/i, "The service could not store the result in its database."],
];

/** Returns a plain sentence for a known kind of error, or "". */
export const explainError = (error) => plain.find(([like]) => like.test(error))?.[1] ?? "";

export function Cause({ text }) {
  const words = explainError(text);
  return html`${words && html`<p class="tight">${words}</p>`}<p class="error-text">${sentence(text)}</p>`;
}
