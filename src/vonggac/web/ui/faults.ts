// What is wrong with the centre itself: a list that comes when a fault is raised and goes when it is over.

import { setText } from "./patch";

export interface Fault {
  id: number;
  kind: string;
  text: string;
  about: string;
  detail: string;
  /** `en` where it is known in English only. */
  detail_lang: string;
  since: string;
}

/** Items that stand already are patched, so that a screen reader says only what is new. */
export function showFaults(root: HTMLElement, faults: Fault[]): void {
  const section = root.querySelector<HTMLElement>("[data-faults]");
  const list = root.querySelector<HTMLElement>("[data-fault-list]");
  if (!section || !list) {
    return;
  }
  section.hidden = faults.length === 0;
  const standing = new Map<string, HTMLElement>();
  for (const item of list.querySelectorAll<HTMLElement>("[data-fault]")) {
    standing.set(item.dataset.fault ?? "", item);
  }
  const items = faults.map((fault) => {
    const item = standing.get(String(fault.id)) ?? newItem(fault);
    standing.delete(String(fault.id));
    put(item, "since", fault.since);
    put(item, "detail", fault.detail);
    const detail = item.querySelector<HTMLElement>(".detail");
    if (detail) {
      detail.lang = fault.detail_lang;
    }
    return item;
  });
  for (const gone of standing.values()) {
    gone.remove();
  }
  items.forEach((item, place) => {
    if (list.children[place] !== item) {
      list.insertBefore(item, list.children[place] ?? null);
    }
  });
}

function newItem(fault: Fault): HTMLElement {
  const item = document.createElement("li");
  item.dataset.fault = String(fault.id);
  item.dataset.kind = fault.kind;
  const text = document.createElement("b");
  text.textContent = fault.text;
  item.append(text);
  put(item, "about", fault.about);
  return item;
}

function put(item: HTMLElement, name: string, text: string): void {
  let element = item.querySelector(`.${name}`);
  if (!element && text) {
    element = document.createElement("span");
    element.className = name;
    item.append(" ", element);
  }
  if (element) {
    setText(element, text);
  }
}
