// The wall: live pictures of many cameras.

import { WallPage } from "./wall/page";

const root = document.querySelector<HTMLElement>("[data-wall]");
if (root) {
  new WallPage(root);
}
