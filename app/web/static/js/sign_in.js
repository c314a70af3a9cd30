// Signing in: a pasted token, or e-mail and password where the service knows its Supabase project.

import { byId, el, setText } from "./dom.js";

/** `withEmail`: whether that is offered. `onToken(text)` and `onEmail(email, password)` give a problem, or null. */
export function createSignIn({ withEmail, onToken, onEmail }) {
  const holder = byId("sign-in");
  const reason = el("p", { class: "problem", role: "alert" });
  holder.append(el("div", { class: "sign-in" }, reason, withEmail ? emailForm() : null, tokenForm()));

  function form({ title, fields, label, primary, submit }) {
    const button = el("button", { type: "submit", class: primary ? "primary" : null, text: label });
    const problem = el("p", { class: "problem", role: "alert" });
    const node = el("form", {}, el("h2", { text: title }), fields, problem, button);
    node.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      setText(problem, "");
      const said = await submit();
      button.disabled = false;
      setText(problem, said ?? "");
      if (said) node.querySelector("input").focus();
    });
    return node;
  }

  function emailForm() {
    const email = el("input", { type: "email", required: true, autocomplete: "username", name: "email" });
    const password = el("input", { type: "password", required: true, autocomplete: "current-password", name: "password" });
    return form({
      title: "Sign in",
      fields: [el("label", {}, "E-mail", email), el("label", {}, "Password", password)],
      label: "Sign in",
      primary: true,
      submit: async () => {
        const problem = await onEmail(email.value, password.value);
        password.value = "";
        return problem;
      },
    });
  }

  function tokenForm() {
    const token = el("input", { type: "password", required: true, autocomplete: "off", spellcheck: "false", name: "token" });
    return form({
      title: withEmail ? "Or paste a token" : "Sign in",
      fields: [
        el("label", {}, "An admin's access token", token),
        el("p", { class: "muted small", text: "It stays in this tab, and is gone with it." }),
      ],
      label: "Use token",
      primary: !withEmail,
      submit: async () => {
        const problem = await onToken(token.value);
        if (!problem) token.value = "";
        return problem;
      },
    });
  }

  return {
    /** Shows it, with why it is needed again; null for the first time. */
    show(why = null) {
      setText(reason, why ?? "");
      holder.hidden = false;
    },
    hide() {
      holder.hidden = true;
    },
    focus: () => holder.querySelector("input").focus(),
  };
}
