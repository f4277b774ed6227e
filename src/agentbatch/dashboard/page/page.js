"use strict";

// textual.js runs the terminal and keeps its WebSocket to itself; this page has to know why it closes.
(() => {
  // Fewer than 60 columns: the app cannot be read there. #full is the plain page's own link back.
  if (window.matchMedia("(max-width: 600px)").matches && window.location.hash !== "#full") {
    window.location.replace("/plain");
  }

  const UNREACHABLE =
    "The dashboard has stopped or cannot be reached. Start it with `agentbatch dashboard` where it ran, " +
    "and open the address that it prints.";
  let why = UNREACHABLE;

  function onMessage(event) {
    if (typeof event.data !== "string") {
      return;
    }
    const [kind, sentence] = JSON.parse(event.data);
    if (kind === "ended") {
      why = String(sentence);
    }
  }

  function onClose() {
    document.getElementById("why").textContent = why;
    document.body.classList.add("-over");
    document.getElementById("reload").focus();
  }

  window.WebSocket = class extends window.WebSocket {
    constructor(url) {
      super(url);
      this.addEventListener("message", onMessage);
      this.addEventListener("close", onClose);
      // Focus the terminal, so that keys work without a click.
      this.addEventListener("open", () => document.querySelector(".xterm-helper-textarea").focus());
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("reload").addEventListener("click", () => window.location.reload());
  });
  // A page restored from the browser's cache has lost its connection.
  window.addEventListener("pageshow", (event) => event.persisted && window.location.reload());
})();
