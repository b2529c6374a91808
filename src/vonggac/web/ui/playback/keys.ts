// Keys of the playback page. Single letters can be switched off (WCAG 2.2, 2.1.4); the choice stays in this browser.

const STORED = "vonggac_playback_keys";

export type Command = (event: KeyboardEvent) => void;

/** Names as KeyboardEvent.key gives them, letters small, with "Shift+" before where Shift is held for a named key. */
export class Keys {
  private on = localStorage.getItem(STORED) !== "off";

  constructor(
    private readonly commands: Record<string, Command>,
    toggle: HTMLInputElement | null,
  ) {
    document.addEventListener("keydown", (event) => this.pressed(event));
    if (toggle) {
      toggle.checked = this.on;
      toggle.addEventListener("change", () => {
        this.on = toggle.checked;
        localStorage.setItem(STORED, this.on ? "on" : "off");
      });
    }
  }

  private pressed(event: KeyboardEvent): void {
    if ((!this.on && event.key.length === 1) || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || busy(event)) {
      return;
    }
    const named = event.key.length > 1 ? event.key : event.key.toLowerCase();
    const command = this.commands[event.shiftKey && event.key.length > 1 ? `Shift+${named}` : named];
    if (command) {
      event.preventDefault();
      command(event);
    }
  }
}

/** Whether the key is meant for what has the focus. */
function busy(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement) || document.querySelector("dialog[open]")) {
    return true;
  }
  if (target.matches("select, textarea") || target.isContentEditable) {
    return true;
  }
  if (target instanceof HTMLInputElement && target.type === "radio") {
    // A speed that was chosen keeps the focus: only the arrows are its own.
    return event.key.startsWith("Arrow") || (event.key === " " && !target.checked);
  }
  if (target instanceof HTMLInputElement) {
    return target.type !== "checkbox" || event.key === " ";
  }
  return target.matches("button, a, summary") && (event.key === " " || event.key === "Enter");
}
