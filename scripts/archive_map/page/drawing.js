// The view: which place of the map is in the middle, and how much larger than the whole it is shown.
const canvas = $("map"), pen = canvas.getContext("2d");
const view = { x: 0.5, y: 0.5, zoom: 1 };
let width = 0, height = 0, chosen = -1, matches = null, waiting = 0;
const side = () => Math.max(1, Math.min(width, height) - 2 * MARGIN) * view.zoom;
const across = (place) => width / 2 + (x[place] / 0xFFFF - view.x) * side();
const down = (place) => height / 2 - (y[place] / 0xFFFF - view.y) * side();

function move(right, below) {
  view.x = Math.min(1, Math.max(0, view.x - right / side()));
  view.y = Math.min(1, Math.max(0, view.y + below / side()));
  draw();
}

function zoom(times, right = width / 2, below = height / 2) {
  const before = side();
  view.zoom = Math.min(NEAREST, Math.max(FARTHEST, view.zoom * times));
  const stays = 1 / before - 1 / side();
  view.x += (right - width / 2) * stays;
  view.y -= (below - height / 2) * stays;
  move(0, 0);
}

function whole() {
  Object.assign(view, { x: 0.5, y: 0.5, zoom: 1 });
  draw();
}

function nearest(right, below, reach) {
  let found = -1, best = reach * reach;
  for (let place = 0; place < N; place++) {
    const distance = (across(place) - right) ** 2 + (down(place) - below) ** 2;
    if (distance < best) [found, best] = [place, distance];
  }
  return found;
}

function draw() {
  waiting ||= requestAnimationFrame(paint);
}

function paint() {
  waiting = 0;
  const ratio = canvas.width / Math.max(1, width), style = getComputedStyle(canvas);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const radius = Math.min(8, Math.max(1.2, Math.min(6, Math.min(width, height) / Math.sqrt(N) / 5)) * view.zoom ** 0.4);
  const members = new Set(chosen < 0 ? [] : [chosen, ...listOf(chosen)]);
  const isBright = (place) => matches ? matches[place] : chosen < 0 || members.has(place);
  const isDimmed = matches || chosen >= 0;
  for (const bright of isDimmed ? [false, true] : [true]) {
    pen.globalAlpha = bright ? (isDimmed ? 1 : 0.8) : 0.25;
    colours.forEach((fill, number) => {
      pen.fillStyle = fill;
      pen.beginPath();
      for (let place = N - 1; place >= 0; place--) {
        if (group[place] !== number || (isDimmed && Boolean(isBright(place)) !== bright)) continue;
        const right = across(place), below = down(place);
        if (right < -radius || below < -radius || right > width + radius || below > height + radius) continue;
        if (radius < 2.5) pen.fillRect(right - radius, below - radius, 2 * radius, 2 * radius);
        else {
          pen.moveTo(right + radius, below);
          pen.arc(right, below, radius, 0, 7);
        }
      }
      pen.fill();
    });
  }
  pen.globalAlpha = 1;
  if (chosen >= 0) paintList(style, radius);
  if (canvas.matches(":focus-visible")) paintMiddle(style);
}

function paintList({ color, backgroundColor }, radius) {
  pen.strokeStyle = pen.fillStyle = color;
  pen.lineWidth = 1.5;
  const right = across(chosen), below = down(chosen);
  pen.beginPath();
  pen.arc(right, below, radius + 4, 0, 7);
  listOf(chosen).filter((other) => other !== ELSEWHERE).forEach((other) => {
    pen.moveTo(right, below);
    pen.lineTo(across(other), down(other));
  });
  pen.stroke();
  pen.font = "600 13px system-ui, sans-serif";
  pen.lineJoin = "round";
  listOf(chosen).forEach((other, number) => {
    if (other === ELSEWHERE) return;
    pen.lineWidth = 4;
    pen.strokeStyle = backgroundColor;
    pen.strokeText(number + 1, across(other) + radius + 3, down(other) - radius);
    pen.fillText(number + 1, across(other) + radius + 3, down(other) - radius);
  });
}

function paintMiddle({ color }) {
  pen.strokeStyle = color;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const [right, below] of [[10, 0], [0, 10]]) {
    pen.moveTo(width / 2 - right, height / 2 - below);
    pen.lineTo(width / 2 + right, height / 2 + below);
  }
  pen.stroke();
}
