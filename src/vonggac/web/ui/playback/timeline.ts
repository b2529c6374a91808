// The timeline: a row for each camera on one canvas, drawn when something changed. Pointer, wheel, pinch and keys.

import { serverNow } from "../clock";
import type { CameraEntry, Gap, Timeline as Track } from "./api";
import { centred, holding, msAt, panned, span, ticks, type View, xOf, zoomed } from "./scale";
import type { Tracks } from "./tracks";
import { words } from "./words";
import type { Zone } from "./zone";

const AXIS = 24;
const HANDLES = 18;
const TICK_APART = 74;
/** A pointer that moved less has clicked. */
const CLICK_PX = 4;
const EDGE_PX = 8;
const WHEEL_ZOOM = 1.0015;
/** After somebody moved it the timeline does not follow the clock for so long. */
const LEAVE_ALONE_MS = 4_000;
const FOLLOW_MARGIN = 0.06;

export interface TimelineEvents {
  seek(ms: number): void;
  selected(selection: [number, number] | null): void;
}

export class TimelineView {
  view: View;
  selection: [number, number] | null = null;

  private cameras: CameraEntry[] = [];
  private atMs = 0;
  private drawnX = Number.NaN;
  private hover: { x: number; y: number } | null = null;
  private drawing = 0;
  private touchedAt = Number.NEGATIVE_INFINITY;
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private drag: { kind: "pan" | "from" | "to" | "new"; x: number; y: number; view: View; moved: boolean } | null = null;
  private pinch: { apart: number; view: View } | null = null;
  private readonly colours = new Map<string, string>();
  private readonly pen: CanvasRenderingContext2D;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly readout: HTMLElement,
    /** Elements with `data-key`, whose grounds are the colours of the drawing: they explain them too. */
    private readonly legend: HTMLElement,
    private readonly families: Record<string, string>,
    private readonly tracks: Tracks,
    private readonly zone: Zone,
    startMs: number,
    private readonly events: TimelineEvents,
  ) {
    const pen = canvas.getContext("2d");
    if (!pen) {
      throw new Error("the browser draws no canvas");
    }
    this.pen = pen;
    this.view = { fromMs: startMs - 2_400_000, toMs: startMs + 1_200_000 };
    this.tellView();
    new ResizeObserver(() => this.resized()).observe(canvas);
    this.listen();
  }

  show(cameras: CameraEntry[]): void {
    this.cameras = cameras;
    this.tracks.show(cameras);
    this.resized();
  }

  /** The clock shows another moment. */
  moved(ms: number, follow: boolean): void {
    this.atMs = ms;
    if (follow && !this.drag && !this.pinch && performance.now() - this.touchedAt > LEAVE_ALONE_MS) {
      const view = holding(this.view, ms, FOLLOW_MARGIN);
      if (view !== this.view) {
        this.setView(view);
      }
    }
    if (Math.abs(xOf(ms, this.view, this.width) - this.drawnX) >= 0.4) {
      this.draw();
    }
    this.canvas.setAttribute("aria-valuenow", String(Math.round(ms / 1000)));
    this.canvas.setAttribute("aria-valuetext", words.exact(ms));
  }

  /** Bring a moment into view. */
  reveal(ms: number): void {
    const inside = ms > this.view.fromMs + span(this.view) * FOLLOW_MARGIN && ms < this.view.toMs - span(this.view) * FOLLOW_MARGIN;
    if (!inside) {
      this.setView(centred(this.view, ms));
    }
  }

  zoom(factor: number): void {
    const inView = this.atMs > this.view.fromMs && this.atMs < this.view.toMs;
    this.setView(zoomed(this.view, factor, inView ? this.atMs : (this.view.fromMs + this.view.toMs) / 2));
  }

  /** Show so long a time around the present moment. */
  showSpan(ms: number): void {
    this.setView(zoomed(centred(this.view, this.atMs), ms / span(this.view), this.atMs));
  }

  pan(share: number): void {
    this.touchedAt = performance.now();
    this.setView(panned(this.view, share * span(this.view)));
  }

  select(selection: [number, number] | null): void {
    this.selection = selection;
    this.events.selected(selection);
    this.draw();
  }

  draw(): void {
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      this.paint();
    });
  }

  private get width(): number {
    return Math.max(1, this.canvas.clientWidth);
  }

  private get rowHeight(): number {
    const style = getComputedStyle(this.canvas);
    return Number.parseFloat(style.getPropertyValue("--row")) || 24;
  }

  private setView(view: View): void {
    this.view = view;
    this.tracks.want(view, this.width);
    this.tellView();
    this.draw();
  }

  /** For whoever looks at the page from outside: what stretch the canvas shows. */
  private tellView(): void {
    this.canvas.dataset.fromMs = String(Math.round(this.view.fromMs));
    this.canvas.dataset.toMs = String(Math.round(this.view.toMs));
  }

  private resized(): void {
    const height = AXIS + HANDLES + this.rowHeight * Math.max(1, this.cameras.length);
    this.canvas.style.height = `${height}px`;
    const scale = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(height * scale);
    this.colours.clear();
    this.tracks.want(this.view, this.width);
    this.draw();
  }

  private colour(name: string): string {
    let colour = this.colours.get(name);
    if (colour === undefined) {
      const key = this.legend.querySelector(`[data-key="${name}"]`);
      colour = key ? getComputedStyle(key).backgroundColor : getComputedStyle(this.canvas).color;
      this.colours.set(name, colour);
    }
    return colour;
  }

  private paint(): void {
    const pen = this.pen;
    const scale = devicePixelRatio || 1;
    const height = this.canvas.height / scale;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, this.width, height);
    pen.font = `12px ${getComputedStyle(this.canvas).fontFamily}`;
    pen.textBaseline = "middle";
    for (const [place, camera] of this.cameras.entries()) {
      this.paintRow(this.tracks.of(camera), AXIS + HANDLES + place * this.rowHeight, this.rowHeight);
    }
    this.paintAxis(height);
    for (const [place, camera] of this.cameras.entries()) {
      this.inscribe(this.tracks.of(camera)?.gaps ?? [], AXIS + HANDLES + (place + 0.5) * this.rowHeight);
    }
    this.paintSelection(height);
    this.paintFuture(height);
    this.drawnX = xOf(this.atMs, this.view, this.width);
    pen.fillStyle = this.colour("now");
    pen.fillRect(this.drawnX - 1, 0, 2, height);
    pen.beginPath();
    pen.moveTo(this.drawnX - 6, 0);
    pen.lineTo(this.drawnX + 6, 0);
    pen.lineTo(this.drawnX, 8);
    pen.fill();
    this.sayHover();
  }

  private paintAxis(height: number): void {
    const pen = this.pen;
    let labelled = Number.NEGATIVE_INFINITY;
    for (const { ms, label } of ticks(this.view, this.width, TICK_APART, this.zone)) {
      const x = Math.round(xOf(ms, this.view, this.width)) + 0.5;
      pen.fillStyle = this.colour("grid");
      pen.fillRect(x - 0.5, AXIS - 5, 1, height);
      const text = label === "day" ? `${words.weekday(ms)} ${words.day(ms)}` : label === "minute" ? words.minute(ms) : words.time(ms);
      const wide = pen.measureText(text).width;
      if (x + 4 > labelled && x + 4 + wide < this.width) {
        pen.fillStyle = this.colour(label === "day" ? "text" : "muted");
        pen.fillText(text, x + 4, AXIS / 2);
        labelled = x + wide + 14;
      }
    }
  }

  private paintRow(track: Track | null, top: number, height: number): void {
    const pen = this.pen;
    pen.fillStyle = this.colour("ground");
    pen.fillRect(0, top + 1, this.width, height - 2);
    if (!track) {
      return;
    }
    for (const [place, [from, to]] of track.recorded.entries()) {
      const tall = (height - 2) * Math.max(0.15, Math.min(1, track.shares?.[place] ?? 1));
      this.fill("recorded", from, to, top + height - 1 - tall, tall);
    }
    for (const gap of track.gaps) {
      this.fill(this.families[gap.reason] ?? "unknown", gap.from, gap.to ?? serverNow(), top + 1, height - 2);
    }
    for (const mark of track.marks) {
      this.fill("mark", mark.from, mark.to, top + 1, Math.max(3, Math.min(1, mark.score) * (height / 2)));
    }
    for (const bookmark of track.bookmarks) {
      const x = xOf(bookmark.at_ms, this.view, this.width);
      pen.fillStyle = this.colour("bookmark");
      pen.fillRect(x - 1, top + 1, 2, height - 2);
      pen.beginPath();
      pen.moveTo(x, top + 1);
      pen.lineTo(x + 9, top + 5);
      pen.lineTo(x, top + 9);
      pen.fill();
      if (bookmark.to_ms !== null) {
        this.fill("bookmark", bookmark.at_ms, bookmark.to_ms, top + height - 4, 3);
      }
    }
  }

  private fill(name: string, fromMs: number, toMs: number, top: number, height: number): void {
    const x = xOf(fromMs, this.view, this.width);
    // What is there is seen, however short it is.
    const wide = Math.max(1, xOf(toMs, this.view, this.width) - x);
    if (x < this.width && x + wide > 0) {
      this.pen.fillStyle = this.colour(name);
      this.pen.fillRect(x, top, wide, height);
    }
  }

  /** The reasons in the gaps, where they have room. */
  private inscribe(gaps: Gap[], middle: number): void {
    const pen = this.pen;
    for (const gap of gaps) {
      const fromX = Math.max(0, xOf(gap.from, this.view, this.width));
      const room = Math.min(this.width, xOf(gap.to ?? serverNow(), this.view, this.width)) - fromX - 10;
      if (room > 20 && pen.measureText(gap.words).width < room) {
        pen.fillStyle = this.colour(`on-${this.families[gap.reason] ?? "unknown"}`);
        pen.fillText(gap.words, fromX + 5, middle + 0.5);
      }
    }
  }

  private paintSelection(height: number): void {
    const pen = this.pen;
    pen.fillStyle = this.colour("ground");
    pen.fillRect(0, AXIS, this.width, HANDLES - 2);
    if (!this.selection) {
      pen.fillStyle = this.colour("muted");
      const hint = words.say("drag-here");
      if (pen.measureText(hint).width < this.width - 20) {
        pen.fillText(hint, 8, AXIS + HANDLES / 2 - 0.5);
      }
      return;
    }
    const [from, to] = this.selection.map((ms) => xOf(ms, this.view, this.width)) as [number, number];
    pen.fillStyle = this.colour("selection");
    pen.fillRect(from, AXIS, to - from, HANDLES - 2);
    pen.globalAlpha = 0.18;
    pen.fillRect(from, AXIS + HANDLES, to - from, height);
    pen.globalAlpha = 1;
    pen.fillStyle = this.colour("text");
    pen.fillRect(from - 2, AXIS, 4, HANDLES - 2);
    pen.fillRect(to - 2, AXIS, 4, HANDLES - 2);
  }

  private paintFuture(height: number): void {
    const x = xOf(serverNow(), this.view, this.width);
    if (x < this.width) {
      const pen = this.pen;
      pen.fillStyle = this.colour("future");
      pen.fillRect(Math.max(0, x), AXIS + HANDLES, this.width, height);
    }
  }

  private sayHover(): void {
    this.readout.hidden = !this.hover;
    if (!this.hover) {
      return;
    }
    const ms = msAt(this.hover.x, this.view, this.width);
    const camera = this.cameras[Math.floor((this.hover.y - AXIS - HANDLES) / this.rowHeight)];
    this.readout.textContent = [words.exact(ms), ...(camera ? this.says(camera, ms) : [])].join("\n");
    const half = this.readout.offsetWidth / 2;
    const x = Math.min(this.width - half, Math.max(half, this.hover.x));
    this.readout.style.left = `${this.canvas.offsetLeft + x - half}px`;
  }

  /** What there is of a camera at a moment, in words. */
  private says(camera: CameraEntry, ms: number): string[] {
    const track = this.tracks.of(camera);
    const near = (span(this.view) / this.width) * 5;
    const gap = track?.gaps.find((one) => one.from <= ms && ms < (one.to ?? serverNow()));
    const mark = track?.marks.find((one) => one.from - near <= ms && ms < one.to + near);
    const notes = track?.bookmarks.filter((one) => Math.abs(one.at_ms - ms) < near || (one.at_ms <= ms && ms < (one.to_ms ?? 0)));
    return [
      `${camera.number} ${camera.name}`,
      ...(gap ? [gap.words, words.interval(gap.from, gap.to, serverNow())] : []),
      ...(mark ? [words.say(mark.source === "onvif" ? "mark-onvif" : "mark-sizes")] : []),
      ...(notes ?? []).map((one) => `⚑ ${one.note}`),
    ];
  }

  private listen(): void {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event, true));
    canvas.addEventListener("pointercancel", (event) => this.up(event, false));
    canvas.addEventListener("pointerleave", () => {
      this.hover = null;
      this.draw();
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.touchedAt = performance.now();
        const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
        if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
          this.pan((((event.deltaX || event.deltaY) * unit) / this.width) * 0.7);
        } else {
          const factor = WHEEL_ZOOM ** (Math.max(-400, Math.min(400, event.deltaY * unit)));
          this.setView(zoomed(this.view, factor, msAt(event.offsetX, this.view, this.width)));
        }
      },
      { passive: false },
    );
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resized());
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0) {
      return;
    }
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.touchedAt = performance.now();
    if (this.pointers.size === 2) {
      this.drag = null;
      this.pinch = { apart: this.apart(), view: this.view };
      return;
    }
    const inHandles = event.offsetY >= AXIS && event.offsetY < AXIS + HANDLES;
    const kind = inHandles ? (this.edge(event.offsetX) ?? "new") : "pan";
    this.drag = { kind, x: event.offsetX, y: event.offsetY, view: this.view, moved: false };
  }

  private move(event: PointerEvent): void {
    if (this.pointers.has(event.pointerId)) {
      this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
      this.touchedAt = performance.now();
    }
    this.hover = event.pointerType === "mouse" || this.drag ? { x: event.offsetX, y: event.offsetY } : null;
    if (this.pinch && this.pointers.size === 2) {
      const middle = [...this.pointers.values()].reduce((sum, { x }) => sum + x / 2, 0);
      this.setView(zoomed(this.pinch.view, this.pinch.apart / this.apart(), msAt(middle, this.pinch.view, this.width)));
      return;
    }
    if (this.drag) {
      this.dragged(event.offsetX);
    }
    this.draw();
  }

  private dragged(x: number): void {
    const drag = this.drag;
    if (!drag || (!drag.moved && Math.abs(x - drag.x) < CLICK_PX)) {
      return;
    }
    drag.moved = true;
    const ms = msAt(x, this.view, this.width);
    if (drag.kind === "pan") {
      this.setView(panned(drag.view, (-(x - drag.x) / this.width) * span(drag.view)));
      return;
    }
    const other = drag.kind === "new" ? msAt(drag.x, this.view, this.width) : this.selection?.[drag.kind === "from" ? 1 : 0];
    if (other !== undefined) {
      this.select(ordered(ms, other));
      // Past the other edge it is the other edge that is dragged.
      if (drag.kind !== "new") {
        drag.kind = ms <= other ? "from" : "to";
      }
    }
  }

  private up(event: PointerEvent, meant: boolean): void {
    this.pointers.delete(event.pointerId);
    const drag = this.drag;
    if (this.pointers.size < 2) {
      this.pinch = null;
    }
    this.drag = null;
    if (!meant || !drag || drag.moved) {
      return;
    }
    if (drag.kind === "pan") {
      this.events.seek(msAt(event.offsetX, this.view, this.width));
    } else if (drag.kind === "new") {
      this.select(null);
    }
  }

  private edge(x: number): "from" | "to" | null {
    const [from, to] = (this.selection ?? []).map((ms) => xOf(ms, this.view, this.width));
    if (from === undefined || to === undefined) {
      return null;
    }
    return Math.abs(x - to) < EDGE_PX ? "to" : Math.abs(x - from) < EDGE_PX ? "from" : null;
  }

  private apart(): number {
    const [one, other] = [...this.pointers.values()];
    return Math.max(10, Math.abs((one?.x ?? 0) - (other?.x ?? 0)));
  }
}

function ordered(one: number, other: number): [number, number] {
  return one < other ? [one, other] : [other, one];
}
