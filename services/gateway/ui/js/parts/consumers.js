// Renders the event flow as tables, for screen readers and for exact numbers.

import { html } from "../view.js";
import { number, rate } from "../format.js";
import { states } from "./topology.js";

export function Consumers({ services, flow }) {
  return html`<details class="numbers"><summary>Show as tables</summary>
    <div class="wide" tabindex="0" role="region" aria-label="Services"><table><caption>Services</caption>
      <thead><tr><th scope="col">Service</th><th scope="col">Status</th><th scope="col" class="num">Events/s</th><th scope="col" class="num">Unsent events</th><th scope="col" class="num">Dead letters</th><th scope="col" class="num">Being retried</th><th scope="col" class="num">Waiting in order</th></tr></thead>
      <tbody>${services.map((s) => html`<tr key=${s.name}><th scope="row">${s.name}</th><td>${states[s.status] ?? s.status}</td>
        <td class="num">${s.name in flow.rates ? rate(flow.rates[s.name]) : "–"}</td>
        <td class="num">${s.status === "away" ? "–" : number(s.outbox?.unsent ?? 0)}</td>
        ${["dead_letters", "parked", "behind"].map((field) => html`<td key=${field} class="num">${s.status === "away" ? "–" : s[field] ? html`<a href="/operations/dead-letters">${number(s[field])}</a>` : "0"}</td>`)}</tr>`)}</tbody></table></div>
    <div class="wide" tabindex="0" role="region" aria-label="Consumers"><table><caption>Consumers and their streams</caption>
      <thead><tr><th scope="col">Consumer</th><th scope="col">Stream</th><th scope="col">After a failed event</th><th scope="col">State</th><th scope="col" class="num">Position</th><th scope="col" class="num">End of stream</th><th scope="col" class="num">Events behind</th></tr></thead>
      <tbody>${services.flatMap((s) => s.readers.map((r) => html`<tr key=${`${s.name} ${r.stream}`}><th scope="row">${s.name}</th><td>${r.stream}</td><td>${kinds[r.kind] ?? "–"}</td>
        <td>${r.replaying ? "replaying" : r.state}${r.error ? " (with an error)" : ""}</td><td class="num">${place(r.position)}</td><td class="num">${place(r.end)}</td><td class="num">${number(r.lag)}</td></tr>`))}</tbody></table></div>
  </details>`;
}

/** Says what happens to later events of a subject after one failed. */
const kinds = { converging: "later ones proceed", in_order: "later ones wait", effects: "later ones wait" };

const place = (offset) => (offset < 0 ? "–" : number(offset));
