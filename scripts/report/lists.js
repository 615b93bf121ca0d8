// Finding and ordering the lists that stand side by side.
(() => {
  const at = (id) => document.getElementById(id);
  const holder = at("pairs"), pairs = [...holder.children];
  const words = at("words"), order = at("order");
  const filters = ["section", "year", "agreement", "against"].map(at);
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const textOf = (pair) => plain([...pair.querySelectorAll("h3, .title, code, .section")].map((node) => node.textContent).join(" "));
  const number = (pair, name) => Number(pair.dataset[name]);
  const orders = {
    differ: (pair) => number(pair, "ndcg"), agree: (pair) => -number(pair, "ndcg"),
    lost: (pair) => number(pair, "gain"), won: (pair) => -number(pair, "gain"), archive: (pair) => number(pair, "place"),
  };
  const value = {
    section: (pair) => pair.dataset.section, year: (pair) => pair.dataset.year,
    agreement: (pair) => (pair.dataset.matches === "0" ? "differ" : "agree"),
    against: (pair) => ["worse", "same", "better"][Math.sign(number(pair, "gain")) + 1],
  };
  let texts = null, shownOrder = order.value, waiting = 0;
  function apply() {
    if (order.value !== shownOrder) {
      shownOrder = order.value;
      const key = orders[shownOrder];
      holder.replaceChildren(...[...pairs].sort((one, other) => key(one) - key(other) || orders.archive(one) - orders.archive(other)));
    }
    const asked = plain(words.value).split(/\s+/).filter(Boolean);
    if (asked.length && !texts) texts = new Map(pairs.map((pair) => [pair, textOf(pair)]));
    let shown = 0;
    for (const pair of pairs) {
      const fits = filters.every((of) => of.value === "" || of.value === value[of.id](pair)) && asked.every((word) => texts.get(pair).includes(word));
      if (pair.hidden === fits) pair.hidden = !fits;
      shown += fits;
    }
    at("count").textContent = `${shown.toLocaleString("en")} of ${pairs.length.toLocaleString("en")} lists`;
  }
  words.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
  for (const of of [order, ...filters]) of.addEventListener("change", apply);
  at("all").addEventListener("click", () => { words.value = ""; for (const of of filters) of.value = ""; apply(); });
  at("controls").hidden = false;
  apply();
})();
