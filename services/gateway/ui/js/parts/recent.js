// What happened just now, line by line.

import { html, useEvents, useRef, useThrottle, useState } from "../view.js";
import { clock } from "../format.js";
import { subjectLabel, eventLabel, traceURL } from "./events.js";

const shown = 30;

/** The latest events since the page was opened, newest first. still holds the list as it is. */
export function Recent({ still }) {
  const all = useRef([]);
  const [list, setList] = useState([]);
  const soon = useThrottle(() => setList(all.current), 400); // a burst is one new picture
  useEvents((e) => {
    if (!e.type || still) return;
    all.current = [e, ...all.current].slice(0, shown);
    soon();
  });
  return html`<section class="panel" aria-labelledby="recent"><h2 id="recent">Just now</h2>
    ${list.length === 0 ? html`<p class="hint">Nothing has happened since you opened this page. Events appear here as they pass.</p>`
      : html`<div class="tall" tabindex="0" role="region" aria-label="The latest events"><ol class="events">${list.map((e) => html`<li key=${e.seq}>
        <i class=${`swatch ${e.service}`}></i><time datetime=${e.time}>${clock(e.time)}</time>
        <span class="what">${eventLabel(e.type)}</span> <a class="id" href=${traceURL(e.subject)} aria-label=${`${subjectLabel(e)}: see what led to what`}>${subjectLabel(e)}</a></li>`)}</ol></div>`}
  </section>`;
}
