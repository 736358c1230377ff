// Renders the forms that record receipts and correct stock counts.

import { notify } from "../store.js";
import { ErrorBox, html, useState } from "../view.js";
import { number, skuRule } from "../format.js";
import { submissionStore, useSubmission } from "./sending.js";

const receipts = submissionStore("receipt", "/receipts", "quantity");
const adjustments = submissionStore("adjustment", "/adjustments", "delta");

export function Receive() {
  const [sku, setSKU] = useState(""), [quantity, setQuantity] = useState("");
  const sending = useSubmission(receipts, (r) => {
    notify(`${number(r.quantity)} of ${r.sku} received.`);
    setSKU(""); setQuantity("");
    focusNextEntry("receive");
  });
  const submit = (e) => { e.preventDefault(); if (!sending.pending) sending.send({ sku: sku.trim(), quantity: Number(quantity) }); };
  return html`<section class="panel" aria-labelledby="receive">
    <h2 id="receive">Receive goods</h2>
    <${SubmissionStatus} sending=${sending} what="The receipt" text=${(b) => `${number(b.quantity)} of ${b.sku}`} />
    <form onSubmit=${submit} onInput=${sending.clear}>
      <${SKU} id="receive-sku" value=${sku} set=${setSKU} />
      <div class="field"><label for="receive-quantity">Quantity received</label>
        <input id="receive-quantity" type="number" inputmode="numeric" required min="1" max="1000000000" step="1" value=${quantity} onInput=${(e) => setQuantity(e.target.value)} /></div>
      <button type="submit" class="primary" aria-disabled=${Boolean(sending.pending)}>${sending.pending ? "Sending…" : "Record receipt"}</button>
    </form>
  </section>`;
}

export function Adjust() {
  const [sku, setSKU] = useState(""), [delta, setDelta] = useState(""), [reason, setReason] = useState("");
  const sending = useSubmission(adjustments, (a) => {
    notify(`${a.sku} stock corrected by ${signed(a.delta)}.`);
    setSKU(""); setDelta(""); setReason("");
    focusNextEntry("adjust");
  });
  const submit = (e) => { e.preventDefault(); if (!sending.pending) sending.send({ sku: sku.trim(), delta: Number(delta), reason: reason.trim() }); };
  return html`<section class="panel" aria-labelledby="adjust">
    <h2 id="adjust">Correct a stock count</h2>
    <${SubmissionStatus} sending=${sending} what="The correction" text=${(b) => `${signed(b.delta)} of ${b.sku}`} />
    <form onSubmit=${submit} onInput=${sending.clear}>
      <${SKU} id="adjust-sku" value=${sku} set=${setSKU} />
      <div class="pair">
        <div class="field"><label for="adjust-delta">Change</label>
          <input id="adjust-delta" type="number" required min="-1000000000" max="1000000000" step="1" aria-describedby="adjust-changes" value=${delta} onInput=${(e) => { e.target.setCustomValidity(Number(e.target.value) === 0 ? "The change must not be 0." : ""); setDelta(e.target.value); }} />
          <span class="hint" id="adjust-changes">Such as 5 or -5.</span></div>
        <div class="field"><label for="adjust-reason">Reason</label>
          <input id="adjust-reason" required pattern=".*\\S.*" maxlength="500" aria-describedby="adjust-reasons" value=${reason} onInput=${(e) => setReason(e.target.value)} />
          <span class="hint" id="adjust-reasons">Such as broken.</span></div>
      </div>
      <button type="submit" aria-disabled=${Boolean(sending.pending)}>${sending.pending ? "Sending…" : "Correct count"}</button>
    </form>
  </section>`;
}

/** Focuses the SKU field for the next entry if the focus is still in this form. */
function focusNextEntry(form) {
  const sku = document.getElementById(`${form}-sku`);
  if (sku?.form.contains(document.activeElement)) sku.focus();
}

const signed = (n) => (n > 0 ? `+${number(n)}` : number(n));

function SKU({ id, value, set }) {
  return html`<div class="field"><label for=${id}>SKU</label>
    <input id=${id} required pattern="\\s*[A-Za-z0-9._\\-]{1,64}\\s*" title=${skuRule} maxlength="70" autocomplete="off" autocapitalize="characters" spellcheck=${false}
      aria-describedby=${`${id}-rule`} value=${value} onInput=${(e) => set(e.target.value)} />
    <span class="hint" id=${`${id}-rule`}>Letters, digits, dots, hyphens and underscores.</span></div>`;
}

/** Shows a pending or rejected submission. */
function SubmissionStatus({ sending: { pending, problem, now, drop }, what, text }) {
  if (!pending) return html`<${ErrorBox} problem=${problem} what=${`${what} was rejected.`} />`;
  if (!problem) return null;
  return html`<div class="error-box" role="alert">
    <p><strong>${what} of ${text(pending.body)} has not been confirmed yet.</strong> ${problem.message} This page resends it automatically. It takes effect only once.</p>
    <div class="row"><button type="button" class="small" onClick=${now}>Resend now</button>
      <button type="button" class="small" onClick=${drop}>Stop resending</button></div></div>`;
}
