"use strict";
const rows = [...document.querySelectorAll("#task-table tbody tr")];
const sections = [...document.querySelectorAll("details.task")];
const filters = document.querySelector(".filters");
const find = document.querySelector("#find");
const texts = rows.map((row) => row.textContent.toLowerCase());

function show() {
  const wanted = new Set([...filters.querySelectorAll("[name=status]:checked")].map((box) => box.value));
  const known = new Set([...filters.querySelectorAll("[name=status]")].map((box) => box.value));
  const word = find.value.trim().toLowerCase();
  let shown = 0;
  rows.forEach((row, place) => {
    const status = known.has(row.dataset.status) ? row.dataset.status : "not finished";
    const hidden = !wanted.has(status) || !texts[place].includes(word);
    row.hidden = hidden;
    if (sections[place]) sections[place].hidden = hidden;
    shown += hidden ? 0 : 1;
  });
  document.querySelector("#shown").textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} tasks`;
}

function open() {
  let place = null;
  try { place = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
  if (place && place.matches("details.task")) {
    place.hidden = false;
    place.open = true;
    place.scrollIntoView();
    place.querySelector("summary").focus();
  }
}

filters.hidden = false;
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("input", show);
addEventListener("hashchange", open);
show();
open();
