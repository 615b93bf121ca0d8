// Lines can be dragged to a slot: what is dropped is pinned there, as the number field beside it does without a mouse.
for (const list of document.querySelectorAll(".lines")) {
  let dragged = null;
  for (const line of list.querySelectorAll("li[data-slot]")) {
    const handle = document.createElement("span");
    handle.className = "handle";
    handle.textContent = "⠿";
    handle.title = "Drag to a slot";
    handle.draggable = true;
    handle.setAttribute("aria-hidden", "true");
    handle.addEventListener("dragstart", event => {
      dragged = line;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", line.querySelector("a").textContent);
      event.dataTransfer.setDragImage(line, 0, 0);
    });
    handle.addEventListener("dragend", () => { dragged = null; });
    line.prepend(handle);
    line.addEventListener("dragover", event => {
      if (!dragged || dragged === line) return;
      event.preventDefault();
      line.classList.add("over");
    });
    line.addEventListener("dragleave", () => line.classList.remove("over"));
    line.addEventListener("drop", event => {
      event.preventDefault();
      line.classList.remove("over");
      if (!dragged) return;
      const form = dragged.querySelector("form.change");
      form.elements.slot.value = line.dataset.slot;
      form.requestSubmit(form.querySelector('button[value="pin"]'));
    });
  }
}
