// Writing into a page that is there.

export function setText(element: Element, text: string): void {
  // Writing the same text again would still make screen readers and layout work.
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
