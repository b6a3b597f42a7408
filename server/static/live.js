// Keeps the part marked data-live up to date while somebody looks at it: every two seconds the same address with
// fragment=1, merged into the page so that focus, scroll, open details and a form that is being filled in stay.
"use strict";
(() => {
  const live = document.querySelector("[data-live]");
  const note = document.getElementById("link-state");
  if (!live || !note) return;
  const PERIOD = 2000;

  document.addEventListener("input", (e) => { if (e.target.form) e.target.form.dataset.edited = ""; });
  document.addEventListener("reset", (e) => { delete e.target.dataset.edited; });

  const inUse = (node) => node.nodeType === 1 &&
    (node.matches("form[data-edited]") || node.querySelector("form[data-edited]") !== null ||
     (node.contains(document.activeElement) && document.activeElement.form instanceof HTMLFormElement));

  // Elements with an id are the same thing wherever they stand; the rest is matched by place and kind.
  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  function merge(old, next) {
    if (old.nodeType !== 1) {
      if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
      return;
    }
    if (old.nodeName === "FORM" && inUse(old)) return;
    for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes]) {
      if (!next.hasAttribute(name) && !(old.nodeName === "DETAILS" && name === "open")) old.removeAttribute(name);
    }
    mergeChildren(old, next);
    // A form that nobody edits shows what the server says.
    if (old.nodeName === "INPUT" && old.value !== next.value) old.value = next.value;
    if (old.nodeName === "SELECT" && old.selectedIndex !== next.selectedIndex) old.selectedIndex = next.selectedIndex;
  }

  function mergeChildren(old, next) {
    const ids = new Set([...next.children].map((n) => n.id).filter(Boolean));
    for (const child of [...old.children]) if (child.id && !ids.has(child.id) && !inUse(child)) child.remove();
    const known = new Map([...old.children].filter((n) => n.id).map((n) => [n.id, n]));
    let at = old.firstChild;
    for (const wanted of [...next.childNodes]) {
      const byId = wanted.id ? known.get(wanted.id) : undefined;
      const match = byId && same(byId, wanted) ? byId : (at && same(at, wanted) ? at : undefined);
      if (!match) {
        old.insertBefore(document.importNode(wanted, true), at);
        continue;
      }
      if (match === at) at = at.nextSibling;
      else old.insertBefore(match, at);
      merge(match, wanted);
    }
    while (at) {
      const after = at.nextSibling;
      if (!inUse(at)) at.remove();
      at = after;
    }
  }

  function say(text, href) {
    if (note.dataset.text === text) return;
    note.dataset.text = text;
    note.hidden = text === "";
    note.textContent = text;
    if (href) {
      const link = document.createElement("a");
      link.href = href;
      link.textContent = "Log in";
      note.append(" ", link);
    }
  }

  async function refresh() {
    const address = new URL(location.href);
    address.hash = "";
    address.searchParams.delete("done");
    address.searchParams.set("fragment", "1");
    const answer = await fetch(address, {
      redirect: "manual", credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(8000),
    });
    if (answer.type === "opaqueredirect" || answer.status === 401) {
      say("Your session has ended: what you see is no longer kept up to date.", "/login");
      return;
    }
    if (!answer.ok) throw new Error(`answer ${answer.status}`);
    const next = document.createElement("template");
    next.innerHTML = await answer.text();
    mergeChildren(live, next.content);
    say("");
  }

  let seen = new Date();
  async function turn() {
    try {
      if (document.visibilityState === "visible") {
        await refresh();
        seen = new Date();
      }
    } catch {
      say(`The server cannot be reached: what you see is from ${seen.toLocaleTimeString()}. Trying again.`);
    }
    setTimeout(turn, PERIOD);
  }
  setTimeout(turn, PERIOD);
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") refresh().catch(() => {}); });
})();
