// The picture at installation and the one of now: side by side, or one over the other with a slider between.

export function startCompare(host: HTMLElement): void {
  const tools = document.querySelector<HTMLElement>("[data-compare-tools]");
  const slider = tools?.querySelector<HTMLInputElement>("[data-split]");
  const label = tools?.querySelector<HTMLElement>("[data-split-label]");
  const now = host.querySelector<HTMLImageElement>("[data-now-src]");
  const caption = host.querySelector<HTMLElement>("[data-now-caption]");
  if (!tools || !slider || !label || !now || !caption) {
    return;
  }
  tools.hidden = false;
  slider.addEventListener("input", split);
  for (const button of tools.querySelectorAll<HTMLElement>("[data-way]")) {
    button.addEventListener("click", () => choose(button.dataset.way === "over"));
  }
  tools.querySelector("[data-renew]")?.addEventListener("click", () => void renew());
  void renew();

  function choose(over: boolean): void {
    host.classList.toggle("over", over);
    if (label) {
      label.hidden = !over;
    }
    for (const button of tools?.querySelectorAll<HTMLElement>("[data-way]") ?? []) {
      button.setAttribute("aria-pressed", String((button.dataset.way === "over") === over));
    }
    split();
    if (over) {
      slider?.focus();
    }
  }

  function split(): void {
    // Shown of the upper picture; CSS reads it (a style attribute in the page would be refused).
    host.style.setProperty("--split", `${slider?.value ?? "50"}%`);
  }

  async function renew(): Promise<void> {
    if (!now || !caption) {
      return;
    }
    try {
      const answer = await fetch(`${now.dataset.nowSrc}?t=${Date.now()}`, { signal: AbortSignal.timeout(15_000) });
      const at = Number(answer.headers.get("x-picture-ms"));
      if (!answer.ok || !at) {
        throw new Error("no picture");
      }
      await answer.arrayBuffer();
      // The same picture again, from the few seconds for which the centre keeps it.
      now.src = `${now.dataset.nowSrc}?t=${at}`;
      now.hidden = false;
      const zone = document.querySelector<HTMLElement>("[data-zone]")?.dataset.zone;
      const moment = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: zone, timeStyle: "medium" });
      caption.textContent = (caption.dataset.text ?? "").replace("{moment}", moment.format(at));
    } catch {
      now.hidden = true;
      caption.textContent = caption.dataset.none ?? "";
    }
  }
}
