// Lists the latest events.

import { html, useEvents, useRef, useThrottle, useState } from "../view.js";
import { clock } from "../format.js";
import { subjectLabel, eventLabel, traceURL } from "./events.js";

const shown = 30;

/** Lists the events since the page was opened, newest first. paused freezes the list. */
export function Recent({ paused }) {
  const all = useRef([]);
  const [list, setList] = useState([]);
  const soon = useThrottle(() => setList(all.current), 400); // render a burst once
  useEvents((e) => {
    if (!e.type || paused) return;
    all.current = [e, ...all.current].slice(0, shown);
    soon();
  });
  return html`<section class="panel" aria-labelledby="recent"><h2 id="recent">Recent events</h2>
    ${list.length === 0 ? html`<p class="hint">No events since you opened this page. New events appear here automatically.</p>`
      : html`<div class="tall" tabindex="0" role="region" aria-label="Latest events"><ol class="events">${list.map((e) => html`<li key=${e.seq}>
        <i class=${`swatch ${e.service}`}></i><time datetime=${e.time}>${clock(e.time)}</time>
        <span class="what">${eventLabel(e.type)}</span> <a class="id" href=${traceURL(e.subject)} aria-label=${`Show traces of ${subjectLabel(e)}`}>${subjectLabel(e)}</a></li>`)}</ol></div>`}
  </section>`;
}
