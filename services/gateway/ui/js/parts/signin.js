// Signs users in and out. Users sign in with a token of the company's identity provider
// or with an API key. Only a development shop lets them choose a user.

import { ask, get } from "../api.js";
import { session, signingIn } from "../store.js";
import { Skeleton, ErrorBox, html, focusOnNextPage, refocus, useSignal, useEffect, useLoad, useRef, useState } from "../view.js";

const reasons = {
  expired: "Your session has ended. Sign in again to continue. Your basket is saved.",
  order: "Sign in to place your order. Your basket is saved.",
  wish: "Sign in so that the shop can notify you.",
};

const roleNames = { customer: "customer", warehouse: "warehouse", staff: "staff" };
const roleList = (roles) => roles.map((r) => roleNames[r] ?? r).join(", ");

export default function SignIn({ why }) {
  const box = useRef(null);
  const who = useSignal(session);
  useEffect(() => { if (!box.current.open) box.current.showModal(); }, []);
  // Close the dialog first, so that the browser restores the focus.
  const enter = (next) => {
    box.current.close();
    signingIn.set(null);
    if (next && why === "order") focusOnNextPage(".order-now button"); // the button that opened the dialog
    session.set(next);
  };
  return html`<dialog ref=${box} aria-labelledby="signin-title" onClose=${() => { signingIn.set(null); refocus(); }}
      onClick=${(e) => { if (e.target === box.current) box.current.close(); }}>
    <div class="top"><h2 id="signin-title">${who ? "You are signed in" : "Sign in"}</h2>
      <button type="button" class="small" onClick=${() => box.current.close()}>Close</button></div>
    ${reasons[why] && html`<p>${reasons[why]}</p>`}
    ${who && html`<${CurrentUser} who=${who} leave=${() => enter(null)} />`}
    <${Methods} who=${who} enter=${enter} />
  </dialog>`;
}

function CurrentUser({ who, leave }) {
  return html`<div class="current-user"><p>Signed in as <strong><bdi>${who.subject}</bdi></strong> <span class="hint">${roleList(who.roles)}</span></p>
    <button type="button" onClick=${leave}>Sign out</button></div>`;
}

/** Offers the development users if the shop has them, and otherwise a token form. */
function Methods({ who, enter }) {
  const load = useLoad((signal) => get("/dev/token", signal).catch((p) => {
    if (p.status === 404 || p.status === 403) return { subjects: null }; // development sign-in is off
    throw p;
  }), []);
  if (!load.data) return load.problem ? html`<${ErrorBox} problem=${load.problem} retry=${load.reload} />` : html`<${Skeleton} lines=${4} />`;
  if (!load.data.subjects) return html`<${TokenForm} enter=${enter} />`;
  return html`<${DevAccounts} subjects=${load.data.subjects} who=${who} enter=${enter} />
    <details class="other-methods"><summary>Use a token or an API key</summary><${TokenForm} enter=${enter} /></details>`;
}

/** Signs in as any user without a password. Only development shops offer it. */
function DevAccounts({ subjects, who, enter }) {
  const [state, setState] = useState({});
  const as = async (subject, roles) => {
    if (state.busy) return;
    setState({ busy: subject });
    try {
      const { data } = await ask("POST", "/dev/token", { body: { subject, roles } });
      enter({ ...data, kind: data.kind ?? "dev" });
    } catch (problem) {
      setState({ problem });
    }
  };
  return html`<p class="hint">This is a development shop: choose any user, no password needed.</p>
    <${ErrorBox} problem=${state.problem} what="Sign-in failed." />
    <h3 id="signin-as">Sign in as</h3>
    <ul class="accounts" aria-labelledby="signin-as">${subjects.filter((s) => s.subject !== who?.subject).map((s) => html`<li key=${s.subject}>
      <button type="button" aria-disabled=${state.busy === s.subject} onClick=${() => as(s.subject, s.roles)}>
        <strong>${s.subject}</strong> <span class="hint">${roleList(s.roles)}</span></button></li>`)}</ul>
    <${OtherName} as=${as} />`;
}

function OtherName({ as }) {
  const [name, setName] = useState("");
  const [wrong, setWrong] = useState("");
  const [more, setMore] = useState([]);
  const turn = (role) => setMore((all) => (all.includes(role) ? all.filter((r) => r !== role) : [...all, role]));
  const submit = (e) => {
    e.preventDefault();
    const fits = /^[A-Za-z0-9._@-]{1,64}$/.test(name.trim());
    setWrong(fits ? "" : "Use letters, digits, dots, hyphens, underscores and @ only, up to 64 characters and without spaces.");
    if (fits) as(name.trim(), ["customer", ...more]);
  };
  return html`<form class="other-name" onSubmit=${submit} novalidate>
    <div class="field"><label for="signin-name">Or use another name</label>
      <input id="signin-name" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="64" value=${name}
        aria-invalid=${Boolean(wrong)} aria-describedby="signin-name-wrong" onInput=${(e) => { setWrong(""); setName(e.target.value); }} />
      <span id="signin-name-wrong" class="field-error" role="alert">${wrong}</span></div>
    <div class="row">${["warehouse", "staff"].map((r) => html`<label class="check" key=${r}>
      <input type="checkbox" checked=${more.includes(r)} onChange=${() => turn(r)} /> ${r === "staff" ? "Staff" : "Warehouse"}</label>`)}
      <button type="submit" class="primary">Sign in</button></div>
  </form>`;
}

/** Signs in with a token or API key after checking it against the API. */
function TokenForm({ enter }) {
  const [text, setText] = useState("");
  const [state, setState] = useState({});
  const submit = async (e) => {
    e.preventDefault();
    const token = text.trim().replace(/^Bearer\s+/i, "");
    if (!/^[\x21-\x7e]+$/.test(token)) return setState({ wrong: "Paste the whole token or key: one line, without spaces." });
    setState({ busy: true });
    try {
      const { data } = await ask("GET", "/me", { token });
      enter({ ...data, token });
    } catch (problem) {
      setState({ wrong: problem.status === 401 ? "The shop rejected this token or key. It is mistyped, has expired, or was revoked." : problem.message });
    }
  };
  return html`<form onSubmit=${submit} novalidate>
    <div class="field"><label for="signin-token">Token or API key</label>
      <input id="signin-token" type="password" autocomplete="off" spellcheck="false" value=${text}
        aria-invalid=${Boolean(state.wrong)} aria-describedby="signin-token-wrong signin-token-hint" onInput=${(e) => { setState({}); setText(e.target.value); }} />
      <span id="signin-token-wrong" class="field-error" role="alert">${state.wrong}</span>
      <span id="signin-token-hint" class="hint">Your company’s sign-in issues tokens. The shop’s staff issue API keys, which begin with <code>qk_</code>.
        It is stored in this tab only and deleted when you close the tab.</span></div>
    <button type="submit" class="primary" aria-disabled=${Boolean(state.busy)}>Sign in</button>
  </form>`;
}
