// The blind comparison: two lists of one length without names, the editor's first as often as second. Nothing leaves the page but the saved file.
(() => {
  const at = (id) => document.getElementById(id);
  const section = at("blind-section");
  const visit = crypto.getRandomValues(new Uint32Array(2));
  let state = visit[0] ^ visit[1];
  const chance = () => { // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const shuffled = (things) => {
    const mixed = [...things];
    for (let last = mixed.length - 1; last > 0; last--) {
      const other = Math.floor(chance() * (last + 1));
      [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
    }
    return mixed;
  };
  const text = (node, selector) => node.querySelector(selector)?.textContent ?? "";
  const linesOf = (pair, side) => [...pair.querySelectorAll(`.of-${side} > li`)].map((line) => ({ title: text(line, ".title"), day: text(line, "time") }));
  function trialOf(pair) {
    const editors = linesOf(pair, "editors"), ours = linesOf(pair, "ours"), length = Math.min(editors.length, ours.length);
    const lists = { editors: editors.slice(0, length), ours: ours.slice(0, length) };
    const differ = length > 0 && JSON.stringify(lists.editors) !== JSON.stringify(lists.ours);
    return differ ? [{ article: text(pair, "code"), title: text(pair, "h3"), about: text(pair, ".about"), lists }] : [];
  }
  const trials = shuffled([...at("pairs").children].flatMap(trialOf));
  const sides = []; // of every four, two have the editor's list first
  while (sides.length < trials.length) sides.push(...shuffled(["editors", "editors", "ours", "ours"]));
  const votes = [];
  let better = null, saved = 0;

  const wilson = (hits, n) => {
    const z = 1.959964, middle = (hits + z * z / 2) / (n + z * z), half = z / (n + z * z) * Math.sqrt(hits * (n - hits) / n + z * z / 4);
    return [Math.max(0, middle - half), Math.min(1, middle + half)];
  };
  const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
  const meant = (vote, answer) => answer === "neither" ? "neither" : answer === "first" ? vote.first : vote.first === "ours" ? "editors" : "ours";
  function counted(question, wanted) {
    const answers = votes.map((vote) => meant(vote, vote[question])), hits = answers.filter((answer) => answer === wanted).length;
    const decided = answers.filter((answer) => answer !== "neither").length;
    if (!decided) return "no answers yet";
    const [low, high] = wilson(hits, decided);
    return `${hits} of ${decided}, ${percent(hits / decided)} (95\u00a0% interval ${percent(low)} to ${percent(high)}); undecided: ${votes.length - decided}`;
  }
  function fill(list, lines) {
    list.replaceChildren(...lines.map(({ title, day }) => {
      const line = document.createElement("li"), words = document.createElement("span"), card = document.createElement("p");
      words.dir = "auto";
      words.textContent = title;
      card.className = "card";
      card.textContent = day;
      line.append(words, card);
      return line;
    }));
  }
  function show() {
    const place = votes.length, trial = trials[place];
    at("back").disabled = !place && better === null;
    at("save").disabled = !place;
    at("trial").hidden = !trial;
    if (trial) {
      const first = sides[place];
      at("asked").textContent = trial.title;
      at("asked-about").textContent = trial.about;
      fill(at("first"), trial.lists[first]);
      fill(at("second"), trial.lists[first === "ours" ? "editors" : "ours"]);
      at("question").textContent = better === null ? "Which list is better?" : "Which list is the editor's?";
      at("place").textContent = `Article ${place + 1} of ${trials.length}: ${trial.title}. ${at("question").textContent}`;
    } else {
      at("place").textContent = "That was the last article. Save the votes.";
      at("save").focus();
    }
    at("better").textContent = counted("better", "ours");
    at("told").textContent = counted("editors", "editors");
    at("cast").textContent = String(place);
  }
  function answer(given) {
    if (votes.length === trials.length) return;
    if (better === null) better = given;
    else {
      votes.push({ article: trials[votes.length].article, first: sides[votes.length], better, editors: given });
      better = null;
    }
    show();
  }
  function back() {
    if (better === null) votes.pop();
    better = null;
    saved = Math.min(saved, votes.length);
    show();
    at("trial").focus();
  }
  function save() {
    const { title, release, method } = section.dataset, name = [...visit].map((half) => half.toString(16).padStart(8, "0")).join("");
    const file = { format: "readmore-votes/1", report: { title, release, method }, visit: name, votes };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }));
    link.download = `votes-${name}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    saved = votes.length;
  }
  const keys = { 1: "first", 2: "second", 0: "neither" };
  at("begin").addEventListener("click", () => {
    at("begin").hidden = true;
    at("voting").hidden = false;
    show();
    at("trial").focus();
  });
  for (const button of at("answers").querySelectorAll("button")) button.addEventListener("click", () => answer(button.value));
  section.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.altKey || event.metaKey || event.repeat || at("voting").hidden) return;
    event.preventDefault();
    answer(keys[event.key]);
  });
  at("back").addEventListener("click", back);
  at("save").addEventListener("click", save);
  addEventListener("beforeunload", (event) => { if (saved < votes.length) event.preventDefault(); });
  section.hidden = at("to-blind").hidden = trials.length === 0;
})();
