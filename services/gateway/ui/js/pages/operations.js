// The floor: the dance as it goes, its last hour, and what staff can do about it.

import { get, withQuery } from "../api.js";
import { go } from "../router.js";
import { Audit } from "../parts/audit.js";
import { Topology } from "../parts/topology.js";
import { OperationsNav } from "../parts/opsnav.js";
import { useEventRates } from "../parts/flow.js";
import { LastHour } from "../parts/lasthour.js";
import { usePoll } from "../parts/poll.js";
import { Consumers } from "../parts/consumers.js";
import { Recent } from "../parts/recent.js";
import { Replay } from "../parts/replay.js";
import { TraceSearch } from "../parts/tracesearch.js";
import { Heading, html, useEvents, useRef, useThrottle, useState } from "../view.js";
import { list } from "../format.js";

export default function Operations() {
  const [still, setStill] = useState(false);
  return html`<${Heading} title="The floor" lead="Who tells whom what, at this moment."><${OperationsNav} at="/floor" /><//>
    <${TopologySection} still=${still} setStill=${setStill} />
    <${LastHour} />
    <${TraceSearch} onSearch=${(query) => go(withQuery("/floor/traces", query))} />
    <div class="two-columns level"><${Recent} still=${still} /><div><${Replay} services=${null} /><${Audit} /></div></div>`;
}

/** Apart from the rest of the page: it is drawn anew several times a second. */
function TopologySection({ still, setStill }) {
  const load = usePoll((signal) => get("/ops/services", signal), 3000, []);
  const soon = useThrottle(() => { if (!document.hidden) load.reload(); }, 1500);
  useEvents(soon); // what passes changes who is behind
  const now = useEventRates(), held = useRef(now);
  if (!still) held.current = now;
  const flow = held.current;
  return html`<section class="panel" aria-labelledby="dance">
    <div class="heading"><h2 id="dance">The dance</h2>
      <button type="button" class="small" aria-pressed=${still} onClick=${() => setStill(!still)}>Hold still</button></div>
    <${Topology} load=${load} flow=${flow} still=${still} />
    <${Summary} services=${load.data?.items} />
    ${load.data && html`<${Consumers} services=${load.data.items} flow=${flow} />`}
  </section>`;
}

/** What a glance at the picture says, said once when it changes. */
function Summary({ services }) {
  if (!services) return html`<p role="status">Asking the services how they are…</p>`;
  const ill = services.filter((s) => s.status !== "ready").map((s) => `${s.name} is ${s.status === "away" ? "away" : "not ready"}`);
  const dead = services.filter((s) => s.dead_letters > 0).map((s) => s.name);
  return html`<p role="status">${ill.length ? `${ill.join(", ")}. The others go on; what it missed reaches it later.` : "All services are ready."}
    ${dead.length > 0 && html` <a href="/floor/dead-letters">There are dead letters of ${list(dead)}.</a>`}</p>
    <${FailingChecks} services=${services} />`;
}

/** Why services are not ready, and what to do, check by check. */
function FailingChecks({ services }) {
  const failing = services.flatMap((s) => (s.checks ?? []).filter((c) => !c.ok).map((c) => ({ service: s.name, ...c })));
  if (!failing.length) return null;
  return html`<ul class="hint">${failing.map((c) => html`<li key=${`${c.service} ${c.name}`}><b>${c.service}, ${c.name}:</b> ${c.detail}${c.remedy && html` – ${c.remedy}`}</li>`)}</ul>`;
}
