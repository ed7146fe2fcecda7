"use strict";
{
  const viewer = document.getElementById("slices");
  const stage = viewer.querySelector(".stage");
  const range = viewer.querySelector("input[type=range]");
  const number = viewer.querySelector("output");
  const images = viewer.querySelectorAll(".stage img");
  const outlines = viewer.querySelectorAll(".outlines path");
  const size = Object.fromEntries(
    Object.entries(viewer.dataset).map(([name, value]) => [name, Number(value)]),
  );

  const show = () => {
    const place = range.valueAsNumber - Number(range.min);
    const column = place % size.columns;
    const row = Math.floor(place / size.columns);
    // a slice has one more pixel on every side
    const x = (-100 * (column * (size.width + 2) + 1)) / (size.columns * (size.width + 2));
    const y = (-100 * (row * (size.height + 2) + 1)) / (size.rows * (size.height + 2));
    for (const image of images) image.style.transform = `translate(${x}%, ${y}%)`;
    outlines.forEach((path, at) => path.classList.toggle("here", at === place));
    number.value = `slice ${range.value} of ${size.total}`;
  };
  const go = (to) => {
    range.value = String(to);
    show();
  };

  range.addEventListener("input", show);
  stage.addEventListener("keydown", (event) => {
    const steps = {
      ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5,
      Home: -size.total, End: size.total,
    };
    if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    go(range.valueAsNumber + steps[event.key]);
  });
  // the wheel scrolls the page until the picture was clicked
  stage.addEventListener(
    "wheel",
    (event) => {
      if (document.activeElement !== stage || event.ctrlKey || !event.deltaY) return;
      event.preventDefault();
      go(range.valueAsNumber + (event.deltaY < 0 ? 1 : -1));
    },
    { passive: false },
  );
  for (const box of viewer.querySelectorAll("input[type=checkbox]")) {
    const layer = stage.querySelector(`.${box.value}`);
    const key = viewer.querySelector(`.key-${box.value}`);
    const toggle = () => {
      layer.classList.toggle("off", !box.checked);
      if (key) key.classList.toggle("off", !box.checked);
    };
    box.addEventListener("change", toggle);
    toggle();
  }
  viewer.hidden = false;
  show();
}
