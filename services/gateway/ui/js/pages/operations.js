// Renders the operations overview: event flow, overdue orders, last hour, traces, replay and audit.

import { get, withQuery } from "../api.js";
import { go } from "../router.js";
import { Audit } from "../parts/audit.js";
import { lettersText } from "../parts/letters.js";
import { Topology } from "../parts/topology.js";
import { OperationsNav } from "../parts/opsnav.js";
import { useEventRates } from "../parts/flow.js";
import { LastHour } from "../parts/lasthour.js";
import { Overdue } from "../parts/overdue.js";
import { usePoll } from "../parts/poll.js";
import { Consumers } from "../parts/consumers.js";
import { Recent } from "../parts/recent.js";
import { Replay } from "../parts/replay.js";
import { TraceSearch } from "../parts/tracesearch.js";
import { Heading, html, useEvents, useRef, useThrottle, useState } from "../view.js";
import { list } from "../format.js";

export default function Operations() {
  const [paused, setPaused] = useState(false);
  return html`<${Heading} title="Operations" lead="Shows whether the services are ready, how events flow between them, and how far each consumer is behind."><${OperationsNav} at="/operations" /><//>
    <${TopologySection} paused=${paused} setPaused=${setPaused} />
    <${Overdue} />
    <${LastHour} />
    <${TraceSearch} onSearch=${(query) => go(withQuery("/operations/traces", query))} />
    <div class="two-columns level"><${Recent} paused=${paused} /><div><${Replay} services=${null} /><${Audit} /></div></div>`;
}

/** Renders the diagram in its own component, because it updates several times a second. */
function TopologySection({ paused, setPaused }) {
  const load = usePoll((signal) => get("/ops/services", signal), 3000, []);
  const soon = useThrottle(() => { if (!document.hidden) load.reload(); }, 1500);
  useEvents(soon); // events change the lag of consumers
  const now = useEventRates(), held = useRef(now);
  if (!paused) held.current = now;
  const flow = held.current;
  return html`<section class="panel" aria-labelledby="event-flow">
    <div class="heading"><h2 id="event-flow">Event flow</h2>
      <button type="button" class="small" aria-pressed=${paused} onClick=${() => setPaused(!paused)}>Pause updates</button></div>
    <${Topology} load=${load} flow=${flow} paused=${paused} />
    <${Summary} services=${load.data?.items} />
    ${load.data && html`<${Consumers} services=${load.data.items} flow=${flow} />`}
  </section>`;
}

/** Announces the state of the services to screen readers when it changes. */
function Summary({ services }) {
  if (!services) return html`<p role="status">Checking the services…</p>`;
  const ill = services.filter((s) => s.status !== "ready").map((s) => `${s.name} is ${s.status === "away" ? "unavailable" : "not ready"}`);
  const dead = services.filter((s) => s.dead_letters > 0).map((s) => s.name);
  const retrying = services.filter((s) => s.parked > 0 || s.behind > 0).map((s) => `${s.name} (${lettersText({ ...s, dead_letters: 0 })})`);
  const failing = services.filter((s) => s.checks?.some((c) => c.name === "tasks" && c.state === "warning")).map((s) => s.name);
  return html`<p role="status">${ill.length ? `${ill.join(", ")}. The other services keep working. A service that returns catches up on the events it missed.` : "All services are ready."}
    ${dead.length > 0 && html` <a href="/operations/dead-letters">Show the dead letters of ${list(dead)}</a>`}${failing.length > 0 && html` <a href="/operations/tasks">Show the failing tasks of ${list(failing)}</a>`}</p>
    ${retrying.length > 0 && html`<p class="hint">Failed events: ${list(retrying)}. <a href="/operations/dead-letters">Show these events</a></p>`}
    <${FailingChecks} services=${services} />`;
}

/** Lists the failing readiness checks and their remedies. */
function FailingChecks({ services }) {
  const failing = services.flatMap((s) => (s.checks ?? []).filter((c) => !c.ok).map((c) => ({ service: s.name, ...c })));
  if (!failing.length) return null;
  return html`<ul class="hint">${failing.map((c) => html`<li key=${`${c.service} ${c.name}`}><b>${c.service}, ${c.name}:</b> ${c.detail}${c.remedy && html` – ${c.remedy}`}</li>`)}</ul>`;
}
