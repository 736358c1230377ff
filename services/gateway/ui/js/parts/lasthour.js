// Charts the orders and the consumer lag of the last hour.

import { get } from "../api.js";
import { Skeleton, ErrorBox, html } from "../view.js";
import { Chart } from "./chart.js";
import { usePoll } from "./poll.js";

export function LastHour() {
  const load = usePoll((signal) => get("/ops/history?minutes=60", signal), 15_000, []);
  const d = load.data;
  return html`<section class="panel" aria-labelledby="hour"><h2 id="hour">Last hour</h2>
    <${ErrorBox} problem=${load.problem} what="The data for the last hour cannot be loaded." retry=${load.reload} />
    ${!d ? !load.problem && html`<${Skeleton} lines=${8} />` : html`<div class="columns">
      <${Chart} title="Orders per minute" times=${d.orders.map((o) => o.at)} series=${ordersOf(d)} none="No orders in the last hour." />
      <${Chart} title="Consumer lag (events)" times=${d.orders.map((o) => o.at)} series=${lagOf(d)} none="No consumer was behind in the last hour." />
    </div>`}
  </section>`;
}

const orderSeries = [["placed", "", "sales"], ["confirmed", "5 3", "good"], ["shipped", "2 3", "catalog"], ["rejected", "8 3 2 3", "bad"]];
const ordersOf = (d) => orderSeries.map(([name, dash, kind]) => ({ name, dash, kind, values: d.orders.map((o) => o[name]) }));

const dashes = { inventory: "", catalog: "5 3", sales: "2 3", wishlist: "8 3 2 3" };

/** Returns the highest lag of each consumer per step, or null where no sample exists. */
function lagOf(d) {
  const from = Date.parse(d.from), step = d.step_seconds * 1000;
  const lines = new Map();
  for (const { at, subscriber, stream, lag } of d.lag) {
    const name = `${subscriber} ← ${stream}`;
    if (!lines.has(name)) lines.set(name, { name, kind: subscriber, dash: dashes[stream] ?? "", values: d.orders.map(() => null) });
    const i = Math.floor((Date.parse(at) - from) / step), values = lines.get(name).values;
    if (i >= 0 && i < values.length) values[i] = Math.max(values[i] ?? 0, lag);
  }
  return [...lines.values()];
}
