// Renders a line chart over time and its numbers as a table.

import { html } from "../view.js";
import { compact, minute, number } from "../format.js";
import { rem, useWidth } from "./width.js";

const height = 190, right = 10, top = 12, bottom = 26; // pixels at the default text size
const digit = 7.6, hour = 66; // widths of a digit and of a time label, in pixels

/**
 * Draws series {name, kind, dash, values} over shared times. values has one entry per
 * time, null if unknown. The table omits times at which all values are 0 or null.
 */
export function Chart({ title, times, series, none }) {
  const [ref, width] = useWidth(500);
  const most = nice(Math.max(1, ...series.flatMap((s) => s.values.map((v) => v ?? 0))));
  const left = 12 + digit * Math.max(2, compact(most).length, compact(most / 2).length);
  const x = (i) => left + ((width - left - right) * i) / Math.max(1, times.length - 1);
  const y = (v) => top + (height - top - bottom) * (1 - v / most);
  const busy = series.filter((s) => s.values.some(Boolean));
  return html`<figure class="chart"><figcaption><h3>${title}</h3></figcaption>
    <div ref=${ref}><svg viewBox=${`0 0 ${width} ${height}`} height=${rem(height)} width="100%" aria-hidden="true" focusable="false">
      ${[0, most / 2, most].map((v) => (Number.isInteger(v) ? html`<g key=${v}><path class="rule" d=${`M${left} ${y(v)}H${width - right}`} /><text class="tick end" x=${left - 8} y=${y(v) + 4}>${compact(v)}</text></g>` : null))}
      ${marks(times, (width - left) / hour).map((i) => html`<text key=${i} class=${i === 0 ? "tick" : i === times.length - 1 ? "tick end" : "tick mid"} x=${x(i)} y=${height - 6}>${minute(times[i])}</text>`)}
      ${series.map((s) => html`<path key=${s.name} class=${`line ${s.kind}`} stroke-dasharray=${s.dash} d=${line(s.values, x, y)} />`)}
    </svg></div>
    <p class="legend">${series.map((s) => html`<span key=${s.name}><svg class="dash" width="26" height="8" aria-hidden="true"><path class=${`line ${s.kind}`} stroke-dasharray=${s.dash} d="M1 4H25" /></svg>${s.name}</span>`)}</p>
    ${!busy.length ? html`<p class="hint">${none}</p>` : html`<details class="numbers"><summary>${title}, as a table</summary>
      <div class="wide tall" tabindex="0" role="region" aria-label=${title}><table><thead><tr><th scope="col">Time</th>${busy.map((s) => html`<th scope="col" class="num" key=${s.name}>${s.name}</th>`)}</tr></thead>
        <tbody>${times.map((t, i) => busy.some((s) => s.values[i]) && html`<tr key=${t}><th scope="row">${minute(t)}</th>${busy.map((s) => html`<td class="num" key=${s.name}>${s.values[i] === null ? "–" : number(s.values[i])}</td>`)}</tr>`)}</tbody></table></div></details>`}
  </figure>`;
}

/** Returns the indexes of the time labels: both ends, and the middle if it fits. */
const marks = ({ length }, room) => (length < 2 ? [] : room < 3.5 ? [0, length - 1] : [0, Math.floor((length - 1) / 2), length - 1]);

function line(values, x, y) {
  let d = "", command = "M";
  values.forEach((v, i) => {
    if (v === null) { command = "M"; return; }
    d += `${command}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
    if (command === "M" && (values[i + 1] ?? null) === null) d += "h3"; // draw a short line, since a single point is invisible
    command = "L";
  });
  return d;
}

/** Rounds up to the next of 2, 4, 10, 20, 40, 100 …, whose half is a round number. */
function nice(most) {
  let step = 1;
  for (;;) {
    for (const m of [2, 4, 10]) if (m * step >= most) return m * step;
    step *= 10;
  }
}
