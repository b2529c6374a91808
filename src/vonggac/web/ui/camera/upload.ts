// A picture at installation from a file.

export function startUpload(host: HTMLElement): void {
  const input = host.querySelector<HTMLInputElement>("input[type=file]");
  const problem = document.querySelector<HTMLElement>("[data-upload-problem]");
  if (!input || !problem) {
    return;
  }
  host.hidden = false;
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) {
      void send(file);
    }
  });

  async function send(file: File): Promise<void> {
    if (!problem || !input) {
      return;
    }
    problem.hidden = true;
    let words = problem.dataset.failed ?? "";
    try {
      const answer = await fetch(host.dataset.upload ?? "", {
        method: "POST",
        headers: { "content-type": "image/jpeg", "x-csrf-token": document.body.dataset.csrf ?? "" },
        body: file,
        signal: AbortSignal.timeout(60_000),
      });
      const said = (await answer.json()) as { next?: string; error?: string };
      if (answer.ok && said.next) {
        location.href = said.next;
        return;
      }
      words = said.error ?? words;
    } catch {
      // The line broke, or the answer was none of ours: the words that stand there already fit.
    }
    problem.textContent = words;
    problem.hidden = false;
    input.value = "";
  }
}
