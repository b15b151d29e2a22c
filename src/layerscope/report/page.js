// What a page does beyond standing there: numbers on hover, touch and arrow keys, and tables that sort. No request.
"use strict";
const tip = document.createElement("div");
tip.className = "tip";
tip.setAttribute("role", "status");
document.body.append(tip);

// Without this script the browser shows these titles itself; both at once would cover one another.
for (const title of document.querySelectorAll("svg .at > title")) {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
}
for (const cell of document.querySelectorAll("td[title]")) {
  cell.dataset.tip = cell.title;
  cell.removeAttribute("title");
}

let current = null;
function show(item) {
  current?.classList.remove("on");
  current = item;
  tip.textContent = item ? item.dataset.tip : "";
  tip.hidden = !item;
  if (!item) return;
  item.classList.add("on");
  const box = item.getBoundingClientRect(), room = document.documentElement.clientWidth;
  const left = Math.min(Math.max(8, box.left + box.width / 2 - tip.offsetWidth / 2), room - tip.offsetWidth - 8);
  const above = box.top - tip.offsetHeight - 6;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(above > 0 ? above : box.bottom + 6) + scrollY}px`;
}
show(null);
// Not pointerover: a browser sends it also when the page moves beneath a pointer that rests, and keys make it move.
for (const kind of ["pointermove", "click"]) {
  document.addEventListener(kind, (event) => {
    const item = event.target.closest("[data-tip]");
    if (item !== current) show(item);
  });
}
document.addEventListener("focusout", () => show(null));

// In a picture or a table that has the focus, arrows walk to the nearest mark in their direction.
const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return show(null);
  const place = event.target.closest("svg.panel, .walk"), step = steps[event.key];
  if (!place || !step || event.ctrlKey || event.metaKey || event.altKey) return;
  const items = [...place.querySelectorAll("[data-tip]")];
  const middle = (item) => { const box = item.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; };
  let next = items[0];
  if (current && place.contains(current)) {
    const [x, y] = middle(current);
    const far = (item) => {
      const [dx, dy] = [middle(item)[0] - x, middle(item)[1] - y];
      const along = dx * step[0] + dy * step[1];
      return along > 0.5 ? along + 3 * Math.abs(dx * step[1] + dy * step[0]) : Infinity;
    };
    next = items.filter((item) => far(item) < Infinity).sort((a, b) => far(a) - far(b))[0];
  }
  if (!next) return;
  event.preventDefault();
  if (next.scrollIntoViewIfNeeded) next.scrollIntoViewIfNeeded(false);
  show(next);
});

// A strip shows where its player is, and a click on it plays from there.
for (const track of document.querySelectorAll(".track:has(audio)")) {
  const audio = track.querySelector("audio"), strip = track.querySelector(".strip"), head = strip.querySelector(".head");
  const start = parseFloat(audio.src.split("#t=")[1]) || 0, seconds = strip.dataset.seconds;
  track.classList.add("playing");
  audio.addEventListener("timeupdate", () => {
    for (const end of ["x1", "x2"]) head.setAttribute(end, `${Math.min(100, 100 * (audio.currentTime - start) / seconds)}%`);
  });
  strip.addEventListener("click", (event) => {
    const box = strip.getBoundingClientRect();
    audio.currentTime = start + seconds * (event.clientX - box.left) / box.width;
    audio.play();
  });
}

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], headers = [...table.tHead.rows[0].cells];
  table.classList.add("live");
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const up = header.ariaSort !== "ascending";
      for (const other of headers) other.removeAttribute("aria-sort");
      header.ariaSort = up ? "ascending" : "descending";
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const order = (a, b) => {
        const [one, other] = [key(a), key(b)];
        // What has no value stands last, whichever way.
        if (one === "" || other === "") return (one === "") - (other === "");
        return (up ? 1 : -1) * (isNaN(one) || isNaN(other) ? one.localeCompare(other) : one - other);
      };
      body.append(...[...body.rows].sort(order));
    });
  });
  body.addEventListener("click", (event) => {
    if (!event.target.closest("a, [data-tip]") && !String(getSelection())) event.target.closest("tr").querySelector("a")?.click();
  });
}

// What is wider than the window says so.
function hint() {
  for (const box of document.querySelectorAll(".scroll")) box.classList.toggle("more", box.scrollWidth > box.clientWidth + 1);
}
addEventListener("resize", hint);
document.addEventListener("toggle", hint, true);
hint();
