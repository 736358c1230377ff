// Starts a replay and shows its progress.

import { ask, get } from "../api.js";
import { ErrorBox, html, useEffect, useState } from "../view.js";
import { number, percent, rate, sentence, span } from "../format.js";
import { startProgress, timeLeft, updateProgress, progressShare, progressRate } from "./catchup.js";
import { defaultEdges } from "./layout.js";
import { usePoll } from "./poll.js";
import { ConfirmDialog } from "./confirm.js";

/** Returns the streams that each service consumes. */
function readings(services) {
  const pairs = services ? services.flatMap((s) => s.readers.map((r) => [r.stream, s.name])) : [];
  const all = pairs.length ? pairs : defaultEdges;
  const by = new Map();
  for (const [stream, service] of all) by.set(service, [...(by.get(service) ?? []), stream]);
  return by;
}

export function Replay({ services }) {
  const by = readings(services);
  const [chosen, choose] = useState({ service: "stats", stream: "sales" });
  const service = by.has(chosen.service) ? chosen.service : [...by.keys()][0];
  const stream = by.get(service).includes(chosen.stream) ? chosen.stream : by.get(service)[0];
  const [since, setSince] = useState("");
  const [state, setState] = useState({});
  const pick = (next) => { choose(next); setState((s) => ({ ...s, problem: null })); };
  const start = async () => {
    setState({ busy: true });
    try {
      const body = since ? { since: new Date(since).toISOString() } : {};
      const { data } = await ask("POST", `/ops/services/${service}/subscriptions/${stream}/replay`, { body });
      setState({ watched: { service, stream, from: data.from, id: `${service} ${stream} ${Date.now()}` } });
    } catch (problem) {
      setState({ problem });
    }
  };
  return html`<section class="panel" aria-labelledby="replay"><h2 id="replay">Replay</h2>
    <p>Moves a consumer back to an earlier position in a stream. It processes the events from there again. Each event still takes effect only once.</p>
    <form onSubmit=${(e) => { e.preventDefault(); if (!state.busy) setState({ asking: true }); }}>
      <div class="pair">
        <div class="field"><label for="replay-service">Consumer</label><select id="replay-service" value=${service} onChange=${(e) => pick({ service: e.target.value, stream })}>
          ${[...by.keys()].map((s) => html`<option key=${s} value=${s}>${s}</option>`)}</select></div>
        <div class="field"><label for="replay-stream">Stream</label><select id="replay-stream" value=${stream} onChange=${(e) => pick({ service, stream: e.target.value })}>
          ${by.get(service).map((s) => html`<option key=${s} value=${s}>${s}</option>`)}</select></div>
      </div>
      <div class="field"><label for="replay-since">Start time (leave empty to start at the first event)</label>
        <input id="replay-since" type="datetime-local" step="1" value=${since} onInput=${(e) => setSince(e.target.value)} /></div>
      <button type="submit" aria-disabled=${Boolean(state.busy)}>${state.busy ? "Starting…" : "Replay stream…"}</button>
    </form>
    <${ErrorBox} problem=${state.problem} what="The replay could not be started." />
    ${state.asking && html`<${ConfirmDialog} title=${`Replay ${stream} for ${service}?`} yes="Start replay" onYes=${start} onNo=${() => setState((s) => (s.asking ? {} : s))}>
      <p>Until ${service} has caught up, it processes new events in ${stream} with a delay. No event takes effect twice.</p><//>`}
    ${state.watched && html`<${CatchUp} key=${state.watched.id} ...${state.watched} />`}
  </section>`;
}

const wholeSeconds = (ms) => Math.max(1, Math.round(ms / 1000)) * 1000;

function CatchUp({ service, stream, from }) {
  const [p, setP] = useState(() => startProgress(from));
  const load = usePoll((signal) => get(`/ops/services/${service}/subscriptions`, signal), 1000, [service, stream], !p.done);
  const reader = load.data?.items.find((r) => r.stream === stream);
  useEffect(() => { if (reader && !p.done) setP((was) => updateProgress(was, reader, Date.now())); }, [load.data]);
  const left = timeLeft(p), share = progressShare(p);
  return html`<div class="progress-box"><h3>Replay of ${stream} for ${service}</h3>
    <${ErrorBox} problem=${load.problem} what="The progress cannot be loaded." retry=${load.reload} />
    <progress max="1" value=${share} aria-label=${`Replay progress of ${service} in ${stream}`}></progress>
    <p>${p.done ? `Caught up at position ${number(p.end)}.` : !p.seen ? "Resetting the position…"
      : `${percent(share)}, position ${number(Math.max(0, p.position))} of ${number(p.end)}, ${rate(progressRate(p))} events per second${left === null ? "" : `, about ${span(wholeSeconds(left))} left`}.`}</p>
    <p class="visually-hidden" role="status">${p.done ? `${service} has caught up with ${stream}.` : ""}</p>
    ${reader?.error && html`<p class="hint">The consumer reports an error: ${sentence(reader.error)}</p>`}
  </div>`;
}
