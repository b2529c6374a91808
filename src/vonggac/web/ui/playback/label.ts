// A camera's name beside its row of the timeline: choosing it, taking it away.

import type { CameraEntry } from "./api";
import { words } from "./words";

export function cameraLabel(camera: CameraEntry, choose: () => void, takeAway: () => void): HTMLElement {
  const item = document.createElement("li");
  const focus = document.createElement("button");
  focus.type = "button";
  focus.dataset.focus = camera.id;
  focus.title = `${camera.number} ${camera.name}`;
  const number = document.createElement("b");
  number.textContent = String(camera.number);
  const name = document.createElement("span");
  name.textContent = camera.name;
  focus.append(number, " ", name);
  focus.addEventListener("click", choose);
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "remove";
  remove.textContent = "×";
  remove.setAttribute("aria-label", words.say("remove", { camera: camera.name }));
  remove.addEventListener("click", takeAway);
  item.append(focus, remove);
  return item;
}
