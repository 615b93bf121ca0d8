/* <related-articles for="ID" limit="4" heading="Read more">: what to read next, told by the service that this script comes from.
 * Without `for` the address of the page is asked for. What stands inside the element is shown where there is no list, and until there is.
 * Nothing moves that a reader sees: room is kept for the list, and given back only below the window. Themes:
 * ::part(section), (heading), (list), (item), (link). */
const SERVICE = new URL("..", import.meta.url);
const PATIENCE_MS = 800;

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { display: block; }
:host([hidden]) { display: none; }
h2 { margin: 0; font-size: 1.25em; line-height: 2; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
ol { margin: 0; padding: 0; list-style: none; line-height: 1.4; min-height: calc(var(--lines) * 3.5em); }
li { height: 3.5em; }
a { color: inherit; display: -webkit-box; overflow: hidden; overflow-wrap: anywhere; -webkit-box-orient: vertical; -webkit-line-clamp: 2; }
.empty { visibility: hidden; }
`);

const made = (name, part, parent) => {
  const element = parent.appendChild(document.createElement(name));
  element.part = part;
  return element;
};

class RelatedArticles extends HTMLElement {
  static observedAttributes = ["for", "limit", "heading"];
  #asked = 0;
  #watch = new IntersectionObserver(() => {
    if (!this.#seen) this.#leave();
  });

  connectedCallback() {
    if (!this.shadowRoot) this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
    this.#ask();
  }

  attributeChangedCallback() {
    if (this.shadowRoot) this.#ask();
  }

  /* Whether a change of height would move what is in the window. */
  get #seen() {
    return this.getBoundingClientRect().top < innerHeight;
  }

  get #limit() {
    return Math.min(Math.max(parseInt(this.getAttribute("limit")) || 4, 1), 50);
  }

  get #address() {
    const id = this.getAttribute("for");
    const address = new URL(id ? `v1/articles/${encodeURIComponent(id)}/related` : "v1/related", SERVICE);
    if (!id) address.searchParams.set("url", document.querySelector("link[rel=canonical]")?.href ?? location.href);
    address.searchParams.set("limit", this.#limit);
    address.searchParams.set("fields", "title,url");
    return address;
  }

  async #ask() {
    const asked = ++this.#asked;
    this.#watch.disconnect();
    this.hidden = false;
    this.style.minHeight = "";
    this.#show(this.childElementCount ? null : []);
    const items = await this.#items();
    if (asked !== this.#asked) return;
    if (items.length) this.#change(items);
    else if (!this.childElementCount) this.#watch.observe(this);
  }

  async #items() {
    try {
      /* what an editor has changed is asked for, whatever the browser keeps; what is as it was is not sent again */
      const answer = await fetch(this.#address, { cache: "no-cache", credentials: "omit", signal: AbortSignal.timeout(PATIENCE_MS) });
      return answer.ok ? (await answer.json()).items.filter((item) => /^https?:\/\//i.test(item.url)) : [];
    } catch {
      return []; /* slow, or down: as if there were no list */
    }
  }

  #change(items) {
    const around = this.parentElement; /* its height tells of margins too */
    const before = around?.clientHeight;
    this.#show(items);
    const more = around?.clientHeight - before;
    if (more > 0 && this.#seen) this.#show(null);
    else if (more < 0) this.style.minHeight = `${this.offsetHeight - more}px`;
  }

  #leave() {
    this.#watch.disconnect();
    this.hidden = true;
  }

  /* A list; the room of one, for no items; for null, what stands inside the element. */
  #show(items) {
    this.shadowRoot.replaceChildren();
    if (!items) return void this.shadowRoot.append(document.createElement("slot"));
    const section = made("nav", "section", this.shadowRoot);
    section.className = items.length ? "" : "empty";
    section.setAttribute("aria-labelledby", "heading");
    const heading = made("h2", "heading", section);
    heading.id = "heading";
    heading.textContent = this.getAttribute("heading") || "Read more";
    const list = made("ol", "list", section);
    list.style.setProperty("--lines", this.#limit);
    for (const item of items) {
      const link = made("a", "link", made("li", "item", list));
      link.href = item.url;
      link.textContent = item.title || item.url;
    }
  }
}

customElements.define("related-articles", RelatedArticles);
