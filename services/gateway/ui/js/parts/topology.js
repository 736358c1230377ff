// Draws the services, the streams between them and the events that pass.

import { ErrorBox, html } from "../view.js";
import { compact, rate } from "../format.js";
import { streams } from "./flow.js";
import { pathOf, planFor, defaultEdges } from "./layout.js";
import { useWidth } from "./width.js";

/** Names the states of a service. */
export const states = { ready: "ready", not_ready: "not ready", away: "unavailable" };

/** Describes a service's state. Names the dead letters and retries of a service that has some instead of "ready". */
export function statusText(s) {
  if (!s) return "checking…";
  if (s.status !== "ready") return states[s.status] ?? s.status;
  return s.dead_letters ? `${compact(s.dead_letters)} dead` : s.parked ? `retrying ${compact(s.parked)}` : states.ready;
}

/** Describes the events that a service has not sent, and those that wait or are retried, unless statusText names them. */
export function detailText(s) {
  if (!s || s.status === "away") return "";
  const retries = s.parked && (s.dead_letters || s.status !== "ready");
  const second = s.behind ? `${compact(s.behind)} waiting` : retries ? `${compact(s.parked)} retrying` : `${compact(s.dead_letters)} dead`;
  return `${compact(s.outbox?.unsent ?? 0)} unsent · ${second}`;
}

const severityOf = (s) => (!s ? "" : s.status === "ready" ? (s.dead_letters ? "warn" : "ok") : s.status === "away" ? "bad" : "warn");

/** Returns all pairs of stream and consumer, with the state of the consumer if known. */
export function edgesBetween(services) {
  const edges = new Map(defaultEdges.map(([from, to]) => [`${from}>${to}`, { from, to, reader: null }]));
  for (const s of services ?? []) {
    for (const reader of s.readers) edges.set(`${reader.stream}>${s.name}`, { from: reader.stream, to: s.name, reader });
  }
  return [...edges.values()];
}

export function Topology({ load, flow, paused }) {
  const services = load.data?.items;
  const by = new Map((services ?? []).map((s) => [s.name, s]));
  const [ref, width] = useWidth();
  const plan = planFor(width);
  return html`<div ref=${ref}>
    <${ErrorBox} problem=${load.problem} what="The status of the services cannot be loaded." retry=${load.reload} />
    <svg class=${`topology${paused ? " paused" : ""}${plan.few ? " compact" : ""}`} viewBox=${`0 0 ${plan.box.join(" ")}`} aria-hidden="true" focusable="false">
      <defs>${[...streams].map((s) => html`<marker key=${s} id=${`tip-${s}`} viewBox="0 0 8 8" refX="3" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path class=${s} d="M0 0L8 4 0 8z" /></marker>`)}</defs>
      ${edgesBetween(services).map((e) => html`<${Edge} key=${`${e.from}>${e.to}`} edge=${e} plan=${plan} pulse=${flow.pulses[e.from] ?? 0} rate=${flow.rates[e.from] ?? 0} />`)}
      ${Object.entries(plan.at).map(([name, at]) => html`<${ServiceNode} key=${name} name=${name} at=${at} plan=${plan} service=${by.get(name)} />`)}
      ${edgesBetween(services).map((e) => html`<${LagLabel} key=${`${e.from}>${e.to}`} edge=${e} plan=${plan} />`)}
    </svg>
    ${plan.brief && edgesBetween(services).some((e) => e.reader?.lag > 0) && html`<p class="hint tight">The numbers on the lines show how many events a consumer is behind.</p>`}
    <p class="legend">${streams.map((s) => html`<span key=${s}><i class=${`swatch ${s}`}></i>${s} <b>${rate(flow.rates[s])}</b>/s</span>`)}</p>
  </div>`;
}

function Edge({ edge: { from, to }, plan, pulse, rate: perSecond }) {
  const path = pathOf(plan, from, to);
  if (!path) return null;
  return html`<g class=${`edge ${from}${perSecond > 0 ? " active" : ""}`}>
    <path class="edge-path" d=${path.d} marker-end=${`url(#tip-${from})`} />
    ${pulse > 0 && html`<path key=${pulse} class="pulse" d=${path.d} pathLength="100" />`}
  </g>`;
}

/** Renders a consumer's lag on top of the edges; nothing if it is 0. */
function LagLabel({ edge: { from, to, reader }, plan }) {
  const path = reader?.lag > 0 && pathOf(plan, from, to);
  if (!path) return null;
  return html`<text class="lag-label" x=${path.label[0]} y=${path.label[1] - 4}>${reader.replaying ? "↻ " : ""}${compact(reader.lag)}${plan.brief ? "" : " behind"}</text>`;
}

function ServiceNode({ name, at: [x, y], plan: { size: [w, h], few }, service: s }) {
  const kind = severityOf(s);
  const mark = kind === "ok" ? "● " : kind === "bad" ? "✕ " : kind === "warn" ? "▲ " : "";
  return html`<g class=${`node ${name} ${kind}`} transform=${`translate(${x} ${y})`}>
    <rect x=${-w / 2} y=${-h / 2} width=${w} height=${h} rx="14" />
    <rect class="stripe" x=${-w / 2 + 12} y=${-h / 2 - 2} width=${w - 24} height="4" rx="2" />
    <text class="name" y=${-h / 2 + 24}>${name}</text>
    <text class=${`state ${kind}`} y=${-h / 2 + 43}>${mark}${statusText(s)}</text>
    ${!few && html`<text class="small" y=${-h / 2 + 60}>${detailText(s)}</text>`}
  </g>`;
}
