// Dead letters: events that a service could not handle, and what to do with them.

import { get } from "../api.js";
import { OperationsNav } from "../parts/opsnav.js";
import { ServiceDeadLetters } from "../parts/deadletters.js";
import { usePoll } from "../parts/poll.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useState } from "../view.js";
import { list, plural } from "../format.js";

export default function DeadLetters() {
  const load = usePoll((signal) => get("/ops/services", signal), 5000, []);
  const services = load.data?.items;
  // One whose letters were just dealt with stays on the page, to say so.
  const [touched, touch] = useState(new Set());
  const shown = services?.filter((s) => s.dead_letters > 0 || touched.has(s.name)) ?? [];
  const unknown = services?.filter((s) => s.status === "away").map((s) => s.name) ?? [];
  const total = services?.reduce((sum, s) => sum + s.dead_letters, 0) ?? 0;
  return html`<${Heading} title="Dead letters" lead="Events that a service could not handle. Everything else went on without them."><${OperationsNav} at="/floor/dead-letters" /><//>
    <${ErrorBox} problem=${load.problem} what="Who has dead letters cannot be seen." retry=${load.reload} />
    ${unknown.length > 0 && html`<p class="hint">${list(unknown)} ${unknown.length === 1 ? "is" : "are"} away: what is there cannot be seen until ${unknown.length === 1 ? "it is" : "they are"} back.</p>`}
    <p class="visually-hidden" role="status">${services ? plural(total, "dead letter") : ""}</p>
    ${!services ? !load.problem && html`<${Skeleton} lines=${6} />`
      : shown.length === 0 ? html`<${Empty} title="No dead letters">Every event that came was handled.<//>`
      : shown.map((s) => html`<${ServiceDeadLetters} key=${s.name} service=${s.name} count=${s.dead_letters}
          onTouch=${() => { touch((was) => new Set(was).add(s.name)); load.reload(); }} />`)}`;
}
