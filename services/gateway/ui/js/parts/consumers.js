// The dance in words and numbers: for screen readers, and for those who like tables.

import { html } from "../view.js";
import { number, rate } from "../format.js";
import { statusText } from "./topology.js";

export function Consumers({ services, flow }) {
  return html`<details class="numbers"><summary>The same as tables</summary>
    <div class="wide" tabindex="0" role="region" aria-label="Services"><table><caption>Services</caption>
      <thead><tr><th scope="col">Service</th><th scope="col">Health</th><th scope="col" class="num">Events/s</th><th scope="col" class="num">To send</th><th scope="col" class="num">Dead letters</th></tr></thead>
      <tbody>${services.map((s) => html`<tr key=${s.name}><th scope="row">${s.name}</th><td>${statusText(s)}</td>
        <td class="num">${s.name in flow.rates ? rate(flow.rates[s.name]) : "–"}</td>
        <td class="num">${s.status === "away" ? "–" : number(s.outbox?.unsent ?? 0)}</td>
        <td class="num">${s.status === "away" ? "–" : s.dead_letters ? html`<a href="/floor/dead-letters">${number(s.dead_letters)}</a>` : "0"}</td></tr>`)}</tbody></table></div>
    <div class="wide" tabindex="0" role="region" aria-label="Readers"><table><caption>Who reads what</caption>
      <thead><tr><th scope="col">Reader</th><th scope="col">Stream</th><th scope="col">Does</th><th scope="col" class="num">At</th><th scope="col" class="num">Of</th><th scope="col" class="num">Behind</th></tr></thead>
      <tbody>${services.flatMap((s) => s.readers.map((r) => html`<tr key=${`${s.name} ${r.stream}`}><th scope="row">${s.name}</th><td>${r.stream}</td>
        <td>${r.replaying ? "reads again" : r.state}${r.error ? " (with an error)" : ""}</td><td class="num">${place(r.position)}</td><td class="num">${place(r.end)}</td><td class="num">${number(r.lag)}</td></tr>`))}</tbody></table></div>
  </details>`;
}

const place = (offset) => (offset < 0 ? "–" : number(offset));
