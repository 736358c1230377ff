// Renders the search form for traces.

import { html, useEffect, useState } from "../view.js";

/** Calls onSearch with {subject} or {correlation}. */
export function TraceSearch({ subject = "", correlation = "", onSearch }) {
  const [text, setText] = useState(subject || correlation), [by, setBy] = useState(correlation ? "correlation" : "subject");
  useEffect(() => { setText(subject || correlation); setBy(correlation ? "correlation" : "subject"); }, [subject, correlation]);
  const submit = (e) => { e.preventDefault(); if (text.trim()) onSearch({ [by]: text.trim() }); };
  return html`<form class="search trace-search" role="search" aria-label="Traces" onSubmit=${submit}>
    <label class="visually-hidden" for="trace-by">Search by</label>
    <select id="trace-by" value=${by} onChange=${(e) => setBy(e.target.value)}><option value="subject">Order or SKU</option><option value="correlation">Correlation ID</option></select>
    <label class="visually-hidden" for="trace-text">${by === "subject" ? "Order ID or SKU" : "Correlation ID"}</label>
    <input id="trace-text" type="search" maxlength="200" autocomplete="off" spellcheck=${false} placeholder=${by === "subject" ? "Order ID or SKU" : "Correlation ID"} value=${text} onInput=${(e) => setText(e.target.value)} />
    <button type="submit" class="primary">Show trace</button>
  </form>`;
}
