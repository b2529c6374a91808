// The live picture of a camera's page.

import { LiveTile } from "../live/tile";

export function startLive(host: HTMLElement): void {
  new LiveTile(host, host.dataset.watch ?? "", { says: true }).start();
}
