// What is on the wall: which camera in which place. Places beyond the tiles of the screen are pages.

export const LAYOUTS = [1, 4, 9, 16, 25, 36];
/** The same as vonggac.web.wall_views.MOST_PLACES. */
export const MOST_PLACES = 360;

export class Arrangement {
  /** `cameras`: hexadecimal ids, "" for an empty place. */
  constructor(
    public layout: number,
    public cameras: string[],
  ) {
    this.trim();
  }

  copy(): Arrangement {
    return new Arrangement(this.layout, [...this.cameras]);
  }

  equals(other: Arrangement): boolean {
    return this.layout === other.layout && this.cameras.join() === other.cameras.join();
  }

  pages(tiles: number): number {
    return Math.max(1, Math.ceil(this.cameras.length / tiles));
  }

  at(place: number): string {
    return this.cameras[place] ?? "";
  }

  put(place: number, camera: string): void {
    while (this.cameras.length <= place) {
      this.cameras.push("");
    }
    this.cameras[place] = camera;
    this.trim();
  }

  swap(one: number, other: number): void {
    const [first, second] = [this.at(one), this.at(other)];
    this.put(one, second);
    this.put(other, first);
  }

  private trim(): void {
    while (this.cameras.length > 0 && !this.cameras[this.cameras.length - 1]) {
      this.cameras.pop();
    }
  }
}
