// Lists dead letters: events that a consumer could not process.

import { get } from "../api.js";
import { OperationsNav } from "../parts/opsnav.js";
import { ServiceDeadLetters } from "../parts/deadletters.js";
import { usePoll } from "../parts/poll.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useState } from "../view.js";
import { list, plural } from "../format.js";

export default function DeadLetters() {
  const load = usePoll((signal) => get("/ops/services", signal), 5000, []);
  const services = load.data?.items;
  // Keep a service on the page after its last dead letter is resolved, to show the result.
  const [touched, touch] = useState(new Set());
  const shown = services?.filter((s) => s.dead_letters > 0 || touched.has(s.name)) ?? [];
  const unknown = services?.filter((s) => s.status === "away").map((s) => s.name) ?? [];
  const total = services?.reduce((sum, s) => sum + s.dead_letters, 0) ?? 0;
  return html`<${Heading} title="Dead letters" lead="Events that a consumer could not process. The consumer set them aside and continued with later events. Retry them once the cause is fixed, or discard them."><${OperationsNav} at="/operations/dead-letters" /><//>
    <${ErrorBox} problem=${load.problem} what="The list of services cannot be loaded." retry=${load.reload} />
    ${unknown.length > 0 && html`<p class="hint">${list(unknown)} ${unknown.length === 1 ? "is" : "are"} unavailable. Dead letters there cannot be shown until ${unknown.length === 1 ? "it is" : "they are"} available again.</p>`}
    <p class="visually-hidden" role="status">${services ? plural(total, "dead letter") : ""}</p>
    ${!services ? !load.problem && html`<${Skeleton} lines=${6} />`
      : shown.length === 0 ? html`<${Empty} title="No dead letters">All services processed every event they received.<//>`
      : shown.map((s) => html`<${ServiceDeadLetters} key=${s.name} service=${s.name} count=${s.dead_letters}
          onTouch=${() => { touch((was) => new Set(was).add(s.name)); load.reload(); }} />`)}`;
}
