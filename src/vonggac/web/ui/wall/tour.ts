// A tour: shows its steps in turn, each for a while, until it is paused. What a step is, others know.

export interface TourSteps {
  count(): number;
  at(): number;
  go(step: number): void;
  changed(): void;
}

export class Tour {
  private timer = 0;
  private endsAt = 0;
  running = false;
  paused = false;
  dwellS = 20;

  constructor(private readonly steps: TourSteps) {}

  start(): void {
    if (this.steps.count() < 2) {
      return;
    }
    this.running = true;
    this.paused = false;
    this.wait();
    this.steps.changed();
  }

  /** Stop where it is; `start` goes on from there. */
  pause(): void {
    if (this.running) {
      clearTimeout(this.timer);
      this.running = false;
      this.paused = true;
      this.steps.changed();
    }
  }

  /** No tour any more. */
  end(): void {
    clearTimeout(this.timer);
    const was = this.running || this.paused;
    this.running = false;
    this.paused = false;
    if (was) {
      this.steps.changed();
    }
  }

  step(by: number): void {
    const count = this.steps.count();
    if (count > 1) {
      this.steps.go((this.steps.at() + by + count) % count);
    }
    if (this.running) {
      this.wait();
    }
  }

  /** How much of the present step is over, 0 to 1. */
  get share(): number {
    return this.running ? 1 - Math.max(0, this.endsAt - performance.now()) / (this.dwellS * 1000) : 0;
  }

  private wait(): void {
    clearTimeout(this.timer);
    this.endsAt = performance.now() + this.dwellS * 1000;
    this.timer = window.setTimeout(() => this.step(1), this.dwellS * 1000);
  }
}
