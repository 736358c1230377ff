// Asks for the reason of a discard, which is stored with the record.

import { html, useState } from "../view.js";
import { ConfirmDialog } from "./confirm.js";

/** follow says what happens to events that wait behind the discarded ones. */
export function DiscardDialog({ title, follow = "", onYes, onNo }) {
  const [text, setText] = useState("");
  return html`<${ConfirmDialog} title=${title} yes="Discard events" danger=${true} onYes=${() => onYes(text.trim())} onNo=${onNo}>
    <p>A discarded event is never processed. A record is kept together with your reason. ${follow}</p>
    <div class="field"><label for="reason">Reason</label>
      <input id="reason" required pattern=".*\\S.*" maxlength="1000" autocomplete="off" value=${text} onInput=${(e) => setText(e.target.value)} /></div><//>`;
}
