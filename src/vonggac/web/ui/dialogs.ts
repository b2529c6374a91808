// Buttons that open a <dialog>: `data-open` names it. `?` opens the page's help, as long as nobody is typing.

function opened(id: string): void {
  const dialog = document.getElementById(id);
  if (dialog instanceof HTMLDialogElement && !dialog.open) {
    dialog.showModal();
  }
}

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"))
  );
}

export function startDialogs(): void {
  for (const button of document.querySelectorAll<HTMLElement>("[data-open]")) {
    button.addEventListener("click", () => opened(button.dataset.open ?? ""));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "?" && !typing(event.target) && document.querySelector("[data-open=help]")) {
      event.preventDefault();
      opened("help");
    }
  });
  for (const dialog of document.querySelectorAll("dialog")) {
    // A click beside it closes it too: only the backdrop has the dialog itself as its target.
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) {
        dialog.close();
      }
    });
  }
}
