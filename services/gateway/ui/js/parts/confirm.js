// Asks for confirmation of an action that cannot be undone.

import { html, useEffect, useRef } from "../view.js";

/** Renders a modal dialog. The browser traps the focus, closes it on Escape and restores the focus. */
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
        <button type="button" onClick=${close}>Cancel</button>
        <button type="submit" class=${danger ? "danger" : "primary"}>${yes}</button>
      </div>
    </form>
  </dialog>`;
}
