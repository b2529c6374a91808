// Text as it is searched: small letters without accents; the same as vonggac.core.text.fold.

export function fold(text: string): string {
  return text
    .normalize("NFC")
    .toLowerCase()
    .replaceAll("đ", "d")
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .trim();
}
