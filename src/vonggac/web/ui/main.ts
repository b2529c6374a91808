// What moves on the pages. Everything a page says is written by the server; this only keeps it current.

import { startClock } from "./clock";
import { startDialogs } from "./dialogs";
import { startHealth } from "./health";

startClock();
startDialogs();
const health = document.querySelector<HTMLElement>("[data-health]");
if (health) {
  startHealth(health);
}
