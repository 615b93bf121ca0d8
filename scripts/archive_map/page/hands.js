// One article and its list: in the panel, in the address, and in the browser's history.
let cameFrom = canvas;

function choose(place, focus) {
  if (focus && !$("panel").contains(document.activeElement)) cameFrom = document.activeElement;
  if (place !== chosen) history.pushState(null, "", place < 0 ? "#" : `#article-${place}`);
  show(place);
  if (focus) (place < 0 ? cameFrom : $("chosen")).focus();
}

function show(place) {
  chosen = place;
  $("panel").hidden = place < 0;
  if (place >= 0) {
    $("chosen").replaceChildren(address(place) ? link(place, titles[place]) : titles[place]);
    $("card").textContent = about(place);
    const places = listOf(place);
    $("list").replaceChildren(...places.map((other, number) => other === ELSEWHERE
      ? element("li", "an article that is not on this map")
      : item(other, (scores[place * PER_LIST + number] / 100).toFixed(2))));
    $("none").hidden = places.length > 0;
    const right = across(place), below = down(place);
    if (right < 0 || below < 0 || right > width || below > height) Object.assign(view, { x: x[place] / 0xFFFF, y: y[place] / 0xFFFF });
  }
  draw();
}

const fromAddress = () => {
  const place = Number(/^#article-(\d+)$/.exec(location.hash)?.[1] ?? -1);
  show(place < N ? place : -1);
};

// Search: every word is part of the title, however it is accented.
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
let plainTitles = null, typing = 0;

function search() {
  const words = plain($("words").value).split(/\s+/).filter(Boolean);
  plainTitles ??= titles.map(plain);
  const found = [];
  if (words.length) plainTitles.forEach((title, place) => { if (words.every((word) => title.includes(word))) found.push(place); });
  matches = words.length ? new Uint8Array(N) : null;
  for (const place of found) matches[place] = 1;
  const listed = words.length ? found.slice(0, FOUND) : [...titles.keys()].slice(0, NEWEST);
  $("found").replaceChildren(...listed.map((place) => item(place)));
  const first = found.length > FOUND ? `, the newest ${FOUND} are listed` : "";
  $("count").textContent = words.length ? `${found.length.toLocaleString("en")} found${first}` : day[0] === NO_DAY ? "" : "The newest";
  draw();
}

// Hands: mouse and fingers, then keys.
const pointers = new Map();
let travelled = 0;

function spot(event) {
  const { left, top } = canvas.getBoundingClientRect();
  return { right: event.clientX - left, below: event.clientY - top };
}

function hint(event) {
  const { right, below } = spot(event), place = event.pointerType === "mouse" && !pointers.size ? nearest(right, below, REACH) : -1;
  $("tip").hidden = place < 0;
  canvas.style.cursor = place < 0 ? "" : "pointer";
  if (place < 0) return;
  $("tip").textContent = titles[place];
  const leftwards = right > width / 2 ? "-100%" : "0px", upwards = below > height / 2 ? "-100%" : "0px";
  $("tip").style.transform = `translate(${right + (right > width / 2 ? -12 : 12)}px, ${below + 12}px) translate(${leftwards}, ${upwards})`;
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  if (!pointers.size) travelled = 0;
  pointers.set(event.pointerId, spot(event));
});
canvas.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId), now = spot(event);
  if (!before) return hint(event);
  travelled += Math.hypot(now.right - before.right, now.below - before.below);
  const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
  pointers.set(event.pointerId, now);
  if (!other) return move(now.right - before.right, now.below - before.below);
  const apart = (one) => Math.max(1, Math.hypot(one.right - other.right, one.below - other.below));
  move((now.right - before.right) / 2, (now.below - before.below) / 2);
  zoom(apart(now) / apart(before), (now.right + other.right) / 2, (now.below + other.below) / 2);
});
canvas.addEventListener("pointerup", (event) => {
  if (pointers.size === 1 && travelled < 6) choose(nearest(spot(event).right, spot(event).below, REACH), false);
  else if (pointers.size > 1) travelled = Infinity;
  pointers.delete(event.pointerId);
});
canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
canvas.addEventListener("pointerleave", () => { $("tip").hidden = true; });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
  zoom(Math.exp(-event.deltaY * lines / 400), spot(event).right, spot(event).below);
}, { passive: false });

const middle = () => nearest(width / 2, height / 2, Infinity);
const KEYS = {
  ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0), ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40),
  "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "−": () => zoom(1 / 1.5), 0: whole,
  Enter: () => choose(middle(), true),
};
let telling = 0;

function tell() {
  clearTimeout(telling);
  telling = setTimeout(() => { $("here").textContent = canvas.matches(":focus-visible") ? `In the middle: ${titles[middle()]}` : ""; }, 150);
  draw();
}

canvas.addEventListener("keydown", (event) => {
  if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
  tell();
});
canvas.addEventListener("focus", tell);
canvas.addEventListener("blur", tell);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen >= 0) choose(-1, $("panel").contains(document.activeElement));
});
$("close").addEventListener("click", () => choose(-1, true));
$("nearer").addEventListener("click", () => zoom(1.5));
$("farther").addEventListener("click", () => zoom(1 / 1.5));
$("whole").addEventListener("click", whole);
$("colour").addEventListener("change", colour);
$("words").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(search, 120); });
addEventListener("popstate", fromAddress);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", light);
new ResizeObserver(([{ contentRect }]) => {
  ({ width, height } = contentRect);
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  paint();
}).observe(canvas);
({ width, height } = canvas.getBoundingClientRect());
if (!sections.length && day.some((number) => number !== NO_DAY)) $("colour").value = "date";
colour();
search();
fromAddress();
