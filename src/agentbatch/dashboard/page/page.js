"use strict";

// textual.js runs the terminal and keeps its WebSocket to itself; this page has to hear why it closes.
(() => {
  const UNREACHABLE =
    "The dashboard has ended or cannot be reached. Start it with `agentbatch dashboard` where it ran, " +
    "and open the address that it prints.";
  let why = UNREACHABLE;

  function heard(event) {
    if (typeof event.data !== "string") {
      return;
    }
    const [word, sentence] = JSON.parse(event.data);
    if (word === "ended") {
      why = String(sentence);
    }
  }

  function over() {
    document.getElementById("why").textContent = why;
    document.body.classList.add("-over");
    document.getElementById("reload").focus();
  }

  window.WebSocket = class extends window.WebSocket {
    constructor(url) {
      super(url);
      this.addEventListener("message", heard);
      this.addEventListener("close", over);
      // Keys go to the terminal without a click into it.
      this.addEventListener("open", () => document.querySelector(".xterm-helper-textarea").focus());
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("reload").addEventListener("click", () => window.location.reload());
  });
  // A page that comes back from the browser's memory has lost its connection.
  window.addEventListener("pageshow", (event) => event.persisted && window.location.reload());
})();
