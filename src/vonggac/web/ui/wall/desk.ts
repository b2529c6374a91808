// The desk: numbers typed on a tile call a camera up, as on a control-room keyboard; the read-out says what is typed.

import { setText } from "../patch";

/** A number that nobody finishes is forgotten (WCAG 2.2.1: no limit below 20 s). */
const FORGET_MS = 20_000;
const NOTE_MS = 6_000;
const LONGEST = 6;

export class Desk {
  private digits = "";
  private timer = 0;

  constructor(
    private readonly readout: HTMLElement,
    private readonly describe: (digits: string) => string,
  ) {}

  get typed(): string {
    return this.digits;
  }

  /** Take a key; true when it belonged to a number. */
  key(key: string): boolean {
    if (/^[0-9]$/.test(key)) {
      this.digits = (this.digits + key).slice(-LONGEST).replace(/^0+/, "");
    } else if (key === "Backspace" && this.digits) {
      this.digits = this.digits.slice(0, -1);
    } else {
      return false;
    }
    this.show(this.digits ? this.describe(this.digits) : "", FORGET_MS);
    return true;
  }

  /** Say anew what is typed: it may be for another tile now. */
  refresh(): void {
    if (this.digits) {
      this.show(this.describe(this.digits), FORGET_MS);
    }
  }

  /** Return the number and forget it. */
  take(): number {
    const number = Number(this.digits);
    this.clear();
    return number;
  }

  clear(): void {
    this.digits = "";
    this.show("", 0);
  }

  /** Say something for a while; `lasting`: until something else is said. */
  note(text: string, lasting = false): void {
    this.digits = "";
    this.show(text, lasting ? 0 : NOTE_MS);
  }

  private show(text: string, forMs: number): void {
    clearTimeout(this.timer);
    setText(this.readout, text);
    this.readout.classList.toggle("filled", Boolean(text));
    this.readout.classList.toggle("typing", Boolean(this.digits));
    if (text && forMs) {
      this.timer = window.setTimeout(() => this.clear(), forMs);
    }
  }
}
