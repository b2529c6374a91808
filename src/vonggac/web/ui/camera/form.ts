// Forms: what is wrong is said first, and what was typed is not lost by a wrong click.

export function startForm(host: HTMLElement): void {
  if (!(host instanceof HTMLFormElement)) {
    return;
  }
  const problems = document.getElementById("problems");
  problems?.focus();
  let touched = problems !== null;
  host.addEventListener("input", () => {
    touched = true;
  });
  host.addEventListener("submit", () => {
    touched = false;
  });
  addEventListener("beforeunload", (event) => {
    if (touched) {
      event.preventDefault();
    }
  });
}

/** Forms that take something away ask first. */
export function startConfirm(form: HTMLElement): void {
  form.addEventListener("submit", (event) => {
    if (!window.confirm(form.dataset.confirm ?? "")) {
      event.preventDefault();
    }
  });
}
