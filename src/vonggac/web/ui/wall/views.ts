// Named views: chosen from a list, saved for oneself or a unit, strung together to a tour.

import { say } from "./words";

export interface View {
  id: string;
  name: string;
  unit: string | null;
  unit_name: string;
  may_change: boolean;
  layout: number;
  cameras: string[];
  stops: string[];
  dwell_s: number;
}

interface UnitChoice {
  id: string;
  name: string;
}

export interface Sent {
  name: string;
  unit: string | null;
  layout: number;
  cameras: (string | null)[];
  stops: string[];
  dwell_s: number;
}

/** The id of a view that was kept, or in words why it was not. */
export type Kept = { id: string } | { problem: string };

const TIMEOUT_MS = 10_000;

export class Views {
  all: View[] = [];
  units: UnitChoice[] = [];

  async fetch(): Promise<boolean> {
    try {
      const answer = await fetch("/api/wall/views", { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!answer.ok) {
        return false;
      }
      const { views, units } = (await answer.json()) as { views: View[]; units: UnitChoice[] };
      this.all = views;
      this.units = units;
      return true;
    } catch {
      return false;
    }
  }

  view(id: string | null): View | undefined {
    return this.all.find((view) => view.id === id);
  }

  /** Keep a view, a new one without `id`. */
  async keep(sent: Sent, id: string | null): Promise<Kept> {
    const answer = await send("POST", id ? `/api/wall/views/${id}` : "/api/wall/views", sent);
    const told = (await answer?.json().catch(() => null)) as { id?: string; error?: string } | null | undefined;
    const known = answer?.status === 400 || answer?.status === 404;
    return told?.id ? { id: told.id } : { problem: (known && told?.error) || say("view_failed") };
  }

  async remove(id: string): Promise<boolean> {
    return Boolean((await send("DELETE", `/api/wall/views/${id}`))?.ok);
  }

  /** Write the views into a list to choose from. */
  fill(select: HTMLSelectElement, current: string | null, changed: boolean): void {
    const shown = this.view(current);
    const top = new Option(shown && changed ? say("view_changed", { view: shown.name }) : say("view_unsaved"), "");
    const groups = new Map<string, HTMLOptGroupElement>();
    for (const view of this.all) {
      const label = view.unit ? view.unit_name : say("views_own");
      const group = groups.get(label) ?? document.createElement("optgroup");
      group.label = label;
      groups.set(label, group);
      const name = view.stops.length > 0 ? `${view.name} (${say("views_tour")})` : view.name;
      group.append(new Option(name, view.id, false, view.id === current && !changed));
    }
    top.selected = !shown || changed;
    select.replaceChildren(...(top.selected ? [top] : []), ...groups.values());
  }
}

/** What the centre answers; null where it does not. */
async function send(method: string, address: string, body?: unknown): Promise<Response | null> {
  try {
    return await fetch(address, {
      method,
      headers: { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf ?? "" },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      keepalive: true,
    });
  } catch {
    return null;
  }
}

/** Note what is on the wall, for this person's next time. */
export async function noteLast(layout: number, cameras: string[]): Promise<void> {
  await send("POST", "/api/wall/last", { layout, cameras: cameras.map((id) => id || null) });
}
