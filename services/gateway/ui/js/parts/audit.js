// Starts an audit and shows its result.

import { ask, get } from "../api.js";
import { signal } from "../store.js";
import { ErrorBox, html, useSignal, useState } from "../view.js";
import { number, plural, span, when } from "../format.js";
import { usePoll } from "./poll.js";

/** Holds the ID of the last audit, which continues while the user is on another page. */
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
    <p>Compares the orders, allocations, stock and products stored by all services and lists any differences.</p>
    <${ErrorBox} problem=${state.problem} what="The audit could not be started." />
    <p><button type="button" onClick=${begin} aria-disabled=${Boolean(state.busy)}>${id ? "Run audit again" : "Run audit"}</button></p>
    ${id && html`<${Result} key=${id} id=${id} />`}
  </section>`;
}

function Result({ id }) {
  const [over, setOver] = useState(false);
  const load = usePoll((signal) => get(`/ops/audits/${encodeURIComponent(id)}`, signal).then((d) => { setOver(d.status !== "running"); return d; }), 1000, [id], !over);
  const d = load.data;
  return html`<div class="audit-result"><${ErrorBox} problem=${load.problem} what="The audit result cannot be loaded." retry=${load.reload} />
    <div role="status">${!d || d.status === "running" ? html`<p>Running… The audit first waits up to 30 seconds until all pending events are processed.</p><progress aria-label="The audit is running"></progress>`
      : d.status === "failed" ? html`<p><span class="badge bad">Not finished</span> A service did not respond, or events were still being processed. Run the audit again when all services are ready.</p>`
      : html`<p><span class=${`badge ${d.clean ? "ok" : "bad"}`}>${d.clean ? "✓ No differences" : `✕ ${plural(d.report.differences.length, "difference")}`}</span>
        <span class="hint"> ${when(d.finished_at)}, in ${span(new Date(d.finished_at) - new Date(d.started_at))}</span></p>`}</div>
    ${d?.status === "done" && html`<${Report} report=${d.report} />`}
  </div>`;
}

/** Removes the CLI command that the audit appends to differences about dead letters. Returns {message, deadLetters}. */
export function parseDifference(text) {
  const [, withoutCommand] = /^(.*) \(quadrille dead list [\w-]+\)$/.exec(text) ?? [];
  return { message: withoutCommand ?? text, deadLetters: withoutCommand !== undefined };
}

function Difference({ text }) {
  const { message, deadLetters } = parseDifference(text);
  return html`${message}${deadLetters && html` <a href="/operations/dead-letters">Show dead letters</a>`}`;
}

const rows = { skus: "SKUs", on_hand: "On hand", reserved: "Reserved", products: "Products", allocations: "Allocations" };

function Report({ report: r }) {
  const orders = Object.entries(r.orders ?? {});
  return html`<dl class="facts">
      <div><dt>Orders</dt><dd>${orders.length ? orders.map(([status, n]) => `${number(n)} ${status}`).join(", ") : "none"}</dd></div>
      ${Object.entries(rows).map(([key, name]) => r[key] !== undefined && html`<div key=${key}><dt>${name}</dt><dd>${number(r[key])}</dd></div>`)}
    </dl>
    ${r.differences?.length > 0 && html`<h3>Differences</h3><ul class="bullets">${r.differences.map((text) => html`<li key=${text}><${Difference} text=${text} /></li>`)}</ul>`}`;
}
