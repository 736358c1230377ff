// Traces: what led to what, across the services.

import { get, withQuery } from "../api.js";
import { go } from "../router.js";
import { chains } from "../parts/chains.js";
import { OperationsNav } from "../parts/opsnav.js";
import { Timeline } from "../parts/timeline.js";
import { TraceSearch } from "../parts/tracesearch.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useEvents, useLoad, useThrottle, useState } from "../view.js";
import { number, plural } from "../format.js";

const most = 200; // events, as the gateway has it
const atOnce = 5;

export default function Traces({ query }) {
  const subject = query.get("subject") ?? "", correlation = query.get("correlation") ?? "";
  return html`<${Heading} title="Traces" lead="What led to what, across the services."><${OperationsNav} at="/floor/traces" /><//>
    <${TraceSearch} subject=${subject} correlation=${correlation} onSearch=${(q) => go(withQuery("/floor/traces", q))} />
    ${subject || correlation ? html`<${TraceResults} key=${`${subject} ${correlation}`} subject=${subject} correlation=${correlation} />`
      : html`<${Empty} title="What shall be traced?">Enter an order's ID or a SKU, or pick one of the events on <a href="/floor">the floor</a>.<//>`}`;
}

function TraceResults({ subject, correlation }) {
  const load = useLoad((signal) => get(withQuery("/ops/traces", subject ? { subject } : { correlation }), signal), [subject, correlation]);
  const soon = useThrottle(load.reload, 700);
  const items = load.data?.items;
  useEvents((e) => { if (e.subject === subject || e.correlation === correlation || items?.some((i) => i.correlation === e.correlation)) soon(); });
  const [shown, show] = useState(atOnce);
  const all = items ? chains(items) : [];
  return html`<${ErrorBox} problem=${load.problem} what="The trace cannot be shown." retry=${load.reload} />
    <p class="visually-hidden" role="status">${items ? `${plural(all.length, "chain")} of events found` : ""}</p>
    ${!items ? !load.problem && html`<${Skeleton} lines=${8} />`
      : items.length === 0 ? html`<${Empty} title="Nothing is known of it">No event in the gateway's notes is about “${subject || correlation}”. Old notes are removed after a while; or it is mistyped.<//>`
      : all.slice(0, shown).map((c) => html`<${Timeline} key=${c.correlation} chain=${c} subject=${subject} />`)}
    ${all.length > shown && html`<div class="more"><button type="button" onClick=${() => show(shown + atOnce)}>Show earlier ones (${number(all.length - shown)})</button></div>`}
    ${items?.length >= most && html`<p class="hint">Only the latest ${number(most)} events are looked at.</p>`}`;
}
