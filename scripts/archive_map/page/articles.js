const $ = (id) => document.getElementById(id);
const archive = JSON.parse($("archive").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const numbers = (text) => new Uint16Array(bytes(text).buffer);
const { titles, sections } = archive, section = numbers(archive.section), day = new Int32Array(bytes(archive.day).buffer);
const x = numbers(archive.x), y = numbers(archive.y), lines = numbers(archive.lines), scores = bytes(archive.scores);
const N = titles.length, PER_LIST = lines.length / N, NO_LINE = 0xFFFF, ELSEWHERE = 0xFFFE, NO_SECTION = 0xFFFF, NO_DAY = -(2 ** 31);
const COLOURS = 8, FOUND = 50, NEWEST = 8, MARGIN = 24, REACH = 12, FARTHEST = 0.5, NEAREST = 400;

// What the page says of an article; all of it is text.
const dayOf = (number) => new Date(number * 864e5).toISOString().slice(0, 10);
const about = (place) => [day[place] === NO_DAY ? "" : dayOf(day[place]), sections[section[place]] ?? ""].filter(Boolean).join(" · ");
const address = (place) => {
  const url = archive.urls[place] === null ? "" : archive.start + archive.urls[place];
  return /^https?:\/\//i.test(url) ? url : null;
};
const listOf = (place) => Array.from(lines.subarray(place * PER_LIST, (place + 1) * PER_LIST)).filter((other) => other !== NO_LINE);

function element(name, text, fields = {}) {
  const made = Object.assign(document.createElement(name), fields);
  made.append(text);
  return made;
}
const link = (place, text) => element("a", text, { href: address(place), target: "_blank", rel: "noopener noreferrer" });

function item(place, extra) {
  const made = element("li", element("button", titles[place], { type: "button", dir: "auto", onclick: () => choose(place, true) }));
  made.append(element("small", [extra, about(place)].filter(Boolean).join(" · ")));
  if (address(place)) {
    const open = element("small", link(place, "open"));
    open.firstChild.setAttribute("aria-label", `open ${titles[place]}`);
    made.append(open);
  }
  return made;
}

// Colours: the largest sections, or as many ages with as many articles each; the legend's marks say what they are in this light.
const group = new Uint8Array(N);
let colours = [];

function bySection(place) {
  return section[place] < COLOURS ? section[place] : COLOURS;
}

function byDate() {
  const days = day.filter((number) => number !== NO_DAY).sort();
  const starts = Array.from({ length: COLOURS }, (_, age) => days[Math.floor(age * days.length / COLOURS)]);
  return (place) => day[place] === NO_DAY ? COLOURS : starts.findLastIndex((start) => start <= day[place]);
}

function colour() {
  const dates = $("colour").value === "date", groupOf = dates ? byDate() : bySection;
  const members = Array.from({ length: COLOURS + 1 }, () => ({ n: 0, first: Infinity, last: -Infinity }));
  for (let place = 0; place < N; place++) {
    const of = members[group[place] = groupOf(place)];
    of.n++;
    of.first = Math.min(of.first, day[place]);
    of.last = Math.max(of.last, day[place]);
  }
  const name = (of, number) => number === COLOURS
    ? (dates ? "no date" : sections.length > COLOURS ? "other sections, or none" : "no section")
    : dates ? `${dayOf(of.first)} to ${dayOf(of.last)}` : sections[number];
  $("legend").replaceChildren(...members.flatMap((of, number) => {
    if (!of.n) return [];
    const mark = element("span", "", { className: number === COLOURS ? "rest" : `${dates ? "date" : "section"}-${number}` });
    mark.dataset.group = number;
    const made = element("li", mark);
    made.append(`${name(of, number)} (${of.n.toLocaleString("en")})`);
    return [made];
  }));
  light();
}

function light() {
  colours = [];
  for (const mark of $("legend").querySelectorAll("span")) colours[mark.dataset.group] = getComputedStyle(mark).color;
  draw();
}
