// The event stream: hears that something changed, and says plainly when it hears nothing any more.

/** The server sends a heartbeat every 15 s; after this long without one the line is dead, whatever the browser thinks. */
const SILENT_AFTER_MS = 40_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MOST_MS = 15_000;

export interface Listener {
  /** Something may have changed before the stream was open: fetch everything. */
  reload(): void;
  changed(topic: string, subject: string | null): void;
}

export class EventStream {
  private source: EventSource | null = null;
  private lastHeard = 0;
  private retryMs = RETRY_FIRST_MS;
  private retryTimer = 0;
  private ended = false;

  constructor(private readonly listener: Listener) {
    // A hidden tab needs no stream: browsers allow six lines to one server, and the picture is fetched anew on return.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    addEventListener("online", () => this.reopen());
    addEventListener("pagehide", () => this.close());
    setInterval(() => this.watch(), 5_000);
    if (!document.hidden) {
      this.open();
    }
  }

  /** The session is over: no further tries, the officer has to log in again. */
  end(): void {
    this.ended = true;
    this.close();
    showBanner("lost", false);
    showBanner("ended", true);
  }

  private open(): void {
    if (this.source || this.ended) {
      return;
    }
    clearTimeout(this.retryTimer);
    this.lastHeard = performance.now();
    const source = new EventSource("/events");
    this.source = source;
    const heard = (): void => {
      this.lastHeard = performance.now();
      this.retryMs = RETRY_FIRST_MS;
      showBanner("lost", false);
    };
    source.addEventListener("open", (event) => {
      heard();
      // Two events bear this name: the browser's own, and the first message of the server.
      if (event instanceof MessageEvent) {
        this.listener.reload();
      }
    });
    source.addEventListener("reload", () => {
      heard();
      this.listener.reload();
    });
    source.addEventListener("heartbeat", heard);
    source.addEventListener("ended", () => this.end());
    source.addEventListener("change", (event) => {
      heard();
      const { topic, subject } = JSON.parse(event.data) as { topic: string; subject: string | null };
      this.listener.changed(topic, subject);
    });
    source.addEventListener("error", () => {
      showBanner("lost", true);
      // The browser tries again by itself unless the answer was no stream at all.
      if (source.readyState === EventSource.CLOSED) {
        this.reopen();
      }
    });
  }

  private close(): void {
    clearTimeout(this.retryTimer);
    this.source?.close();
    this.source = null;
  }

  private reopen(): void {
    this.close();
    if (document.hidden || this.ended) {
      return;
    }
    this.retryTimer = window.setTimeout(() => {
      this.open();
      this.listener.reload();
    }, this.retryMs * (0.5 + Math.random()));
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MOST_MS);
  }

  private watch(): void {
    if (this.source && performance.now() - this.lastHeard > SILENT_AFTER_MS) {
      showBanner("lost", true);
      this.reopen();
    }
  }
}

export function showBanner(name: string, visible: boolean, text?: string): void {
  const banner = document.querySelector<HTMLElement>(`[data-banner="${name}"]`);
  if (!banner) {
    return;
  }
  if (banner.hidden === visible) {
    banner.hidden = !visible;
  }
  if (text !== undefined && banner.textContent !== text) {
    banner.textContent = text;
  }
}
