// Do all services say the same? Asked once, answered when the shop is at rest.

import { ask, get } from "../api.js";
import { signal } from "../store.js";
import { ErrorBox, html, useSignal, useState } from "../view.js";
import { number, plural, span, when } from "../format.js";
import { usePoll } from "./poll.js";

/** The ID of the audit that was asked for last: it goes on while the page is elsewhere. */
const asked = signal("");

export function Audit() {
  const id = useSignal(asked);
  const [state, setState] = useState({});
  const begin = async () => {
    if (state.busy) return;
    setState({ busy: true });
    try {
      asked.set((await ask("POST", "/ops/audit")).data.id);
      setState({});
    } catch (problem) {
      setState({ problem });
    }
  };
  return html`<section class="panel" aria-labelledby="audit"><h2 id="audit">Audit</h2>
    <p>Compares what all services have written down: orders, allocations, stock and products.</p>
    <${ErrorBox} problem=${state.problem} what="The audit did not begin." />
    <p><button type="button" onClick=${begin} aria-disabled=${Boolean(state.busy)}>${id ? "Audit again" : "Begin the audit"}</button></p>
    ${id && html`<${Result} key=${id} id=${id} />`}
  </section>`;
}

function Result({ id }) {
  const [over, setOver] = useState(false);
  const load = usePoll((signal) => get(`/ops/audits/${encodeURIComponent(id)}`, signal).then((d) => { setOver(d.status !== "running"); return d; }), 1000, [id], !over);
  const d = load.data;
  return html`<div class="audit-result"><${ErrorBox} problem=${load.problem} what="Its result cannot be seen." retry=${load.reload} />
    <div role="status">${!d || d.status === "running" ? html`<p>Looking… It first waits, half a minute at the most, for what is still on its way.</p><progress aria-label="The audit is running"></progress>`
      : d.status === "failed" ? html`<p><span class="badge bad">Not finished</span> Somebody could not be asked, or the shop did not come to rest. Try again when all services are ready.</p>`
      : html`<p><span class=${`badge ${d.clean ? "ok" : "bad"}`}>${d.clean ? "✓ All agree" : `✕ ${plural(d.report.differences.length, "difference")}`}</span>
        <span class="hint"> ${when(d.finished_at)}, in ${span(new Date(d.finished_at) - new Date(d.started_at))}</span></p>`}</div>
    ${d?.status === "done" && html`<${Report} report=${d.report} />`}
  </div>`;
}

/** The audit is also read in a terminal, and names a command there; here the same is a page. */
export function parseDifference(text) {
  const [, withoutCommand] = /^(.*) \(quadrille dead list [\w-]+\)$/.exec(text) ?? [];
  return { message: withoutCommand ?? text, deadLetters: withoutCommand !== undefined };
}

function Difference({ text }) {
  const { message, deadLetters } = parseDifference(text);
  return html`${message}${deadLetters && html` <a href="/floor/dead-letters">Look at them</a>`}`;
}

const rows = { skus: "SKUs", on_hand: "On hand", reserved: "Reserved", products: "Products", allocations: "Allocations" };

function Report({ report: r }) {
  const orders = Object.entries(r.orders ?? {});
  return html`<dl class="facts">
      <div><dt>Orders</dt><dd>${orders.length ? orders.map(([status, n]) => `${number(n)} ${status}`).join(", ") : "none"}</dd></div>
      ${Object.entries(rows).map(([key, name]) => r[key] !== undefined && html`<div key=${key}><dt>${name}</dt><dd>${number(r[key])}</dd></div>`)}
    </dl>
    ${r.differences?.length > 0 && html`<h3>What differs</h3><ul class="bullets">${r.differences.map((text) => html`<li key=${text}><${Difference} text=${text} /></li>`)}</ul>`}`;
}
