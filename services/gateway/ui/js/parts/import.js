// Uploads a file of receipts and shows the progress of its import.

import { ask, get } from "../api.js";
import { signal, isText, kept } from "../store.js";
import { ErrorBox, html, useSignal, useEffect, usePassFocus, useRef, useState } from "../view.js";
import { isolated, number, percent, plural, sentence } from "../format.js";
import { usePoll } from "./poll.js";

const maxBytes = 64 << 20; // bytes, inventory's limit

/** Holds {id, name, over} of the import shown. It continues while the user is on another page. */
const watched = kept("sessionStorage", "quadrille.import", null, (v) => isText(v.id) && isText(v.name));

/** Holds the state of the upload: {busy}, {refused} if the file was not sent, or {problem} if the upload failed. */
const upload = signal({});

const fileProblem = ({ name, size }) => (size === 0 ? `${isolated(name)} is empty.` : size > maxBytes ? `${isolated(name)} is larger than 64 MiB. Split it into smaller files.` : "");

async function send(file) {
  if (!file || upload.get().busy) return;
  if (watched.get()?.over) watched.set(null); // the old result would look like that of the new file
  const refused = fileProblem(file);
  if (refused) return upload.set({ refused });
  upload.set({ busy: true });
  try {
    const { location } = await ask("POST", "/imports", { body: file, type: "text/csv", timeout: 300_000 });
    watched.set({ id: location.split("/").pop(), name: file.name });
    upload.set({});
  } catch (problem) {
    upload.set({ problem, file });
  }
}

export function Import() {
  const { busy, problem, file, refused } = useSignal(upload);
  const seen = useSignal(watched);
  return html`<section class="panel" aria-labelledby="import">
    <h2 id="import">Import receipts from a file</h2>
    <${ErrorBox} problem=${problem} what=${`${isolated(file?.name)} was not uploaded.`} retry=${problem?.transient && (() => send(file))} again="Upload again" />
    ${refused && html`<div class="error-box" role="alert"><p>${refused}</p></div>`}
    <${Drop} busy=${Boolean(busy)} />
    ${seen && html`<${Progress} key=${seen.id} watched=${seen} />`}
  </section>`;
}

function Drop({ busy }) {
  const [over, setOver] = useState(false);
  const input = useRef(null);
  const drop = (e) => { e.preventDefault(); setOver(false); send(e.dataTransfer.files[0]); };
  return html`<div class=${over ? "drop over" : "drop"} onDragOver=${(e) => { e.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <p>Drop a CSV file here, or</p>
    <button type="button" aria-disabled=${busy} onClick=${() => !busy && input.current.click()}>${busy ? "Uploading…" : "Choose a file"}</button>
    <input ref=${input} type="file" accept=".csv,text/csv" hidden onChange=${(e) => { send(e.target.files[0]); e.target.value = ""; }} />
    <p class="hint">The first line must name the columns <code>external_id,sku,quantity</code>. Use UTF-8 or UTF-16. Uploading the same file twice has no further effect.</p>
  </div>`;
}

const ended = ["done", "failed", "cancelled"];

function Progress({ watched: { id, name } }) {
  const [over, setOver] = useState(false);
  const box = useRef(null);
  usePassFocus(box);
  const load = usePoll((signal) => get(`/imports/${encodeURIComponent(id)}`, signal).then((d) => { setOver(ended.includes(d.status)); return d; }), 700, [id], !over);
  useEffect(() => { if (over) watched.set((w) => (w?.id === id ? { ...w, over } : w)); }, [over]);
  const d = load.data;
  const share = d?.total ? d.processed / d.total : over ? 1 : 0;
  return html`<div class="progress-box" ref=${box}>
    <h3 class="wrap-anywhere">${name}</h3>
    <${ErrorBox} problem=${load.problem} what="The progress cannot be loaded." retry=${load.reload} />
    <progress max="1" value=${share} aria-label=${`Import progress of ${isolated(name)}`}></progress>
    <p role="status">${progressText(d)}</p>
    ${d?.ignored_columns?.length > 0 && html`<p class="hint wrap-anywhere">Ignored ${plural(d.ignored_columns.length, "column")}: ${d.ignored_columns.map(isolated).join(", ")}.</p>`}
    ${d?.rejected > 0 && html`<${Rejected} of=${d} />`}
    ${over && html`<button type="button" class="small" onClick=${() => watched.set(null)}>Dismiss result</button>`}
    ${d && !over && html`<${Cancel} id=${id} reload=${load.reload} />`}
  </div>`;
}

function Cancel({ id, reload }) {
  const [state, setState] = useState({});
  const cancel = async () => {
    setState({ busy: true });
    try {
      await ask("DELETE", `/imports/${encodeURIComponent(id)}`);
      reload();
    } catch (problem) {
      if (problem.status === 409) reload(); // it had already ended
      else setState({ problem });
    }
  };
  return html`<${ErrorBox} problem=${state.problem} what="The import was not cancelled." />
    <button type="button" class="small" aria-disabled=${Boolean(state.busy)} onClick=${() => !state.busy && cancel()}>Cancel import</button>`;
}

/** Describes the progress or result of an import. */
export function progressText(d) {
  if (!d) return "Starting…";
  const rest = d.status === "done" || !d.total ? "" : ` ${plural(d.total - d.processed, "line")} not processed.`;
  switch (d.status) {
    case "done": return done(d);
    case "failed": return `Failed: ${sentence(d.reason ?? "")} ${acceptedText(d)}${rest}`;
    case "cancelled": return `Cancelled: ${acceptedText(d)}${rest}`;
  }
  const held = d.reason ? ` Delayed: ${sentence(d.reason)}` : "";
  return (d.total ? `${number(d.processed)} of ${plural(d.total, "line")}, ${percent(d.processed / d.total)}` : "Waiting to start…") + (held && `.${held}`);
}

const acceptedText = (d) => `${plural(d.processed - d.rejected, "line")} imported${d.rejected ? `, ${number(d.rejected)} rejected` : ""}.`;

const done = (d) => !d.processed ? "Done: the file has no receipts. Add one receipt per line below the first line." : `Done: ${acceptedText(d)}`;

/** Describes the error in a line. Translates messages of the CSV parser, which are meant for programmers. */
export function lineProblem(detail) {
  if (/" in (non-)?quoted.field$/.test(detail)) return "A quotation mark is missing, or one too many.";
  return sentence(detail);
}

function Rejected({ of: { rejected, errors } }) {
  return html`<h3>Rejected lines</h3>
    <div class="wide tall" tabindex="0" role="region" aria-label="Rejected lines"><table><thead><tr><th scope="col" class="num">Line</th><th scope="col">Reason</th></tr></thead>
      <tbody>${errors.map((e) => html`<tr key=${e.line}><td class="num">${number(e.line)}</td><td>${lineProblem(e.detail)}</td></tr>`)}</tbody></table></div>
    ${rejected > errors.length && html`<p class="hint">Showing the first ${number(errors.length)} of ${number(rejected)}.</p>`}`;
}
