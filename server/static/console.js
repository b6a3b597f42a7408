// Keeps the screen of a serial console fresh, and sends the keys that are pressed on it. Without this script the page's
// forms do both.
"use strict";
(() => {
  const screen = document.getElementById("screen");
  const path = screen && screen.dataset.console;
  if (!path) return;
  const stateWord = document.getElementById("console-state");
  const reason = document.getElementById("console-reason");
  const bytes = new TextEncoder();
  const writer = crypto.randomUUID();
  let version = Number(screen.dataset.version), sequence = 0, waiting = [], sending = false, over = false, lost = "";

  document.getElementById("keys-hint").hidden = false;
  document.getElementById("read-again").hidden = true;
  screen.scrollIntoView({ block: "nearest" });

  function draw(s) {
    const head = s.lines.slice(0, s.row), line = [...(s.lines[s.row] || "")], tail = s.lines.slice(s.row + 1);
    while (line.length < s.column) line.push(" ");
    const at = document.createElement("span");
    at.className = "at";
    at.textContent = line[s.column] || " ";
    screen.replaceChildren(
      head.map((l) => l + "\n").join("") + line.slice(0, s.column).join(""), at,
      line.slice(s.column + 1).join("") + "\n" + tail.join("\n").trimEnd() + "\n");
    say(s.state, s.reason);
  }

  function say(state, why) {
    stateWord.textContent = state;
    stateWord.className = "state c-" + state;
    reason.textContent = [why, lost].filter(Boolean).join(" ");
  }

  const later = (ms) => new Promise((done) => setTimeout(done, ms));

  async function watch() {
    while (!over) {
      try {
        const answer = await fetch(`${path}?version=${version}&wait=15`, {
          credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(30000),
        });
        if (answer.status === 401 || answer.status === 404) {
          over = true;
          say("closed", answer.status === 401 ? "Log in again: reload the page." : "It is not open any more: reload the page.");
          return;
        }
        if (!answer.ok) throw new Error(String(answer.status));
        const s = await answer.json();
        version = s.version;
        draw(s);
        over = s.state === "closed";
        await later(60);
      } catch {
        reason.textContent = "The server is not reached; trying again.";
        await later(2000);
      }
    }
  }

  function base64(list) {
    return btoa(String.fromCharCode(...list));
  }

  async function send(more) {
    if (waiting.length + more.length > 65536) {
      lost = "Not typed: more than 64 KiB wait for the node.";
      reason.textContent = lost;
      return;
    }
    for (const byte of more) waiting.push(byte);
    if (sending) return;
    sending = true;
    while (waiting.length && !over) {
      const piece = waiting.splice(0, 1024);
      const body = JSON.stringify({ writer, sequence: ++sequence, data: base64(piece) });
      // The same number again is not typed again, so a lost answer does no harm.
      let taken = false;
      for (let tries = 0; tries < 60 && !over && !taken; tries++) {
        try {
          const answer = await fetch(`${path}/input`, {
            method: "POST", credentials: "same-origin", body,
            headers: { "content-type": "application/json" }, signal: AbortSignal.timeout(10000),
          });
          taken = answer.ok;
          if (taken) break;
          if (answer.status !== 503) {
            const words = await answer.json().catch(() => ({}));
            lost = words.message || "nothing was typed";
            break;
          }
        } catch { /* asked again */ }
        await later(500);
      }
      if (taken) lost = "";
      else {
        // What comes behind a hole is not typed: a shell would carry it out.
        waiting = [];
        lost = lost || "The server did not take what was typed; the rest was not typed.";
        reason.textContent = lost;
      }
    }
    sending = false;
  }

  const named = {
    Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C",
    ArrowLeft: "\x1b[D", Home: "\x1b[H", End: "\x1b[F", Insert: "\x1b[2~", Delete: "\x1b[3~", PageUp: "\x1b[5~",
    PageDown: "\x1b[6~", F1: "\x1bOP", F2: "\x1bOQ", F3: "\x1bOR", F4: "\x1bOS", F5: "\x1b[15~", F6: "\x1b[17~",
    F7: "\x1b[18~", F8: "\x1b[19~", F9: "\x1b[20~", F10: "\x1b[21~", F11: "\x1b[23~", F12: "\x1b[24~",
  };

  function typed(e) {
    if (e.metaKey || (e.shiftKey && e.key === "Tab")) return null;
    if (e.ctrlKey && !e.altKey) {
      // Ctrl+Shift+C and +V stay the browser's.
      if (e.shiftKey || e.key.length !== 1) return null;
      const code = e.key.toUpperCase().charCodeAt(0);
      return code >= 64 && code < 96 ? String.fromCharCode(code - 64) : null;
    }
    if (named[e.key]) return named[e.key];
    if (e.key.length !== 1 && [...e.key].length !== 1) return null;
    return (e.altKey && !e.ctrlKey ? "\x1b" : "") + e.key;
  }

  screen.addEventListener("keydown", (e) => {
    const text = typed(e);
    if (text === null) return;
    e.preventDefault();
    send(bytes.encode(text));
  });
  screen.addEventListener("paste", (e) => {
    e.preventDefault();
    send(bytes.encode(e.clipboardData.getData("text").replaceAll("\n", "\r")));
  });
  for (const form of document.querySelectorAll(".console-form")) {
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      const field = form.elements.namedItem("text");
      const key = { enter: "Enter", escape: "Escape", tab: "Tab", up: "ArrowUp", down: "ArrowDown", left: "ArrowLeft",
        right: "ArrowRight", delete: "Delete", f2: "F2", f12: "F12" }[e.submitter && e.submitter.value];
      const control = { "ctrl-c": "\x03", "ctrl-d": "\x04" }[e.submitter && e.submitter.value];
      if (field) {
        send(bytes.encode(field.value + "\r"));
        field.value = "";
      } else send(bytes.encode(control || named[key] || ""));
    });
  }
  watch();
})();
