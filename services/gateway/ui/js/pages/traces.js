// Searches and shows traces: events linked by cause across services.

import { get, withQuery } from "../api.js";
import { go } from "../router.js";
import { chains } from "../parts/chains.js";
import { OperationsNav } from "../parts/opsnav.js";
import { Timeline } from "../parts/timeline.js";
import { TraceSearch } from "../parts/tracesearch.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useEvents, useLoad, useThrottle, useState } from "../view.js";
import { number, plural } from "../format.js";

const maxEvents = 200; // events, the gateway's limit
const maxShown = 5;

export default function Traces({ query }) {
  const subject = query.get("subject") ?? "", correlation = query.get("correlation") ?? "";
  return html`<${Heading} title="Traces" lead="Shows which events an action caused, in which services, and how long each step took."><${OperationsNav} at="/operations/traces" /><//>
    <${TraceSearch} subject=${subject} correlation=${correlation} onSearch=${(q) => go(withQuery("/operations/traces", q))} />
    ${subject || correlation ? html`<${TraceResults} key=${`${subject} ${correlation}`} subject=${subject} correlation=${correlation} />`
      : html`<${Empty} title="Search for a trace">Enter an order ID, a SKU or a correlation ID, or select an event on the <a href="/operations">overview</a>.<//>`}`;
}

function TraceResults({ subject, correlation }) {
  const load = useLoad((signal) => get(withQuery("/ops/traces", subject ? { subject } : { correlation }), signal), [subject, correlation]);
  const soon = useThrottle(load.reload, 700);
  const items = load.data?.items;
  useEvents((e) => { if (e.subject === subject || e.correlation === correlation || items?.some((i) => i.correlation === e.correlation)) soon(); });
  const [shown, show] = useState(maxShown);
  const all = items ? chains(items) : [];
  return html`<${ErrorBox} problem=${load.problem} what="The trace cannot be loaded." retry=${load.reload} />
    <p class="visually-hidden" role="status">${items ? `${plural(all.length, "trace")} found` : ""}</p>
    ${!items ? !load.problem && html`<${Skeleton} lines=${8} />`
      : items.length === 0 ? html`<${Empty} title="No events found">The gateway’s activity log has no event for “${subject || correlation}”. Check for typos. The log deletes old events after a while.<//>`
      : all.slice(0, shown).map((c) => html`<${Timeline} key=${c.correlation} chain=${c} subject=${subject} />`)}
    ${all.length > shown && html`<div class="more"><button type="button" onClick=${() => show(shown + maxShown)}>Show earlier traces (${number(all.length - shown)})</button></div>`}
    ${items?.length >= maxEvents && html`<p class="hint">Showing the latest ${number(maxEvents)} events only.</p>`}`;
}
