// Discarding asks why: the reason is kept with the record.

import { html, useState } from "../view.js";
import { ConfirmDialog } from "./confirm.js";

export function DiscardDialog({ title, onYes, onNo }) {
  const [text, setText] = useState("");
  return html`<${ConfirmDialog} title=${title} yes="Discard" danger=${true} onYes=${() => onYes(text.trim())} onNo=${onNo}>
    <p>What is in it will not take effect. A record is kept, with the reason.</p>
    <div class="field"><label for="reason">Reason</label>
      <input id="reason" required pattern=".*\\S.*" maxlength="1000" autocomplete="off" value=${text} onInput=${(e) => setText(e.target.value)} /></div><//>`;
}
