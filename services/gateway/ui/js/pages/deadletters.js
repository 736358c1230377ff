// Lists dead letters: events that a consumer could not process.

import { get, withQuery } from "../api.js";
import { ClosedLetters } from "../parts/closedletters.js";
import { OperationsNav } from "../parts/opsnav.js";
import { ServiceDeadLetters } from "../parts/deadletters.js";
import { closedStates, lettersText } from "../parts/letters.js";
import { usePoll } from "../parts/poll.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useState } from "../view.js";
import { list } from "../format.js";

const path = "/operations/dead-letters";

export default function DeadLetters({ query }) {
  const state = query.get("state") in closedStates ? query.get("state") : "";
  const load = usePoll((signal) => get("/ops/services", signal), 5000, []);
  const services = load.data?.items;
  const away = services?.filter((s) => s.status === "away").map((s) => s.name) ?? [];
  return html`<${Heading} title="Dead letters" lead="Events that a service could not process. It sets such an event aside, continues with others and tries it again a few times. After that, the event waits here until you retry or discard it."><${OperationsNav} at=${path} /><//>
    <${Filter} state=${state} />
    <${ErrorBox} problem=${load.problem} what="The list of services cannot be loaded." retry=${load.reload} />
    ${away.length > 0 && html`<p class="hint">${list(away)} ${away.length === 1 ? "is" : "are"} unavailable. Dead letters there cannot be shown until ${away.length === 1 ? "it is" : "they are"} available again.</p>`}
    ${!services ? !load.problem && html`<${Skeleton} lines=${6} />`
      : state ? html`<${ClosedLetters} key=${state} state=${state} services=${services.filter((s) => s.status !== "away").map((s) => s.name)} />`
      : html`<${Unresolved} services=${services} reload=${load.reload} />`}`;
}

/** Renders the links to the unresolved dead letters and to those that were closed in each way. */
function Filter({ state }) {
  return html`<nav class="filter" aria-label="Dead letters by state">${["", ...Object.keys(closedStates)].map((s) => html`<a key=${s} href=${withQuery(path, { state: s })} aria-current=${s === state ? "page" : null}>
    ${s ? s.charAt(0).toUpperCase() + s.slice(1) : "Unresolved"}</a>`)}</nav>`;
}

/** Orders services with open dead letters before those whose events wait or are retried. */
export const byNeed = (a, b) => Math.sign(b.dead_letters) - Math.sign(a.dead_letters) || Math.sign(b.behind) - Math.sign(a.behind);

function Unresolved({ services, reload }) {
  // Keep a service on the page after its last dead letter is resolved, to show the result.
  const [touched, touch] = useState(new Set());
  const shown = services.filter((s) => lettersText(s) || touched.has(s.name)).sort(byNeed);
  const sum = (field) => services.reduce((n, s) => n + (s[field] ?? 0), 0);
  return html`<p class="visually-hidden" role="status">${lettersText({ dead_letters: sum("dead_letters"), parked: sum("parked"), behind: sum("behind") }) || "No dead letters"}</p>
    ${shown.length === 0 ? html`<${Empty} title="No dead letters">All services processed every event they received.<//>`
      : shown.map((s) => html`<${ServiceDeadLetters} key=${s.name} service=${s} onTouch=${() => { touch((was) => new Set(was).add(s.name)); reload(); }} />`)}`;
}
