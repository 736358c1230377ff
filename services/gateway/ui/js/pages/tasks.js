// Lists the periodic tasks of all services, and runs them on request.

import { ask, get } from "../api.js";
import { OperationsNav } from "../parts/opsnav.js";
import { usePoll } from "../parts/poll.js";
import { TaskRow, byTrouble, hasEnded, needsAttention, resultText } from "../parts/tasks.js";
import { Empty, Heading, Skeleton, ErrorBox, html, useEffect, useRef, useState } from "../view.js";
import { list, number, plural } from "../format.js";

const keyOf = (service, task) => `${service} ${task.name}`;

export default function Tasks() {
  const { runs, start, follow, waiting } = useRuns();
  const load = usePoll(loadTasks, waiting ? 1000 : 5000, []);
  const services = load.data;
  const tasks = services?.flatMap((s) => s.tasks.map((task) => ({ service: s.name, task, key: keyOf(s.name, task) }))) ?? [];
  useEffect(() => follow(tasks), [services]);
  const above = useAbove(tasks, runs);
  const troubled = tasks.filter((t) => above.has(t.key)).sort((a, b) => byTrouble(a.task, b.task));
  const lost = services?.filter((s) => !s.responds).map((s) => s.name) ?? [];
  const row = (t, named) => html`<${TaskRow} key=${t.key} ...${t} named=${named} run=${runs[t.key]} onRun=${() => start(t, load.reload)} />`;
  return html`<${Heading} title="Tasks" lead="Work that the services repeat. One instance of a service runs each task at a time."><${OperationsNav} at="/operations/tasks" /><//>
    <${ErrorBox} problem=${load.problem} what="The tasks cannot be loaded." retry=${load.reload} />
    ${lost.length > 0 && html`<p class="hint">${list(lost)} ${lost.length === 1 ? "is" : "are"} unavailable. Tasks there cannot be shown until ${lost.length === 1 ? "it is" : "they are"} available again.</p>`}
    <p class="visually-hidden" role="status">${Object.values(runs).filter((r) => r.result ?? r.problem).map((r) => `${r.key}: ${r.result ?? r.problem.message}`).at(-1) ?? ""}</p>
    ${!services ? !load.problem && html`<${Skeleton} lines=${8} />`
      : tasks.length === 0 ? lost.length === 0 && html`<${Empty} title="No tasks">No service has a periodic task.<//>`
      : html`<p role="status">${summaryText(tasks.map((t) => t.task))}</p>
        ${troubled.length > 0 && html`<section class="panel" aria-labelledby="attention"><h2 id="attention">Needs attention</h2>
          <ul class="rows">${troubled.map((t) => row(t, t.service))}</ul></section>`}
        ${services.map((s) => [s, tasks.filter((t) => t.service === s.name && !above.has(t.key))]).map(([s, rest]) => rest.length > 0 && html`<section key=${s.name} class="panel" aria-labelledby=${`tasks-of-${s.name}`}>
          <h2 id=${`tasks-of-${s.name}`}><i class=${`swatch ${s.name}`}></i>${s.name}</h2><ul class="rows">${rest.map((t) => row(t, ""))}</ul></section>`)}`}`;
}

/** Loads the tasks of all services. A service that does not respond has none. */
async function loadTasks(signal) {
  const { items } = await get("/ops/services", signal);
  return Promise.all(items.map(async ({ name, status }) => {
    if (status === "away") return { name, responds: false, tasks: [] };
    try {
      return { name, responds: true, tasks: (await get(`/ops/services/${name}/tasks`, signal)).items };
    } catch (problem) {
      if (signal.aborted || problem.status === 401) throw problem;
      return { name, responds: false, tasks: [] };
    }
  }));
}

/** Says how many tasks need attention. */
export function summaryText(tasks) {
  const troubled = tasks.filter(needsAttention).length;
  if (!troubled) return `${plural(tasks.length, "task")}: all of them run as planned.`;
  return `${number(troubled)} of ${plural(tasks.length, "task")} ${troubled === 1 ? "needs" : "need"} attention.`;
}

/**
 * Returns the keys of the tasks to list first: those that needed attention since the page was
 * opened. A task that the user ran stays where it is, so that the result is found there.
 */
function useAbove(tasks, runs) {
  const above = useRef(new Set());
  for (const t of tasks) if (needsAttention(t.task) && !runs[t.key]) above.current.add(t.key);
  return above.current;
}

/**
 * Starts runs and follows them. runs has the state of each by key: busy while the request is
 * sent, then token, and result once the run has ended; or problem.
 */
function useRuns() {
  const [runs, setRuns] = useState({});
  const set = (key, state) => setRuns(({ [key]: _, ...others }) => ({ ...others, [key]: { key, ...state } })); // the latest last
  const start = async ({ service, task, key }, reload) => {
    const now = runs[key];
    if (task.running || task.requested || now?.busy || (now?.token !== undefined && !now.result)) return;
    set(key, { busy: true });
    try {
      const { data } = await ask("POST", `/ops/services/${service}/tasks/${encodeURIComponent(task.name)}/run`);
      set(key, { token: data.token });
    } catch (problem) {
      set(key, { problem });
    }
    reload();
  };
  const follow = (tasks) => {
    for (const { task, key } of tasks) {
      const { token, result } = runs[key] ?? {};
      if (token !== undefined && !result && hasEnded(task, token)) set(key, { token, result: resultText(task), ok: task.outcome === "succeeded" });
    }
  };
  return { runs, start, follow, waiting: Object.values(runs).some((r) => r.token !== undefined && !r.result) };
}
