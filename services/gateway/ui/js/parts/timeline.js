// Renders one chain of events: a lane for each service, a line from each cause to its
// effects, and a list of the steps. The list holds everything; the drawing is decorative.

import { html, useEffect, useRef, useState } from "../view.js";
import { plural, shortID, span, when } from "../format.js";
import { subjectLabel, eventLabel, traceURL } from "./events.js";
import { rem, pixelScale } from "./width.js";

const first = 22; // from the top of a row to the middle of its first line, in pixels at the default text size

export function Timeline({ chain, subject }) {
  const { steps, lanes, total } = chain;
  const title = eventLabel(steps[0].type);
  return html`<section class="panel" aria-label=${`${title}, ${when(chain.begin)}, ${shortID(chain.correlation)}`}>
    <div class="heading"><div><h2>${title}</h2><p class="lead">${when(chain.begin)} · ${plural(steps.length, "event")} in ${plural(lanes.length, "service")}</p></div>
      <p class="total"><span class="hint">Total</span> ${span(total)}</p></div>
    <p class="legend lanes">${lanes.map((l) => html`<span key=${l}><i class=${`swatch ${l}`}></i>${l}</span>`)}</p>
    <${Diagram} steps=${steps} lanes=${lanes} total=${total} subject=${subject} />
    <p class="hint wrap-anywhere">Correlation <span class="id">${chain.correlation}</span></p>
  </section>`;
}

function Diagram({ steps, lanes, total, subject }) {
  const [ref, { width, height, tops }] = useRows(steps.length);
  return html`<div class="timeline" ref=${ref}><${Lanes} steps=${steps} lanes=${lanes} lane=${width < 480 ? 15 : 26} height=${height} y=${(i) => (tops[i] ?? 0) + first} />
    <ol>${steps.map((s) => html`<${Step} key=${s.id} step=${s} cause=${steps[s.cause]} total=${total} own=${s.subject === subject} />`)}</ol></div>`;
}

/** Measures the rows of the list. Returns [ref, {width, height, tops}]. */
function useRows(count) {
  const ref = useRef(null);
  const [rows, setRows] = useState({ width: 700, height: 0, tops: [] });
  useEffect(() => {
    const list = ref.current.querySelector("ol");
    const watch = new ResizeObserver(() => {
      const scale = pixelScale(), top = list.getBoundingClientRect().top;
      setRows({ width: ref.current.clientWidth * scale, height: list.offsetHeight * scale, tops: [...list.children].map((li) => (li.getBoundingClientRect().top - top) * scale) });
    });
    watch.observe(ref.current);
    watch.observe(list);
    return () => watch.disconnect();
  }, [count]);
  return [ref, rows];
}

function Lanes({ steps, lanes, lane, height, y }) {
  const width = lanes.length * lane;
  const x = (s) => lanes.indexOf(s.service) * lane + lane / 2;
  return html`<svg width=${rem(width)} height=${rem(height)} viewBox=${`0 0 ${width} ${height || 1}`} aria-hidden="true" focusable="false">
    ${lanes.map((l, i) => html`<path key=${l} class=${`lane ${l}`} d=${`M${i * lane + lane / 2} 0V${height}`} />`)}
    ${steps.map((s, i) => s.cause >= 0 && html`<path key=${s.id} class="cause" d=${arc(x(steps[s.cause]), y(s.cause), x(s), y(i))} />`)}
    ${steps.map((s, i) => html`<circle key=${s.id} class=${`event-dot ${s.service}`} cx=${x(s)} cy=${y(i)} r="7" />`)}
  </svg>`;
}

/** Draws the line from a cause to its effect. Bends it within a lane, so that it does not cover the lane. */
function arc(ax, ay, bx, by) {
  if (ax === bx) return `M${ax} ${ay}C${ax + 14} ${ay + 14} ${bx + 14} ${by - 14} ${bx} ${by}`;
  const mid = (ay + by) / 2;
  return `M${ax} ${ay}C${ax} ${mid} ${bx} ${mid} ${bx} ${by}`;
}

function Step({ step: s, cause, total, own }) {
  const start = total ? (100 * (s.at - (s.took ?? 0))) / total : 0, long = total ? (100 * (s.took ?? 0)) / total : 0;
  return html`<li class=${own ? "own" : ""}>
    <p class="line-one"><strong>${eventLabel(s.type)}</strong> <a class="id" href=${traceURL(s.subject)} aria-label=${`Show traces of ${subjectLabel(s)}`}>${subjectLabel(s)}</a></p>
    <p class="line-two"><span class="visually-hidden">in ${s.service}, </span>at ${span(s.at)}${cause ? html`, <b>${span(s.took)}</b> after ${eventLabel(cause.type).toLowerCase()}` : s.causation ? ", cause no longer in the activity log" : ", first event"}</p>
    <svg class=${`waterfall ${s.service}`} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="track" width="100" height="4" /><rect class="duration" x=${Math.min(start, 99)} width=${Math.max(long, 1)} height="4" /></svg>
  </li>`;
}
