// A question before something that cannot be taken back, in the browser's own dialog.

import { html, useEffect, useRef } from "../view.js";

/** Asks while it is shown. The browser keeps the focus within, closes on Escape, and gives the focus back. */
export function ConfirmDialog({ title, yes, danger, onYes, onNo, children }) {
  const dialog = useRef(null);
  useEffect(() => { dialog.current.showModal(); }, []);
  const close = (e) => { e?.preventDefault(); dialog.current.close(); onNo(); };
  const agree = (e) => { e.preventDefault(); dialog.current.close(); onYes(); };
  return html`<dialog ref=${dialog} aria-labelledby="sure-title" onCancel=${close}>
    <div class="top"><h2 id="sure-title">${title}</h2></div>
    <form onSubmit=${agree}>
      ${children}
      <div class="row end">
        <button type="button" onClick=${close}>Leave it</button>
        <button type="submit" class=${danger ? "danger" : "primary"}>${yes}</button>
      </div>
    </form>
  </dialog>`;
}
