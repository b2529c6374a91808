// The live picture of a camera's page.

import { Stills } from "../stills";
import type { EventStream } from "../stream";

export function startLive(host: HTMLElement, stream: EventStream): void {
  new Stills(host.parentElement ?? host, () => stream.end());
}
