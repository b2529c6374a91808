// The page's words: written by the server into `data-words`, in the reader's language.

const source = document.querySelector<HTMLElement>("[data-words]")?.dataset.words;
const words = (source ? JSON.parse(source) : {}) as Record<string, string>;

/** A text of the page; `{name}` in it is filled from `values`. */
export function say(key: string, values: Record<string, string | number> = {}): string {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}
