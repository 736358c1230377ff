// Asking for the trace of something.

import { html, useEffect, useState } from "../view.js";

/** A form that hands {subject} or {correlation} to onSearch. */
export function TraceSearch({ subject = "", correlation = "", onSearch }) {
  const [text, setText] = useState(subject || correlation), [by, setBy] = useState(correlation ? "correlation" : "subject");
  useEffect(() => { setText(subject || correlation); setBy(correlation ? "correlation" : "subject"); }, [subject, correlation]);
  const submit = (e) => { e.preventDefault(); if (text.trim()) onSearch({ [by]: text.trim() }); };
  return html`<form class="search trace-search" role="search" aria-label="Traces" onSubmit=${submit}>
    <label class="visually-hidden" for="trace-by">What the trace is looked up by</label>
    <select id="trace-by" value=${by} onChange=${(e) => setBy(e.target.value)}><option value="subject">Order or SKU</option><option value="correlation">Correlation</option></select>
    <label class="visually-hidden" for="trace-text">${by === "subject" ? "An order's ID or a SKU" : "A correlation's ID"}</label>
    <input id="trace-text" type="search" maxlength="200" autocomplete="off" spellcheck=${false} placeholder=${by === "subject" ? "An order's ID or a SKU" : "A correlation's ID"} value=${text} onInput=${(e) => setText(e.target.value)} />
    <button type="submit" class="primary">Trace</button>
  </form>`;
}
