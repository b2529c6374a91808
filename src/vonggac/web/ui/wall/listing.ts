// The cameras and units that this person may see, fetched again when something changes.

import { setServerTime } from "../clock";

export interface Unit {
  id: string;
  name: string;
  parent: string | null;
  sort: number;
}

export interface Camera {
  id: string;
  number: number;
  name: string;
  folded: string;
  unit: string;
  kind: string;
  state: string;
  words: string;
  since_ms: number | null;
  codec: string;
  width: number;
  height: number;
  has_sub: boolean;
  looked_ms: number | null;
}

interface Answer {
  now_ms: number;
  updated_ms: number;
  units: Unit[];
  cameras: Camera[];
}

const FETCH_TIMEOUT_MS = 10_000;

export class Listing {
  units: Unit[] = [];
  cameras: Camera[] = [];
  updatedMs = 0;
  private byId = new Map<string, Camera>();
  private byNumber = new Map<number, Camera>();

  /** Fetch anew; false when the session is over, null when there was no answer. */
  async fetch(): Promise<boolean | null> {
    try {
      const answer = await fetch("/api/cameras", { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
      if (answer.status === 401) {
        return false;
      }
      if (!answer.ok) {
        return null;
      }
      const { now_ms, updated_ms, units, cameras } = (await answer.json()) as Answer;
      setServerTime(now_ms);
      this.updatedMs = updated_ms;
      this.units = units;
      this.cameras = cameras;
      this.byId = new Map(cameras.map((camera) => [camera.id, camera]));
      this.byNumber = new Map(cameras.map((camera) => [camera.number, camera]));
      return true;
    } catch {
      // No answer: the stream's banner says so, and its return fetches again.
      return null;
    }
  }

  camera(id: string): Camera | undefined {
    return this.byId.get(id);
  }

  numbered(number: number): Camera | undefined {
    return this.byNumber.get(number);
  }

  /** The cameras of a unit and of all below it, in the order of the tree. */
  below(unitId: string): Camera[] {
    const wanted = new Set([unitId]);
    for (const unit of this.units) {
      if (unit.parent && wanted.has(unit.parent)) {
        wanted.add(unit.id);
      }
    }
    const order = new Map(this.units.map((unit) => [unit.id, unit.sort]));
    return this.cameras
      .filter((camera) => wanted.has(camera.unit))
      .sort((one, other) => (order.get(one.unit) ?? 0) - (order.get(other.unit) ?? 0));
  }

  /** Whose number, name, unit or kind holds all the words; a number that is meant exactly comes first. */
  found(folded: string): Camera[] {
    const words = folded.split(/\s+/).filter(Boolean);
    const fitting = this.cameras.filter((camera) => words.every((word) => camera.folded.includes(word)));
    const exact = Number(folded);
    return fitting.sort((one, other) => Number(other.number === exact) - Number(one.number === exact));
  }
}
