// Signing in and out. Who somebody is comes from outside the shop (a token of the
// company's sign-in, or an API key); only a shop on a laptop lets you choose.

import { ask, get } from "../api.js";
import { session, signingIn } from "../store.js";
import { Skeleton, ErrorBox, html, focusOnNextPage, refocus, useSignal, useEffect, useLoad, useRef, useState } from "../view.js";

const reasons = {
  expired: "Your session ended. Sign in again and go on where you were: your basket is kept.",
  order: "An order needs a name. Your basket stays as it is.",
  wish: "The shop has to know whom to tell.",
};

const roleNames = { customer: "customer", warehouse: "warehouse", staff: "staff" };
const roleList = (roles) => roles.map((r) => roleNames[r] ?? r).join(", ");

export default function SignIn({ why }) {
  const box = useRef(null);
  const who = useSignal(session);
  useEffect(() => { if (!box.current.open) box.current.showModal(); }, []);
  // Closed first, so that the focus goes back to where it was.
  const enter = (next) => {
    box.current.close();
    signingIn.set(null);
    if (next && why === "order") focusOnNextPage(".order-now button"); // what they were about to press
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
  return html`<div class="current-user"><p>As <strong><bdi>${who.subject}</bdi></strong> <span class="hint">${roleList(who.roles)}</span></p>
    <button type="button" onClick=${leave}>Sign out</button></div>`;
}

/** Names to choose from where the shop offers that, else a token. */
function Methods({ who, enter }) {
  const load = useLoad((signal) => get("/dev/token", signal).catch((p) => {
    if (p.status === 404 || p.status === 403) return { subjects: null }; // not a shop of that kind
    throw p;
  }), []);
  if (!load.data) return load.problem ? html`<${ErrorBox} problem=${load.problem} retry=${load.reload} />` : html`<${Skeleton} lines=${4} />`;
  if (!load.data.subjects) return html`<${TokenForm} enter=${enter} />`;
  return html`<${DevAccounts} subjects=${load.data.subjects} who=${who} enter=${enter} />
    <details class="other-methods"><summary>With a token or an API key</summary><${TokenForm} enter=${enter} /></details>`;
}

/** The development sign-in: anybody may be anybody. */
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
  return html`<p class="hint">This shop runs for trying out: be whoever you like.</p>
    <${ErrorBox} problem=${state.problem} what="Signing in did not work." />
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
    setWrong(fits ? "" : "A name has letters, digits, dots, hyphens, underscores and @, and no spaces.");
    if (fits) as(name.trim(), ["customer", ...more]);
  };
  return html`<form class="other-name" onSubmit=${submit} novalidate>
    <div class="field"><label for="signin-name">Or under another name</label>
      <input id="signin-name" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="64" value=${name}
        aria-invalid=${Boolean(wrong)} aria-describedby="signin-name-wrong" onInput=${(e) => { setWrong(""); setName(e.target.value); }} />
      <span id="signin-name-wrong" class="field-error" role="alert">${wrong}</span></div>
    <div class="row">${["warehouse", "staff"].map((r) => html`<label class="check" key=${r}>
      <input type="checkbox" checked=${more.includes(r)} onChange=${() => turn(r)} /> ${r === "staff" ? "Staff" : "Warehouse"}</label>`)}
      <button type="submit" class="primary">Sign in</button></div>
  </form>`;
}

/** What was issued elsewhere. It is tried before it is taken. */
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
      setState({ wrong: problem.status === 401 ? "The shop does not take this one: it is mistyped, has expired, or was revoked." : problem.message });
    }
  };
  return html`<form onSubmit=${submit} novalidate>
    <div class="field"><label for="signin-token">Token or API key</label>
      <input id="signin-token" type="password" autocomplete="off" spellcheck="false" value=${text}
        aria-invalid=${Boolean(state.wrong)} aria-describedby="signin-token-wrong signin-token-hint" onInput=${(e) => { setState({}); setText(e.target.value); }} />
      <span id="signin-token-wrong" class="field-error" role="alert">${state.wrong}</span>
      <span id="signin-token-hint" class="hint">A token comes from your company's sign-in; an API key begins with <code>qk_</code> and comes from the shop's staff.
        It is kept in this tab only, and forgotten when the tab is closed.</span></div>
    <button type="submit" class="primary" aria-disabled=${Boolean(state.busy)}>Sign in</button>
  </form>`;
}
