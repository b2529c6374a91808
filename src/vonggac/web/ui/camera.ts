// The camera pages: the list, the page of a camera, its forms, the check of a new one.

import { startCheck } from "./camera/checking";
import { startCompare } from "./camera/compare";
import { startConfirm, startForm } from "./camera/form";
import { startLive } from "./camera/live";
import { startPresent } from "./camera/present";
import { startRegister } from "./camera/register";
import { startUpload } from "./camera/upload";
import { EventStream } from "./stream";

function each(selector: string, start: (element: HTMLElement) => void): void {
  document.querySelectorAll<HTMLElement>(selector).forEach(start);
}

let refresh = (): void => undefined;
const stream = new EventStream({
  reload: () => refresh(),
  changed: (topic) => {
    if (/^(status|gap|camera|unit)\./.test(topic)) {
      refresh();
    }
  },
});
each("[data-register]", (root) => {
  refresh = startRegister(root, stream);
});
each("[data-camera]", (root) => {
  refresh = startPresent(root, stream);
});
each("[data-watch]", startLive);
each("[data-compare]", startCompare);
each("[data-upload]", startUpload);
each("[data-form]", startForm);
each("[data-confirm]", startConfirm);
each("[data-new]", startCheck);
