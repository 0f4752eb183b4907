/* Search that needs no server: the index comes as a script, so it works from a folder on disk too.
   Takes the place of MkDocs' own search/main.js, whose worker browsers refuse for file:// addresses. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("mkdocs-search-query");
  const list = document.getElementById("mkdocs-search-results");
  if (!box || !list) return;
  let ready = null; // the promise of an index, made when the box is first used

  const script = (name) =>
    new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = `${base_url}/search/${name}`;
      element.onload = resolve;
      element.onerror = reject;
      document.head.append(element);
    });

  async function index() {
    await script("lunr.js");
    await script("search_index.js");
    const pages = window.SEARCH_INDEX.docs;
    const built = lunr(function () {
      this.field("title", { boost: 10 });
      this.field("text");
      this.ref("location");
      pages.forEach((page) => this.add(page));
    });
    return { built, pages: new Map(pages.map((page) => [page.location, page])) };
  }

  function found(page) {
    const item = document.createElement("article");
    const title = document.createElement("h3");
    const link = document.createElement("a");
    const text = document.createElement("p");
    link.href = `${base_url}/${page.location}`;
    link.textContent = page.title;
    text.textContent = page.text.slice(0, 200);
    title.append(link);
    item.append(title, text);
    return item;
  }

  async function search() {
    const words = box.value.trim();
    if (words.length < 3) return list.replaceChildren();
    ready ??= index();
    const { built, pages } = await ready;
    let hits = [];
    try {
      hits = built.search(words);
    } catch {
      hits = []; // half a query, such as "title:"
    }
    if (words !== box.value.trim()) return;
    const items = hits.slice(0, 30).map((hit) => found(pages.get(hit.ref)));
    if (!items.length) {
      const nothing = document.createElement("p");
      nothing.textContent = list.dataset.noResultsText || "Nothing was found.";
      items.push(nothing);
    }
    list.replaceChildren(...items);
  }

  box.addEventListener("input", search);
  box.form?.addEventListener("submit", (event) => event.preventDefault());
});
