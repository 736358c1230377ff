// Goods that came in, and counts that were put right.

import { notify } from "../store.js";
import { ErrorBox, html, useState } from "../view.js";
import { number, skuRule } from "../format.js";
import { submissionStore, useSubmission } from "./sending.js";

const receipts = submissionStore("receipt", "/receipts", "quantity");
const adjustments = submissionStore("adjustment", "/adjustments", "delta");

export function Receive() {
  const [sku, setSKU] = useState(""), [quantity, setQuantity] = useState("");
  const sending = useSubmission(receipts, (r) => {
    notify(`${number(r.quantity)} of ${r.sku} are in.`);
    setSKU(""); setQuantity("");
    focusNextEntry("receive");
  });
  const submit = (e) => { e.preventDefault(); if (!sending.pending) sending.send({ sku: sku.trim(), quantity: Number(quantity) }); };
  return html`<section class="panel" aria-labelledby="receive">
    <h2 id="receive">Receive goods</h2>
    <${SubmissionStatus} sending=${sending} what="The receipt" text=${(b) => `${number(b.quantity)} of ${b.sku}`} />
    <form onSubmit=${submit} onInput=${sending.clear}>
      <${SKU} id="receive-sku" value=${sku} set=${setSKU} />
      <div class="field"><label for="receive-quantity">How many came in</label>
        <input id="receive-quantity" type="number" inputmode="numeric" required min="1" max="1000000000" step="1" value=${quantity} onInput=${(e) => setQuantity(e.target.value)} /></div>
      <button type="submit" class="primary" aria-disabled=${Boolean(sending.pending)}>${sending.pending ? "Sending…" : "Receive"}</button>
    </form>
  </section>`;
}

export function Adjust() {
  const [sku, setSKU] = useState(""), [delta, setDelta] = useState(""), [reason, setReason] = useState("");
  const sending = useSubmission(adjustments, (a) => {
    notify(`${a.sku} was changed by ${signed(a.delta)}.`);
    setSKU(""); setDelta(""); setReason("");
    focusNextEntry("adjust");
  });
  const submit = (e) => { e.preventDefault(); if (!sending.pending) sending.send({ sku: sku.trim(), delta: Number(delta), reason: reason.trim() }); };
  return html`<section class="panel" aria-labelledby="adjust">
    <h2 id="adjust">Put a count right</h2>
    <${SubmissionStatus} sending=${sending} what="The change" text=${(b) => `${signed(b.delta)} of ${b.sku}`} />
    <form onSubmit=${submit} onInput=${sending.clear}>
      <${SKU} id="adjust-sku" value=${sku} set=${setSKU} />
      <div class="pair">
        <div class="field"><label for="adjust-delta">More (5) or fewer (-5)</label>
          <input id="adjust-delta" type="number" required min="-1000000000" max="1000000000" step="1" value=${delta} onInput=${(e) => { e.target.setCustomValidity(Number(e.target.value) === 0 ? "A change by 0 changes nothing." : ""); setDelta(e.target.value); }} /></div>
        <div class="field"><label for="adjust-reason">Why</label>
          <input id="adjust-reason" required pattern=".*\\S.*" maxlength="500" aria-describedby="adjust-reasons" value=${reason} onInput=${(e) => setReason(e.target.value)} /></div>
      </div>
      <p class="hint" id="adjust-reasons">Why, in a word or two: broken, found, miscounted.</p>
      <button type="submit" aria-disabled=${Boolean(sending.pending)}>${sending.pending ? "Sending…" : "Change the count"}</button>
    </form>
  </section>`;
}

/** The next one begins with its SKU, for whoever is still at this form. */
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

/** What is under way, and what became of it where it was not taken. */
function SubmissionStatus({ sending: { pending, problem, now, drop }, what, text }) {
  if (!pending) return html`<${ErrorBox} problem=${problem} what=${`${what} was not taken.`} />`;
  if (!problem) return null;
  return html`<div class="error-box" role="alert">
    <p><strong>${what} of ${text(pending.body)} has not been answered yet.</strong> ${problem.message} It is kept and sent again by itself; it counts once.</p>
    <div class="row"><button type="button" class="small" onClick=${now}>Send it now</button>
      <button type="button" class="small" onClick=${drop}>Forget it</button></div></div>`;
}
